//! What stays with a container, and how it ends.

#![expect(clippy::disallowed_methods, reason = "looks into a store and /proc by path")]
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::fs;

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;

/// The private memory of a process, in KiB.
fn private_kib(pid: i64) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let dirty = rollup.lines().find(|line| line.starts_with("Private_Dirty:")).unwrap();
    dirty.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn root_a_monitor_is_small() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let line = "yes | head -c 200000; echo written; exec sleep 1000";
    coffer.must(&["run", "-d", "--name", "box", &name, "sh", "-c", line]);
    coffer.logs_until("box", "written");
    let before = private_kib(coffer.monitor().as_raw_pid().into());
    coffer.kill_monitor();
    coffer.must(&["ps"]);
    let after = private_kib(coffer.monitor().as_raw_pid().into());
    assert!(before < 1024 && after < 1024, "{before} KiB, and {after} KiB of one that came later");
    assert_eq!(coffer.leftovers(), [""; 0]);
}
