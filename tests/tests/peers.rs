//! The same image, run by coffer and by podman.

use coffer_tests::coffer::Coffer;
use coffer_tests::image::Recipe;
use coffer_tests::image::catalogue::{ALL, BUSYBOX, DEBIAN, MARKED};
use coffer_tests::podman::Podman;
use coffer_tests::program::{self, Outcome};
use coffer_tests::registry::{Guard, Registry};

/// What an engine puts there itself: mounts, and the files that say who and where one is.
const ENGINES_OWN: &[&str] = &[
    "/walk",
    "/proc",
    "/sys",
    "/dev",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/mtab",
    "/run/.containerenv",
    "/.dockerenv",
];

/// Folders that an engine makes or changes for what it puts there; podman gives the root of
/// every container mode 555.
const TOUCHED: &[&str] = &["/ ", "/etc ", "/run "];

/// Both engines with `recipe`'s image out of one registry.
fn both(recipe: &Recipe) -> (Registry, Coffer, Podman, String) {
    let (registry, coffer, podman) =
        (Registry::start(Guard::Plain), Coffer::default(), Podman::default());
    let name = registry.push(recipe);
    coffer.must(&["pull", "--quiet", "--plain-http", &name]);
    podman.pull(&name);
    (registry, coffer, podman, name)
}

/// The lines of the walker's output that both engines are answerable for.
fn tree(walked: Outcome) -> Vec<String> {
    let lines = walked.success();
    let lines = lines.lines().filter(|line| !TOUCHED.iter().any(|path| line.starts_with(path)));
    lines.map(str::to_owned).collect()
}

/// Compares the trees that both engines give a container of `recipe`, and gives ours.
fn same_files(recipe: &Recipe) -> Vec<String> {
    let walk = format!("{}:/walk:ro", env!("CARGO_BIN_EXE_walk"));
    let (_registry, coffer, podman, name) = both(recipe);
    let mut arguments = vec!["run", "--rm", "--user", "0", "-v", &walk, "--entrypoint", "/walk"];
    arguments.extend([&*name, "/"]);
    arguments.extend(ENGINES_OWN);
    let (ours, theirs) = (tree(coffer.run(&arguments)), tree(podman.run(&arguments)));
    assert!(ours.len() > 100, "{}", recipe.name);
    let only = |here: &[String], there: &[String]| -> Vec<String> {
        let there: std::collections::HashSet<&String> = there.iter().collect();
        here.iter().filter(|line| !there.contains(line)).take(20).cloned().collect()
    };
    let (more, less) = (only(&ours, &theirs), only(&theirs, &ours));
    let name = recipe.name;
    assert!(more.is_empty() && less.is_empty(), "{name}:\nours {more:#?}\ntheirs {less:#?}");
    ours
}

#[test]
fn root_the_files_are_those_that_podman_gives() {
    if program::root() {
        for recipe in ALL {
            same_files(recipe);
        }
    }
}

#[test]
fn root_attributes_and_capabilities_are_those_that_podman_gives() {
    if !program::root() {
        return;
    }
    let files = same_files(&MARKED);
    let line = |path: &str| files.iter().find(|line| line.starts_with(path)).unwrap();
    assert!(line("/srv/may-bind ").contains("[security.capability=0100000200040000"));
    assert!(line("/srv/noted ").contains("[user.binary=000aff3d user.note=6b657074]"));
    // The upper layer has the folder without an entry for what the lower one says of it.
    assert!(line("/srv/folder/above ").contains("[user.layer="));
}

