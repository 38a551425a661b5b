//! podman with our runtime and with crun: the same commands, the same statuses and words.

#![expect(clippy::disallowed_methods, reason = "the tests' own folders")]

mod flags;
mod life;
mod rootless;

use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::podman::Podman;
use coffer_tests::program::{self, Outcome};
use coffer_tests::registry::{Guard, Registry};
use coffer_tests::terminal::Terminal;

/// podman with ours, and podman with crun, and an image that both have.
fn both() -> (Registry, Podman, Podman, String) {
    let registry = Registry::start(Guard::Plain);
    let (ours, theirs) = (Podman::with_ours(), Podman::with_crun());
    let name = registry.push(&BUSYBOX);
    ours.pull(&name);
    theirs.pull(&name);
    (registry, ours, theirs, name)
}

/// What is compared: the status and what was said.
fn of(outcome: &Outcome) -> (i32, &str) {
    (outcome.status, &outcome.stdout)
}

#[test]
fn root_somebody_types_into_podman_run_and_exec() {
    if !program::root() {
        return;
    }
    let (_registry, ours, _, name) = both();
    let line = ["run", "--rm", "--name", "typed", "-it", &name, "sh"];
    let mut typist = Terminal::start(&ours.command(&line));
    typist.types("test -t 0 && echo a ter''minal\r");
    typist.expects("a terminal");
    let mut other = Terminal::start(&ours.command(&["exec", "-it", "typed", "sh"]));
    other.types("test -t 1 && echo an''other; exit 6\r");
    other.expects("another");
    assert_eq!(other.ends().0, Some(6));
    typist.types("exit 5\r");
    assert_eq!(typist.ends().0, Some(5));
}

#[test]
fn root_podman_configured_as_the_page_says_calls_ours() {
    if !program::root() {
        return;
    }
    let registry = Registry::start(Guard::Plain);
    let podman = Podman::as_documented();
    let name = registry.push(&BUSYBOX);
    podman.pull(&name);
    let format = ["info", "--format", "{{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}}"];
    let runtime = podman.run(&format).success();
    let (word, path) = runtime.trim().split_once(' ').expect("a name and a path");
    assert!(word == "coffer-oci" && path.ends_with("/bin/coffer-oci"), "{runtime}");
    assert_eq!(podman.run(&["run", "--rm", &name, "echo", "inside"]).success(), "inside\n");
    assert_eq!(podman.run(&["run", "--rm", &name, "sh", "-c", "exit 7"]).status, 7);
}

#[test]
fn root_podman_shares_namespaces_and_volumes() {
    if !program::root() {
        return;
    }
    let (_registry, ours, _, name) = both();
    ours.run(&["volume", "create", "data"]).success();
    let write = ["run", "--rm", "-v", "data:/data", &name, "sh", "-c", "echo kept > /data/file"];
    ours.run(&write).success();
    let read = ["run", "--rm", "-v", "data:/data", &name, "cat", "/data/file"];
    assert_eq!(ours.run(&read).success(), "kept\n");
    let first = ["run", "-d", "--name", "first", "--hostname", "one", &name, "sleep", "1000"];
    ours.run(&first).success();
    // podman joins no pid namespace where it makes no control groups.
    let joins = ["run", "--rm", "--uts=container:first", "--ipc=container:first", &name];
    assert_eq!(ours.run(&[&joins[..], &["hostname"]].concat()).success(), "one\n");
    ours.run(&["rm", "--force", "--time=0", "first"]).success();
}
