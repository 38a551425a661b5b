//! Containers that podman keeps: the same words and statuses under ours and under crun.

use coffer_tests::program;

use coffer_tests::podman::Podman;

use super::{both, of};

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

/// A line for podman; one whose output is an id is compared by its status alone.
type Line<'a> = &'a [&'a str];

/// What each line said and how it ended.
fn transcript(podman: &Podman, lines: &[Line<'_>]) -> Vec<(String, i32, String)> {
    let one = |line: &Line<'_>| {
        let outcome = podman.run(line);
        let words = line.join(" ");
        let id = matches!(line[0], "run" | "create" | "commit" | "rm" | "secret");
        (words, outcome.status, if id { String::new() } else { outcome.stdout })
    };
    lines.iter().map(one).collect()
}

#[test]
fn root_podmans_verbs_do_what_they_do_with_crun() {
    if !program::root() {
        return;
    }
    let (_registry, ours, theirs, name) = both();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "copied\n").unwrap();
    let file = file.to_str().unwrap();
    let trap = "trap 'exit 6' USR1; trap 'echo got term; exit 5' TERM; echo >/ready; while :; do sleep 0.1; done";
    let code = ["inspect", "--format", "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}"];
    let state = |name| [&code[..], &[name]].concat();
    let lines: &[Line<'_>] = &[
        // Kept, changed, taken along.
        &["create", "--name", "a", &name, "sleep", "1000"],
        &["init", "a"],
        &["start", "a"],
        &["cp", file, "a:/copied"],
        &["exec", "a", "grep", "-q", "copied", "/copied"],
        &["exec", "--detach", "a", "touch", "/det"],
        &["exec", "a", "sh", "-c", "until test -e /det; do :; done"],
        &["exec", "--privileged", "a", "sh", "-c", "test $(id -u) = 0"],
        &["exec", "--workdir", "/nowhere", "a", "true"],
        &["diff", "--format", "json", "a"],
        &["commit", "--quiet", "a", "committed"],
        &["run", "--rm", "localhost/committed", "test", "-e", "/copied"],
        &["kill", "--signal", "0", "a"],
        &["kill", "--signal", "BADSIG", "a"],
        &["rename", "a", "b"],
        &["restart", "--time", "0", "b"],
        &["exec", "b", "true"],
        &["stop", "--time", "0", "b"],
        &state("b"),
        &["rm", "b"],
        // Signals, and what is done when it ends.
        &["run", "--detach", "--name", "c", &name, "sh", "-c", trap],
        &["exec", "c", "sh", "-c", READY],
        &["stop", "c"],
        &state("c"),
        &["rm", "c"],
        &["run", "--detach", "--name", "d", "--stop-signal", "USR1", &name, "sh", "-c", trap],
        &["exec", "d", "sh", "-c", READY],
        &["stop", "d"],
        &state("d"),
        &["rm", "d"],
        &["run", "--detach", "--name", "e", "--restart", "on-failure:2", &name, "false"],
        &["wait", "e"],
        &["rm", "--force", "e"],
        // Health, secrets, namespaces of another.
        &["secret", "create", "word", file],
        &["run", "--rm", "--secret", "word", &name, "grep", "-q", "copied", "/run/secrets/word"],
        &["run", "--rm", "--secret", "word,mode=0400,uid=7", &name, "sh", "-c", SECRET],
        &["run", "--detach", "--name", "f", "--health-cmd", "test -e /ok", HEALTH, &name, "top"],
        &["healthcheck", "run", "f"],
        &["exec", "f", "touch", "/ok"],
        &["healthcheck", "run", "f"],
        &["run", "--rm", "--ipc=container:f", "--uts=container:f", &name, "true"],
        &["rm", "--force", "--time", "0", "f"],
        // What never runs.
        &["create", "--name", "g", &name, "no-such-program"],
        &["start", "g"],
        &["rm", "g"],
        &["ps", "--all", "--format", "{{.Names}}"],
    ];
    let (a, b) = (transcript(&ours, lines), transcript(&theirs, lines));
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a, b);
    }
}

/// Waits until the traps are set.
const READY: &str = "until test -e /ready; do :; done";

const SECRET: &str = "test $(stat -c %a%u /run/secrets/word) = 4007";

const HEALTH: &str = "--health-interval=disable";
