//! Control groups on kernels that have all of v2. Each test has a group of its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a helper of a test fails as the test does, and looks at the kernel's own files by path"
)]

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;

use coffer_runtime::cgroup::{
    Cgroup, CgroupError, Driver, Entry, Manager, OfBundle, Place, Settings,
};
use coffer_runtime::plan::Authority;
use coffer_sys::spawn::{Clone3, Parent, spawn};
use coffer_tests::bed::{self, Kernel, Variant};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::thread::UnshareFlags;

fn place(path: &str, json: &str) -> (Place, Settings) {
    let settings = Settings::of_bundle(&serde_json::from_str(json).unwrap()).unwrap();
    let manager = Manager::discover().unwrap();
    let place = manager
        .of_bundle(OfBundle {
            driver: &Driver::Cgroupfs,
            cgroups_path: path,
            settings: &settings,
            annotations: &BTreeMap::new(),
            id: "web",
            authority: Authority::Root,
        })
        .unwrap();
    (place, settings)
}

fn made(path: &str, json: &str) -> (Place, Cgroup) {
    let (place, settings) = place(path, json);
    let cgroup = place.create(&settings).unwrap();
    (place, cgroup)
}

fn held(place: &Place, name: &str) -> String {
    std::fs::read_to_string(place.groups[0].path().join(name)).unwrap().trim().to_owned()
}

/// A shell that is born in the group.
fn born(cgroup: &Cgroup, script: &str) -> OwnedFd {
    let Entry::Clone(group) = cgroup.entry().unwrap() else { panic!("not v2") };
    let how = Clone3 {
        namespaces: UnshareFlags::empty(),
        cgroup: Some(group.as_fd()),
        parent: Parent::Caller,
    };
    let mut shell = std::process::Command::new("/bin/bash");
    shell.args(["-c", script]);
    let exec = || {
        use std::os::unix::process::CommandExt;
        drop(shell.exec());
        127
    };
    spawn(how, exec).unwrap().pidfd
}

fn status(child: &OwnedFd) -> Option<i32> {
    let ended = waitid(WaitId::PidFd(child.as_fd()), WaitIdOptions::EXITED).unwrap();
    ended.unwrap().exit_status()
}

#[test]
fn bed_plain_limits_stand_in_the_files_of_v2() {
    bed::enter!(Variant::Plain);
    let (place, cgroup) = made(
        "/test-files/web",
        r#"{"memory": {"limit": 67108864, "swap": 134217728, "reservation": 1048576},
            "cpu": {"shares": 1024, "quota": 20000, "period": 100000, "cpus": "0"},
            "pids": {"limit": 9}, "blockIO": {"weight": 500},
            "unified": {"memory.high": "33554432", "memory.oom.group": "1"}}"#,
    );
    for (name, value) in [
        ("memory.max", "67108864"),
        ("memory.swap.max", "67108864"),
        ("memory.low", "1048576"),
        ("memory.high", "33554432"),
        ("memory.oom.group", "1"),
        ("cpu.weight", "39"),
        ("cpu.max", "20000 100000"),
        ("cpuset.cpus", "0"),
        ("pids.max", "9"),
    ] {
        assert_eq!(held(&place, name), value, "{name}");
    }
    let change = r#"{"memory": {"limit": 33554432, "swap": -1}, "cpu": {"quota": -1}}"#;
    let change = Settings::of_update(&serde_json::from_str(change).unwrap()).unwrap();
    cgroup.update(&change).unwrap();
    assert_eq!(held(&place, "memory.max"), "33554432");
    assert_eq!(held(&place, "memory.swap.max"), "max");
    let stats = cgroup.stats().unwrap();
    assert_eq!((stats.pids_limit, stats.memory_limit_bytes), (Some(9), Some(33_554_432)));
    cgroup.remove().unwrap();
    std::fs::remove_dir("/sys/fs/cgroup/test-files").unwrap();
}

#[test]
fn bed_plain_too_much_memory_is_killed_and_told() {
    bed::enter!(Variant::Plain);
    let (_, cgroup) = made("/test-oom", r#"{"memory": {"limit": 16777216, "swap": 16777216}}"#);
    let mut events = cgroup.oom_events().unwrap();
    let child = born(&cgroup, "head -c 100000000 /dev/zero | tail > /dev/null");
    while cgroup.oom_kills().unwrap() == 0 {
        events.wait().unwrap();
    }
    status(&child);
    cgroup.remove().unwrap();
}

#[test]
fn bed_plain_forks_end_at_the_limit() {
    bed::enter!(Variant::Plain);
    let (_, cgroup) = made("/test-pids", r#"{"pids": {"limit": 1}}"#);
    assert_eq!(status(&born(&cgroup, "(exit 0) 2> /dev/null || exit 9")), Some(254));
    cgroup.remove().unwrap();
}

#[test]
fn bed_plain_devices_are_denied_by_the_filter() {
    bed::enter!(Variant::Plain);
    let (_, cgroup) = made("/test-devices", "{}");
    let script = "head -c 1 /dev/zero > /dev/null || exit 1; (: < /dev/kmsg) 2> /dev/null && exit 2
        mknod /tmp/kmsg c 1 11 || exit 3; (: < /tmp/kmsg) 2> /dev/null && exit 4; exit 0";
    assert_eq!(status(&born(&cgroup, script)), Some(0));
    cgroup.remove().unwrap();
}

#[test]
fn bed_plain_what_is_frozen_stands_and_is_killed_whole() {
    bed::enter!(Variant::Plain);
    let (_, cgroup) = made("/test-freeze", "{}");
    let child = born(&cgroup, "while :; do (:); done");
    cgroup.freeze().unwrap();
    assert!(cgroup.is_frozen().unwrap());
    let before = cgroup.stats().unwrap().cpu_us;
    assert_eq!(cgroup.stats().unwrap().cpu_us, before);
    cgroup.thaw().unwrap();
    cgroup.freeze().unwrap();
    cgroup.kill().unwrap();
    assert_eq!(status(&child), None);
    cgroup.remove().unwrap();
}

#[test]
fn bed_plain_a_group_in_use_is_refused() {
    bed::enter!(Variant::Plain);
    let (place, cgroup) = made("/test-used", "{}");
    let child = born(&cgroup, "read line < <(tail -f /dev/null)");
    let (_, settings) = self::place("/test-used", "{}");
    let error = place.create(&settings).unwrap_err();
    assert!(matches!(error, CgroupError::Populated { .. }), "{error}");
    cgroup.remove().unwrap();
    assert_eq!(status(&child), None);
}

#[test]
fn bed_plain_the_newer_kernel_decides_alike() {
    bed::enter!(Variant::Plain.on(Kernel::Debian13));
    let (_, cgroup) = made("/test-newer", r#"{"pids": {"limit": 50}}"#);
    let script =
        "head -c 1 /dev/zero > /dev/null || exit 1; (: < /dev/kmsg) 2> /dev/null || exit 7";
    assert_eq!(status(&born(&cgroup, script)), Some(7));
    cgroup.remove().unwrap();
}
