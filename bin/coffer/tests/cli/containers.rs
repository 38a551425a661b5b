//! Containers, with the demo's image: coffer's own binary and nothing else.

use crate::common::{coffer_at, finish};

/// The whole path, and what the process inside can reach.
#[test]
fn root_the_demo_holds() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut command = crate::common::command();
    let ran = finish(command.arg("demo").env("TMPDIR", scratch.path()).output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let steps = ["assembled", "stored", "resolved", "verified", "scanned", "unpacked", "fenced"];
    for step in steps.iter().chain(&["removed", "held"]) {
        assert!(ran.stderr.lines().any(|line| line.trim().starts_with(step)), "{}", ran.stderr);
    }
    assert!(ran.stdout.contains("\n  open a raw socket "), "{}", ran.stdout);
    assert!(!ran.stdout.contains("NOT AS PREDICTED"), "{}", ran.stdout);
    #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
    let mut left = std::fs::read_dir(scratch.path()).unwrap();
    assert!(left.next().is_none(), "the demo left something behind");
}

#[test]
fn flags_behind_the_image_are_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let ran = coffer_at(&root, &["run", "--offline", "busybox", "--no-such-flag"]);
    assert!(ran.stderr.contains("busybox:latest"), "{}", ran.stderr);
}
