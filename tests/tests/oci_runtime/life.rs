//! States, and what every verb does in each of them.

use coffer_tests::oci::Runtime;
use coffer_tests::program;

/// What a container is doing when a verb meets it.
const STATES: [&str; 4] = ["none", "created", "running", "stopped"];

/// Verbs, with the container's id in place of `ID`.
const VERBS: &[&[&str]] = &[
    &["state", "ID"],
    &["start", "ID"],
    &["kill", "ID"],
    &["kill", "ID", "KILL"],
    &["kill", "ID", "SIGUSR1"],
    &["kill", "ID", "10"],
    &["kill", "ID", "NOSUCH"],
    &["delete", "ID"],
    &["delete", "--force", "ID"],
    &["delete", "ID", "--nothing"],
    &["ps", "--format", "json", "ID"],
    &["exec", "ID", "true"],
    &["exec", "ID", "sh", "-c", "exit 7"],
    &["exec", "ID", "/no/such/program"],
    &["exec", "ID"],
    &["list"],
    &["list", "--quiet"],
    &["list", "--format", "json"],
    &["state"],
    &["state", "../ID"],
];

/// Brings a new container into `state`.
#[track_caller]
fn bring(runtime: &Runtime, id: &str, state: &str) {
    if state == "none" {
        return;
    }
    let bundle = runtime.bundle("trap : USR1; while :; do sleep 1; done", |_| ());
    assert_eq!(runtime.create(id, &bundle).status, 0);
    if state == "created" {
        return;
    }
    runtime.must(&["start", id]);
    if state == "stopped" {
        let pid = runtime.pid(id);
        runtime.must(&["kill", id, "KILL"]);
        Runtime::ends(pid);
    }
    assert_eq!(runtime.status(id), state);
}

/// What came of every verb in every state.
fn matrix(runtime: &Runtime) -> Vec<String> {
    let mut rows = Vec::new();
    for state in STATES {
        for (number, verb) in VERBS.iter().enumerate() {
            let id = format!("life-{}-{state}-{number}", std::process::id());
            bring(runtime, &id, state);
            let words: Vec<String> = verb.iter().map(|word| word.replace("ID", &id)).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let outcome = runtime.run(&words);
            rows.push(format!("{state}: {verb:?}: {}", outcome.status));
            runtime.run(&["delete", "--force", &id]);
        }
    }
    rows
}

#[test]
fn root_every_verb_in_every_state_ends_as_with_runc() {
    if !program::root() {
        return;
    }
    let all: Vec<Vec<String>> = Runtime::all().iter().map(matrix).collect();
    for theirs in &all[1..] {
        let differ: Vec<_> = all[0].iter().zip(theirs).filter(|(a, b)| a != b).collect();
        assert!(differ.is_empty(), "ours and runc's: {differ:#?}");
    }
}

#[test]
fn root_a_container_lives_from_create_to_delete() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        let id = format!("whole-{}", std::process::id());
        let bundle = runtime.bundle("sleep 1000", |config| {
            config["annotations"] = serde_json::json!({"a.b": "c"});
        });
        assert_eq!(runtime.create(&id, &bundle).status, 0);
        let state = runtime.state(&id).unwrap();
        assert_eq!(state["status"], "created");
        assert_eq!(state["id"], id.as_str());
        assert_eq!(state["bundle"], bundle.to_string_lossy().as_ref());
        assert_eq!(state["rootfs"], bundle.join("rootfs").to_string_lossy().as_ref());
        assert_eq!(state["annotations"]["a.b"], "c");
        assert!(state["pid"].as_i64().unwrap() > 0 && state["ociVersion"].is_string());
        runtime.must(&["start", &id]);
        assert_eq!(runtime.status(&id), "running");
        assert!(runtime.must(&["list", "-q"]).contains(&id));
        let pid = runtime.pid(&id);
        runtime.must(&["kill", &id, "KILL"]);
        Runtime::ends(pid);
        let state = runtime.state(&id).unwrap();
        assert_eq!((state["status"].as_str(), state["pid"].as_i64()), (Some("stopped"), Some(0)));
        runtime.must(&["delete", &id]);
        assert_eq!(runtime.status(&id), "none");
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_an_id_is_taken_once() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        let id = format!("twice-{}", std::process::id());
        let bundle = runtime.bundle("sleep 1000", |_| ());
        assert_eq!(runtime.create(&id, &bundle).status, 0);
        let pid = runtime.pid(&id);
        let again = runtime.create(&id, &bundle);
        assert_eq!(again.status, 1, "{again}");
        assert!(again.stderr.contains("container with given ID already exists"), "{again}");
        assert_eq!(runtime.pid(&id), pid);
        for bad in ["a/b", "..", "a b", ""] {
            assert_eq!(runtime.create(bad, &bundle).status, 1, "{bad:?}");
        }
        runtime.must(&["delete", "--force", &id]);
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_options_stand_anywhere_and_in_both_spellings() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let bundle = runtime.bundle("sleep 1000", |_| ());
    let bundle = bundle.to_string_lossy();
    let pid_file = runtime.folder().join("pid");
    let pid_file = pid_file.to_string_lossy();
    for line in [
        vec!["create", "id", "--bundle", &bundle, "--pid-file", &pid_file],
        vec!["--cgroup-manager=disabled", "create", "-b", &bundle, "--no-subreaper", "id"],
        vec!["--systemd-cgroup=false", "--rootless", "auto", "create", "id", "-b", &bundle],
        vec!["--log-format=json", "--debug", "create", "-bundle", &bundle, "id"],
    ] {
        runtime.must(&line);
        runtime.must(&["delete", "id", "-f"]);
    }
    assert!(std::fs::read_to_string(&*pid_file).unwrap().parse::<i32>().unwrap() > 1);
}

#[test]
fn errors_are_logged_as_podman_reads_them() {
    let runtime = Runtime::ours();
    let log = runtime.folder().join("log");
    let log_word = log.to_string_lossy();
    let words = ["--log", &log_word, "--log-format", "json", "state", "nothing"];
    let said = runtime.run(&words).failure(1);
    assert_eq!(said, "container \"nothing\" does not exist\n");
    let line = std::fs::read_to_string(&log).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "error");
    assert_eq!(line["msg"], "container \"nothing\" does not exist");
    assert!(line["time"].is_string());
}

#[test]
fn the_version_has_runcs_three_lines() {
    let said = Runtime::ours().run(&["--version"]).success();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("coffer-oci version "), "{said}");
    assert!(lines[1].starts_with("commit: ") && lines[2].starts_with("spec: 1."), "{said}");
}
