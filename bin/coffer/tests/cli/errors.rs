//! What a person sees when something is wrong: every word of it.

use crate::common::coffer;

#[track_caller]
fn fails(line: &str, code: i32, message: &str) {
    let ran = coffer(line);
    assert_eq!(ran.stderr, message);
    assert_eq!((ran.code, ran.stdout.as_str()), (code, ""));
}

#[test]
fn no_verb() {
    fails("", 125, "error: there is no verb\nhelp: coffer help lists the verbs\n");
}

#[test]
fn a_misspelt_verb() {
    fails("imagse", 125, "error: coffer has no verb \"imagse\"\nhelp: did you mean images?\n");
    fails("xyzzy", 125, "error: coffer has no verb \"xyzzy\"\nhelp: coffer help lists the verbs\n");
}

#[test]
fn a_verb_that_docker_has() {
    fails(
        "swarm init",
        125,
        "error: coffer does not have docker's \"swarm\"\n\
         \x20  = coffer runs containers on one host, each by itself\n\
         help: start each of them: coffer run -d --name NAME IMAGE\n",
    );
}

#[test]
fn a_long_form_that_docker_has() {
    fails("container", 125, "error: `coffer container` needs a verb\nhelp: coffer container ls\n");
    fails(
        "container prune",
        125,
        "error: coffer does not have docker's \"container prune\"\n\
         \x20  = stopped containers go with what else nothing names\n\
         help: coffer system prune --containers\n",
    );
    fails(
        "image build .",
        125,
        "error: coffer does not have docker's \"build\"\n\
         \x20  = images are not built yet\n\
         help: build it elsewhere, then: coffer load -i FILE, or coffer run docker-archive:FILE\n",
    );
    fails(
        "image lss",
        125,
        "error: coffer has no verb \"image lss\"\nhelp: coffer help lists the verbs\n",
    );
}

#[test]
fn second_words_that_there_are_not() {
    fails(
        "system events",
        125,
        "error: coffer does not have docker's \"system events\"\n\
         \x20  = there is no daemon that could tell\n\
         help: coffer wait NAME, or coffer logs --follow NAME\n",
    );
    fails(
        "system clean",
        125,
        "error: `coffer system` has no \"clean\"\nhelp: coffer system --help lists what there is\n",
    );
}

#[test]
fn a_misspelt_flag() {
    fails(
        "images --digest",
        125,
        "error: `coffer images` has no flag --digest\n\
         help: did you mean --digests?\n\
         help: coffer images --help lists the flags\n",
    );
}

#[test]
fn a_misspelt_global_flag() {
    fails(
        "--rooot /x images",
        125,
        "error: coffer has no flag --rooot before the verb\nhelp: did you mean --root?\n",
    );
}

#[test]
fn go_templates() {
    fails(
        "images --format {{.ID",
        125,
        "error: \"{{.ID\" is not a value for --format <FORMAT>\n\
         \x20  = it is table, json or a Go template, such as {{.ID}}\n\
         \x20  = an action does not end\n",
    );
    fails(
        "inspect --format {{nothing}} web",
        125,
        "error: \"{{nothing}}\" is not a value for --format <FORMAT>\n\
         \x20  = there is no function \"nothing\"; there are: and, eq, ge, gt, index, join, json, \
         le, len, lower, lt, ne, not, or, print, printf, println, split, title, truncate, upper\n",
    );
}

#[test]
fn flags_that_docker_has_and_nobody_needs() {
    fails(
        "images --all",
        125,
        "error: `coffer images` does not have docker's --all\n\
         \x20  = all images are listed: there are no hidden ones\n\
         help: leave the flag out\n\
         help: coffer images --help lists the flags\n",
    );
}

#[test]
fn ports_before_there_are_networks() {
    fails(
        "run -p 8080:80 web",
        125,
        "error: `coffer run` does not have docker's -p\n\
         \x20  = ports cannot be published yet: a container's network is `none` or `host`\n\
         help: share the host's network: --network host\n\
         help: coffer run --help lists the flags\n",
    );
}

#[test]
fn a_flag_of_run_that_nobody_has() {
    fails(
        "run --detatch web",
        125,
        "error: `coffer run` has no flag --detatch\n\
         help: did you mean --detach?\n\
         help: coffer run --help lists the flags\n",
    );
}

#[test]
fn a_value_of_the_wrong_form() {
    fails(
        "run --memory lots web",
        125,
        "error: \"lots\" is not a value for --memory <SIZE>\n\
         \x20  = it is a size of at least 6m, such as 512m, or -1 for no limit\n",
    );
    fails(
        "run -v da/ta:/data web",
        125,
        "error: \"da/ta:/data\" is not a value for --volume <DIR|NAME:PATH[:ro]>\n\
         \x20  = \"da/ta\" cannot name a volume; two or more of a-z A-Z 0-9 _ . - can, a letter or digit first; a folder of the host begins with / or ./\n",
    );
}

#[test]
fn what_is_missing() {
    fails("run -it", 125, "error: `coffer run` needs <IMAGE>\nhelp: coffer run --help\n");
    fails(
        "exec web",
        125,
        "error: `coffer exec` needs a command\nhelp: coffer exec CONTAINER COMMAND\n",
    );
}

#[test]
fn no_place_to_keep_things() {
    let root = rustix::process::geteuid().is_root();
    if root {
        return;
    }
    let mut command = crate::common::command();
    let ran = crate::common::finish(command.env_remove("HOME").arg("images").output().unwrap());
    assert!(ran.stderr.starts_with("error: there is no place to keep images"), "{}", ran.stderr);
}

#[test]
fn somebody_elses_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
    std::fs::set_permissions(folder.path(), mode).unwrap();
    let ran = crate::common::coffer_at(folder.path(), &["images"]);
    assert_eq!(ran.code, 125);
    assert!(ran.stderr.contains("it must be yours, with mode 700"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("\nhelp: where it is nobody else's: chmod 700 /"),
        "{}",
        ran.stderr
    );
}

#[test]
fn an_image_that_is_not_here() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let ran = crate::common::coffer_at(&root, &["tag", "busybox", "b:1"]);
    assert_eq!(ran.stderr, "error: image busybox is not here\nhelp: coffer pull busybox:latest\n");
}

#[test]
fn a_container_that_is_not_here() {
    let folder = tempfile::tempdir().unwrap();
    let ran = crate::common::coffer_at(&folder.path().join("root"), &["stop", "web", "db"]);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (125, "error: no such container: web\nerror: no such container: db\n")
    );
}

#[test]
fn an_image_that_is_not_here_and_not_to_be_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["run", "--offline", "--platform", "linux/amd64", "busybox"];
    let ran = crate::common::coffer_at(&folder.path().join("root"), &args);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (
            125,
            "error: image busybox:latest for linux/amd64 is not here, and nothing is to be fetched\n\
             help: fetch it first: coffer pull busybox:latest\n"
        )
    );
}

#[test]
fn the_probe_runs_in_containers_only() {
    fails(
        "demo-probe",
        125,
        "error: demo-probe runs as the first process of a container only\nhelp: coffer demo\n",
    );
}