#[test]
fn root_commands_say_and_return_what_they_do_under_podman() {
    if !program::root() {
        return;
    }
    let (_registry, coffer, podman, name) = both(&BUSYBOX);
    let table: &[(&[&str], &[&str])] = &[
        (&[], &["true"]),
        (&[], &["false"]),
        (&[], &["echo", "a  b", "$HOME", "*"]),
        (&[], &["sh", "-c", "exit 42"]),
        (&[], &["sh", "-c", "kill -9 $$"]),
        (&[], &["sh", "-c", "kill -15 $$; sleep 1"]),
        (&[], &["sh", "-c", "echo out; echo err >&2; exit 3"]),
        (&[], &["pwd"]),
        (&[], &["sh", "-c", "id -u; id -g; id -un"]),
        (&[], &["sh", "-c", "umask; echo $HOME $PATH"]),
        (&[], &["sh", "-c", "cat /proc/1/comm; ls /proc/self/fd | wc -l"]),
        (&[], &["ls", "/no/such/file"]),
        (&[], &["no-such-program"]),
        (&[], &["/etc/passwd"]),
        (&[], &["/etc"]),
        (&["--user", "worker"], &["id"]),
        (&["--user", "1000"], &["id"]),
        (&["--user", "1000:2000"], &["id"]),
        (&["--user", "worker:extra"], &["id"]),
        (&["--user", "4242"], &["sh", "-c", "id -u; id -g"]),
        (&["--user", "worker"], &["sh", "-c", "echo $HOME"]),
        (&["--workdir", "/usr/share"], &["pwd"]),
        (&["--env", "A=1 2", "--env", "B="], &["sh", "-c", "echo \"$A|$B|\""]),
        (&["--hostname", "inside"], &["hostname"]),
        (&["--entrypoint", "/bin/echo"], &["more", "words"]),
        (&["--read-only"], &["sh", "-c", "echo x > /file"]),
        (&["--read-only"], &["sh", "-c", "echo x > /dev/shm/file && echo written"]),
        (&["--tmpfs", "/scratch"], &["sh", "-c", "echo x > /scratch/f && cat /scratch/f"]),
        (&["--cap-drop", "ALL"], &["chown", "1000", "/etc/passwd"]),
        (&["--ulimit", "nofile=100:200"], &["sh", "-c", "ulimit -Sn; ulimit -Hn"]),
        (&[], &["sh", "-c", "sh -c 'kill -9 $$'"]),
        (&["--cap-drop", "ALL"], &["sh", "-c", "grep CapBnd /proc/self/status"]),
        (&[], &["sh", "-c", "grep NoNewPrivs /proc/1/status | wc -l"]),
        (&[], &["sh", "-c", "head -c 1000000 /dev/zero | wc -c"]),
    ];
    for (flags, command) in table {
        let line = [&["run", "--rm"], *flags, &[&*name], *command].concat();
        let (ours, theirs) = (coffer.run(&line), podman.run(&line));
        assert_eq!(
            (ours.status, &*ours.stdout),
            (theirs.status, &*theirs.stdout),
            "{line:?}\n{ours}"
        );
    }
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_an_ordinary_program_works_as_under_podman() {
    if !program::root() {
        return;
    }
    let (_registry, coffer, podman, name) = both(&DEBIAN);
    for script in [
        "dpkg --list | wc -l",
        "touch /tmp/a && ln /tmp/a /tmp/b && stat -c '%h %U %a' /tmp/b",
        "install -o worker -g extra -m 4755 /bin/true /tmp/t && stat -c '%U %G %a' /tmp/t",
        "mkfifo /tmp/p && (echo through > /tmp/p &) && cat /tmp/p",
        "cd /usr && rm -r share/doc && ls share | grep -c doc",
        "mv /etc/skel /etc/moved && ls -A /etc/moved",
        "su worker -c 'id -un'",
        "cat /etc/shadow | wc -l",
        "printf '%s' \"$$\"",
    ] {
        let line = ["run", "--rm", &name, "bash", "-c", script];
        let (ours, theirs) = (coffer.run(&line), podman.run(&line));
        assert_eq!(
            (ours.status, &*ours.stdout),
            (theirs.status, &*theirs.stdout),
            "{script}\n{ours}"
        );
    }
}
