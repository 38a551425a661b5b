//! The power fails while containers run: what is there after the next boot.

use coffer_tests::bed::{self, Variant};
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;

/// Runs `script` in a machine that boots with `disk`, and is cut off when it ends.
fn boot(disk: &str, script: &str) -> String {
    let mut machine = bed::run(Variant::Plain, &[&BUSYBOX], &["--disk", disk]);
    let outcome = program::run(machine.args(["--", "sh", "-ec", script]));
    assert_eq!(outcome.status, 0, "{outcome}");
    outcome.stdout
}

const BEFORE: &str = "
    coffer tag $(coffer pull --quiet oci:/host/busybox:latest) busybox
    coffer run -d --name ran --memory 64m busybox sh -c 'test -e /kept || echo kept >/kept; sync /kept; echo ran; exec sleep 1000'
    coffer run -d --name goes --rm busybox sleep 1000
    coffer create --name made busybox echo made
    until coffer logs ran | grep ran; do :; done
    coffer run --name ended busybox sh -c 'exit 3' || true
";

const LIST: &str = "coffer ps -a";

const AFTER: &str = "
    coffer start ran
    coffer exec ran echo again
    coffer exec ran cat /kept
    coffer start -a made
    coffer rm -f ran made ended
    coffer system prune --force >&2
    coffer system check >&2
    coffer ps -aq
";

#[test]
fn bed_plain_a_reboot_leaves_stopped_containers() {
    if !program::root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk").display().to_string();
    boot(&disk, BEFORE);
    let script = format!("{LIST}; echo --; {AFTER}");
    let after = boot(&disk, &script);
    let (listed, done) = after.split_once("--\n").unwrap();
    let line = |name: &str| {
        let line = listed.lines().find(|line| line.ends_with(name));
        line.map(str::to_lowercase)
    };
    assert!(!listed.contains("Up "), "{listed}");
    assert!(line("ran").is_some_and(|line| line.contains("exited")), "{listed}");
    assert!(line("made").is_some_and(|line| line.contains("created")), "{listed}");
    assert!(line("ended").is_some_and(|line| line.contains("exited (3)")), "{listed}");
    assert!(line("goes").is_none(), "what was to go at its end has gone: {listed}");
    assert!(done.contains("again\nkept\n") && done.contains("made\n"), "{done}");
    assert!(done.ends_with("ended\n"), "nothing is listed after that: {done}");
}
