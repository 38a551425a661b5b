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
    Cgroup, CgroupError, Count, DeviceCount, Driver, Entry, Manager, OfBundle, Place, Settings,
};
use coffer_runtime::plan::Authority;
use coffer_sys::spawn::{Clone3, Parent, spawn};
use coffer_tests::bed::{self, Kernel, Variant};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::thread::UnshareFlags;

fn place(path: &str, json: &str) -> (Place, Settings) {
    let settings = Settings::of_bundle(&serde_json::from_str(json).unwrap()).unwrap();
    (planned(path, &settings).unwrap(), settings)
}

fn planned(path: &str, settings: &Settings) -> Result<Place, CgroupError> {
    Manager::discover()?.of_bundle(OfBundle {
        driver: &Driver::Cgroupfs,
        cgroups_path: path,
        settings,
        annotations: &BTreeMap::new(),
        id: "web",
        authority: Authority::Root,
    })
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
    let before = cgroup.stats().unwrap().cpu_ns;
    assert_eq!(cgroup.stats().unwrap().cpu_ns, before);
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

/// The guest's scratch disk, as `MAJOR:MINOR`.
fn disk() -> String {
    std::fs::read_to_string("/sys/class/block/vdc/dev").unwrap().trim().to_owned()
}

/// All of `linux.resources` that the guest has something for, read back from the files.
fn every_resource_is_held() {
    let disk = disk();
    // Weights of a disk need a model of its costs.
    std::fs::write("/sys/fs/cgroup/io.cost.qos", format!("{disk} enable=1")).unwrap();
    let (major, minor) = disk.split_once(':').unwrap();
    let on_disk = |rest: &str| format!(r#"[{{"major": {major}, "minor": {minor}, {rest}}}]"#);
    let json = format!(
        r#"{{"memory": {{"limit": 67108864, "swap": -1, "reservation": -1,
                "checkBeforeUpdate": true}},
            "cpu": {{"shares": 2, "quota": 20000, "period": 50000, "burst": 10000,
                "cpus": "0-1", "mems": "0"}},
            "pids": {{"limit": -1}},
            "blockIO": {{"weight": 1000, "weightDevice": {},
                "throttleReadBpsDevice": {}, "throttleWriteBpsDevice": {},
                "throttleReadIOPSDevice": {}, "throttleWriteIOPSDevice": {}}},
            "hugepageLimits": [{{"pageSize": "2MB", "limit": 4194304}},
                {{"pageSize": "1GB", "limit": 0}}],
            "unified": {{"memory.min": "4096", "cgroup.max.depth": "3",
                "memory.swap.high": "1048576"}}}}"#,
        on_disk(r#""weight": 10"#),
        on_disk(r#""rate": 1048576"#),
        on_disk(r#""rate": 2097152"#),
        on_disk(r#""rate": 100"#),
        on_disk(r#""rate": 200"#),
    );
    let (place, cgroup) = made("/test-every/web", &json);
    let rates = format!("{disk} rbps=1048576 wbps=2097152 riops=100 wiops=200");
    let weights = format!("default 10000\n{disk} 1");
    for (name, value) in [
        ("memory.max", "67108864"),
        ("memory.swap.max", "max"),
        ("memory.low", "max"),
        ("memory.min", "4096"),
        ("memory.swap.high", "1048576"),
        ("cpu.weight", "1"),
        ("cpu.max", "20000 50000"),
        ("cpu.max.burst", "10000"),
        ("cpuset.cpus", "0-1"),
        ("cpuset.mems", "0"),
        ("pids.max", "max"),
        ("io.max", &rates),
        ("io.weight", &weights),
        ("hugetlb.2MB.max", "4194304"),
        ("hugetlb.2MB.rsvd.max", "4194304"),
        ("hugetlb.1GB.max", "0"),
        ("cgroup.max.depth", "3"),
    ] {
        assert_eq!(held(&place, name), value, "{name}");
    }
    cgroup.remove().unwrap();
    let (place, cgroup) = made("/test-every/idle", r#"{"cpu": {"idle": 1}}"#);
    assert_eq!(held(&place, "cpu.idle"), "1");
    cgroup.remove().unwrap();
    std::fs::remove_dir("/sys/fs/cgroup/test-every").unwrap();
}

#[test]
fn bed_plain_every_resource_is_held() {
    bed::enter!(Variant::Plain);
    every_resource_is_held();
}

#[test]
fn bed_plain_every_resource_is_held_by_the_newer_kernel() {
    bed::enter!(Variant::Plain.on(Kernel::Debian13));
    every_resource_is_held();
}

#[test]
fn bed_plain_what_v2_cannot_hold_is_refused_and_leaves_nothing() {
    bed::enter!(Variant::Plain);
    for (json, said) in [
        (r#"{"unified": {"memory.nothing": "1"}}"#, "this kernel has no memory.nothing"),
        (r#"{"unified": {"memory.max": "x"}}"#, "cannot be written"),
        (r#"{"unified": {"other.max": "1"}}"#, "this kernel has no other.max"),
        (r#"{"rdma": {"mlx5_0": {"hcaHandles": 1}}}"#, "rdma.max"),
        (r#"{"hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}"#, "no hugetlb.3MB.max"),
        (r#"{"cpu": {"mems": "7"}}"#, "cpuset.mems"),
    ] {
        let (place, settings) = place("/test-never", json);
        let error = place.create(&settings).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
        assert!(!place.groups[0].path().exists());
    }
    for (json, path) in [
        (r#"{"memory": {"swappiness": 5}}"#, "linux.resources.memory.swappiness: "),
        (r#"{"cpu": {"realtimeRuntime": 5}}"#, "linux.resources.cpu.realtimeRuntime: "),
        (r#"{"network": {"classID": 5}}"#, "linux.resources.network.classID: "),
    ] {
        let settings = Settings::of_bundle(&serde_json::from_str(json).unwrap()).unwrap();
        let error = planned("/test-never", &settings).unwrap_err().to_string();
        assert!(error.starts_with(path), "{error}");
    }
}

#[test]
fn bed_plain_who_waits_for_processor_time_is_counted() {
    bed::enter!(Variant::Plain);
    let (_, cgroup) = made("/test-wait", r#"{"cpu": {"quota": 5000, "period": 50000}}"#);
    let script = "n=0; while [ $n -lt 2000 ]; do n=$((n + 1)); done";
    status(&born(&cgroup, script));
    let stats = cgroup.stats().unwrap();
    assert!(stats.throttling.throttled_periods > 0 && stats.throttling.throttled_ns > 0);
    assert!(stats.cpu_ns.unwrap() > 0);
    assert!(stats.cpu_pressure.unwrap().some.total_us > 0);
    assert!(stats.memory_pressure.is_some() && stats.io_pressure.is_some());
    cgroup.remove().unwrap();
}

#[test]
fn bed_plain_a_device_is_allowed_as_listed_and_counted() {
    bed::enter!(Variant::Plain);
    let disk = disk();
    let (major, minor) = disk.split_once(':').unwrap();
    let rule = format!(
        r#"{{"devices": [{{"allow": false, "access": "rwm"}},
            {{"allow": true, "type": "b", "major": {major}, "minor": {minor}, "access": "r"}}]}}"#
    );
    let (_, cgroup) = made("/test-disk", &rule);
    let script = "head -c 8000000 /dev/vdc > /dev/null || exit 1
        (: > /dev/vdc) 2> /dev/null && exit 2; (: < /dev/vda) 2> /dev/null && exit 3; exit 0";
    assert_eq!(status(&born(&cgroup, script)), Some(0));
    let stats = cgroup.stats().unwrap();
    for count in [Count::Bytes, Count::Requests] {
        let reads = |io: &&DeviceCount| {
            io.count == count && io.kind == "Read" && format!("{}:{}", io.major, io.minor) == disk
        };
        assert!(stats.io.iter().find(reads).unwrap().value > 0, "{count:?}");
    }
    // Another rule takes the place of the first while the group is in use.
    let change = r#"{"devices": [{"allow": false, "access": "rwm"}]}"#;
    cgroup.update(&Settings::of_update(&serde_json::from_str(change).unwrap()).unwrap()).unwrap();
    assert_eq!(status(&born(&cgroup, "(: < /dev/vdc) 2> /dev/null || exit 9")), Some(9));
    cgroup.remove().unwrap();
}

#[test]
fn bed_plain_a_fork_bomb_and_groups_in_the_group_end_with_it() {
    bed::enter!(Variant::Plain);
    let (place, cgroup) = made("/test-tree", r#"{"pids": {"limit": 60}}"#);
    let script = "cd /sys/fs/cgroup/test-tree && mkdir -p a/b && echo 0 > a/b/cgroup.procs
        bomb() { bomb | bomb & wait; }; bomb";
    let child = born(&cgroup, script);
    let full = || held(&place, "pids.current").parse::<u32>().unwrap() > 50;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !full() && std::time::Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert!(full());
    cgroup.remove().unwrap();
    assert_eq!(status(&child), None);
    assert!(!place.groups[0].path().exists());
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
