//! Containers that podman keeps: the same words and statuses under ours and under crun.

use coffer_tests::program;

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
