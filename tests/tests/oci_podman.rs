//! podman with our runtime and with crun: the same commands, the same statuses and words.

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
fn root_podman_runs_what_it_runs_with_crun() {
    if !program::root() {
        return;
    }
    let (_registry, ours, theirs, name) = both();
    let table: &[(&[&str], &[&str])] = &[
        (&[], &["echo", "a  b", "$HOME"]),
        (&[], &["sh", "-c", "exit 42"]),
        (&[], &["sh", "-c", "kill -9 $$"]),
        (&[], &["no-such-program"]),
        (&[], &["/etc"]),
        (&[], &["/etc/passwd"]),
        (&["--user", "worker"], &["id"]),
        (&["--workdir", "/usr"], &["pwd"]),
        (&["--env", "A=1 2"], &["sh", "-c", "echo $A"]),
        (&["--hostname", "inside"], &["hostname"]),
        (&["--read-only"], &["sh", "-c", "echo x > /file"]),
        (&["--tmpfs", "/scratch"], &["sh", "-c", "echo x > /scratch/f && cat /scratch/f"]),
        (&["--cap-drop", "ALL"], &["sh", "-c", "grep Cap /proc/self/status"]),
        (&["--cap-add", "SYS_TIME"], &["sh", "-c", "grep Cap /proc/self/status"]),
        (&["--security-opt", "no-new-privileges"], &["grep", "NoNewPrivs", "/proc/self/status"]),
        (&["--security-opt", "seccomp=unconfined"], &["grep", "Seccomp:", "/proc/self/status"]),
        (&[], &["grep", "Seccomp:", "/proc/self/status"]),
        (&["-v", "/etc/hostname:/there:ro"], &["sh", "-c", "echo x > /there"]),
        (&["--privileged"], &["grep", "CapEff", "/proc/self/status"]),
        (&["--pid", "host"], &["sh", "-c", "test $$ -gt 1 && echo shared"]),
        (&["--ipc", "private", "--uts", "private"], &["true"]),
        (&["--init"], &["true"]),
        (&["--oom-score-adj", "500"], &["cat", "/proc/self/oom_score_adj"]),
    ];
    for (flags, command) in table {
        let line = [&["run", "--rm"], *flags, &[&*name], *command].concat();
        let (a, b) = (ours.run(&line), theirs.run(&line));
        assert_eq!(of(&a), of(&b), "{line:?}\n{a}\n{b}");
    }
}

#[test]
fn root_podman_keeps_containers_and_joins_them() {
    if !program::root() {
        return;
    }
    let (_registry, ours, theirs, name) = both();
    for podman in [&ours, &theirs] {
        let must = |line: &[&str]| podman.run(line).success();
        must(&["run", "--detach", "--name", "kept", &name, "sleep", "1000"]);
        let table: &[(&[&str], i32, &str)] = &[
            (&["exec", "kept", "echo", "inside"], 0, "inside\n"),
            (&["exec", "kept", "sh", "-c", "exit 7"], 7, ""),
            (&["exec", "kept", "no-such-program"], 127, ""),
            // By number: each podman here has mounts of its own, without the container's files.
            (&["exec", "--user", "1000:2000", "kept", "id", "-u"], 0, "1000\n"),
            (
                &["exec", "--env", "A=1", "--workdir", "/tmp", "kept", "sh", "-c", "echo $A $PWD"],
                0,
                "1 /tmp\n",
            ),
            (&["inspect", "--format", "{{.State.Status}}", "kept"], 0, "running\n"),
            (&["kill", "kept"], 0, "kept\n"),
            (&["wait", "kept"], 0, "137\n"),
            (&["rm", "kept"], 0, "kept\n"),
        ];
        for (line, status, said) in table {
            let outcome = podman.run(line);
            if line[0] == "rm" {
                assert_eq!(outcome.status, *status, "{line:?}: {outcome}");
            } else {
                assert_eq!(of(&outcome), (*status, *said), "{line:?}: {outcome}");
            }
        }
        assert_eq!(podman.run(&["ps", "--all", "--quiet"]).success(), "");
    }
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
