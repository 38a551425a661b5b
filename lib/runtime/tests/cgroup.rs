//! Control groups on the host that runs the tests. Each test has a group of its own above its
//! containers' groups, and takes it away.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a helper of a test fails as the test does, says why it passes nothing, and looks at \
              the kernel's own files by path"
)]

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use coffer_runtime::cgroup::{
    Cgroup, CgroupError, Controller, CpuQuota, Driver, Entry, GroupPath, Kind, Limits, Manager,
    OfBundle, Owner, Pids, Place, Settings, Swap, Version,
};
use coffer_runtime::plan::Authority;
use coffer_runtime::state::ContainerId;

/// The group above the groups of one test; goes with it.
struct Above {
    name: String,
    manager: Manager,
}

impl Above {
    /// `None`, and said so, where the host or the user cannot have groups.
    fn new(test: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("{test}: only root has control groups here");
            return None;
        }
        let name = format!("coffer-test-{test}-{}", std::process::id());
        let manager = Manager::discover().unwrap().below(&name);
        if manager.layout().v1.is_empty() {
            eprintln!("{test}: this host is not v1, it is {:?}", manager.layout().kind());
            return None;
        }
        Some(Self { name, manager })
    }

    fn make(&self, limits: &Limits) -> (Place, Cgroup) {
        let id = ContainerId::random().unwrap();
        let place = self.manager.plan(&id, limits).unwrap();
        let cgroup = place.create(&limits.settings().unwrap()).unwrap();
        (place, cgroup)
    }

    fn folders(&self) -> Vec<PathBuf> {
        self.manager.layout().v1.iter().map(|v1| v1.mount.join(&self.name)).collect()
    }
}

impl Drop for Above {
    fn drop(&mut self) {
        for folder in self.folders().iter().filter(|folder| folder.is_dir()) {
            let removed = std::fs::remove_dir(folder);
            assert!(removed.is_ok() || std::thread::panicking(), "{}", folder.display());
        }
    }
}

/// A shell that is in the groups before it runs `script`, and whose input stays open.
fn run(cgroup: &Cgroup, script: &str) -> Child {
    let Entry::Tasks(tasks) = cgroup.entry().unwrap() else { panic!("not v1") };
    let me = std::process::id();
    let enter: String =
        tasks.iter().map(|fd| format!("echo 0 > /proc/{me}/fd/{}; ", fd.as_raw_fd())).collect();
    let mut child = Command::new("sh")
        .args(["-c", &format!("{enter} read go; {script}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It writes to the groups in their order, and the fds must be open until the last one.
    let me = child.id().to_string();
    let is_in = |line: &str| line.contains("/coffer-test-");
    let groups = || std::fs::read_to_string(format!("/proc/{me}/cgroup")).unwrap();
    while groups().lines().filter(|line| is_in(line)).count() < tasks.len() {
        std::thread::yield_now();
    }
    child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    child
}

fn output(cgroup: &Cgroup, script: &str) -> String {
    String::from_utf8(run(cgroup, script).wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn root_limits_stand_in_the_files_and_go_with_the_groups() {
    let Some(above) = Above::new("limits") else { return };
    let limits = Limits {
        memory_bytes: Some(64 << 20),
        swap: Swap::Bytes(0),
        cpu: Some(CpuQuota { quota_us: 50_000, period_us: 100_000 }),
        cpu_shares: Some(512),
        cpus: Some("0".to_owned()),
        pids: Some(Pids::Asked(20)),
        ..Limits::default()
    };
    let (place, cgroup) = above.make(&limits);
    let file = |controller: Controller, name: &str| {
        let group = place.groups.iter().find(|g| g.controllers.contains(&controller)).unwrap();
        std::fs::read_to_string(group.path().join(name)).unwrap().trim().to_owned()
    };
    assert_eq!(file(Controller::Memory, "memory.limit_in_bytes"), "67108864");
    assert_eq!(file(Controller::Memory, "memory.memsw.limit_in_bytes"), "67108864");
    assert_eq!(file(Controller::Cpu, "cpu.cfs_quota_us"), "50000");
    assert_eq!(file(Controller::Cpu, "cpu.shares"), "512");
    assert_eq!(file(Controller::Cpuset, "cpuset.cpus"), "0");
    assert_eq!(file(Controller::Pids, "pids.max"), "20");
    assert!(!file(Controller::Devices, "devices.list").contains("a *:* rwm"));

    let stats = cgroup.stats().unwrap();
    assert_eq!(stats.memory_limit_bytes, Some(64 << 20));
    assert_eq!((stats.pids, stats.pids_limit), (Some(0), Some(20)));
    cgroup.remove().unwrap();
    assert!(place.open().unwrap().stats().unwrap().pids.is_none());
    assert!(place.groups.iter().all(|group| !group.path().is_dir()));
}

#[test]
fn root_devices_are_denied_unless_they_are_standard() {
    let Some(above) = Above::new("devices") else { return };
    let (place, cgroup) = above.make(&Limits::default());
    assert_eq!(place.missing, [Controller::Pids, Controller::Memory]);
    let said = output(
        &cgroup,
        "head -c 1 /dev/zero > /dev/null && echo zero; (: < /dev/kmsg) 2> /dev/null && echo kmsg",
    );
    assert_eq!(said, "zero\n");
    cgroup.remove().unwrap();
}

#[test]
fn root_too_much_memory_is_killed_and_counted() {
    let Some(above) = Above::new("oom") else { return };
    let limits = Limits { memory_bytes: Some(16 << 20), swap: Swap::Bytes(0), ..Limits::default() };
    let (_, cgroup) = above.make(&limits);
    let status = run(&cgroup, "exec head -c 100000000 /dev/zero | tail").wait().unwrap();
    assert!(!status.success());
    assert!(cgroup.oom_kills().unwrap() > 0);
    cgroup.remove().unwrap();
}

#[test]
fn root_a_fork_bomb_ends() {
    let Some(above) = Above::new("bomb") else { return };
    let limits = Limits { pids: Some(Pids::Asked(40)), ..Limits::default() };
    let (place, cgroup) = above.make(&limits);
    let mut child = run(&cgroup, "while :; do (while :; do :; done) & done 2> /dev/null");
    while cgroup.pids().unwrap().len() < 30 {
        std::thread::yield_now();
    }
    cgroup.remove().unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(place.groups.iter().all(|group| !group.path().is_dir()));
}

#[test]
fn root_what_a_killed_command_left_is_taken_over() {
    let Some(above) = Above::new("left") else { return };
    let (place, left) = above.make(&Limits::default());
    drop(left);
    let again = place.create(&Limits::default().settings().unwrap()).unwrap();
    again.remove().unwrap();
}

#[test]
fn root_a_limit_that_the_kernel_refuses_leaves_nothing() {
    let Some(above) = Above::new("refused") else { return };
    let limits = Limits { cpus: Some("4000".to_owned()), ..Limits::default() };
    let id = ContainerId::random().unwrap();
    let place = above.manager.plan(&id, &limits).unwrap();
    let error = place.create(&limits.settings().unwrap()).unwrap_err();
    assert!(matches!(error, CgroupError::Write { .. }), "{error}");
    assert!(place.groups.iter().all(|group| !group.path().is_dir()));
}

#[test]
fn this_host_is_read() {
    let manager = Manager::discover().unwrap();
    assert_ne!(manager.layout().kind(), Kind::None);
}

/// A bundle's groups below one of the test's own; the tests' own drop takes that away.
fn bundle(above: &Above, json: &str) -> (Place, Settings) {
    let settings = Settings::of_bundle(&serde_json::from_str(json).unwrap()).unwrap();
    let path = format!("/{}/web", above.name);
    let manager = above.manager.clone();
    let place = manager
        .of_bundle(OfBundle {
            driver: &Driver::Cgroupfs,
            cgroups_path: &path,
            settings: &settings,
            annotations: &BTreeMap::new(),
            id: "web",
            authority: Authority::Root,
        })
        .unwrap();
    (place, settings)
}

fn held(place: &Place, controller: Controller, name: &str) -> String {
    let group = place.groups.iter().find(|g| g.controllers.contains(&controller)).unwrap();
    std::fs::read_to_string(group.path().join(name)).unwrap().trim().to_owned()
}

#[test]
fn root_a_bundle_is_in_every_hierarchy_and_is_found_again() {
    let Some(above) = Above::new("bundle") else { return };
    let (place, settings) = bundle(
        &above,
        r#"{"memory": {"limit": 67108864, "swap": 134217728, "swappiness": 7},
            "cpu": {"quota": 20000, "period": 100000, "burst": 1000, "idle": 0},
            "blockIO": {"throttleReadBpsDevice": [{"major": 7, "minor": 0, "rate": 4096}]},
            "devices": [{"allow": false, "access": "rwm"}], "pids": {"limit": 9}}"#,
    );
    let cgroup = place.create(&settings).unwrap();
    assert_eq!(held(&place, Controller::Memory, "memory.memsw.limit_in_bytes"), "134217728");
    assert_eq!(held(&place, Controller::Memory, "memory.swappiness"), "7");
    assert_eq!(held(&place, Controller::Cpu, "cpu.cfs_burst_us"), "1000");
    let rate = held(&place, Controller::Blkio, "blkio.throttle.read_bps_device");
    assert_eq!(rate, "7:0 4096");
    assert!(!held(&place, Controller::Cpuset, "cpuset.cpus").is_empty());
    assert_eq!(place.groups.len(), above.manager.layout().v1.len());

    let text = serde_json::to_string(&place).unwrap();
    let again: Place = serde_json::from_str(&text).unwrap();
    drop(cgroup);
    let cgroup = again.open().unwrap();
    assert_eq!(cgroup.stats().unwrap().pids_limit, Some(9));
    cgroup.remove().unwrap();
}

#[test]
fn root_limits_are_raised_and_lowered() {
    let Some(above) = Above::new("update") else { return };
    let (place, settings) = bundle(&above, r#"{"memory": {"limit": 1048576, "swap": 2097152}}"#);
    let cgroup = place.create(&settings).unwrap();
    for (limit, swap) in [(8 << 20, 16 << 20), (1 << 20, 1 << 20), (4 << 20, -1), (-1, 0)] {
        let json = format!(r#"{{"memory": {{"limit": {limit}, "swap": {swap}}}}}"#);
        let change = Settings::of_update(&serde_json::from_str(&json).unwrap()).unwrap();
        cgroup.update(&change).unwrap();
        let held = held(&place, Controller::Memory, "memory.limit_in_bytes");
        assert!(held == limit.to_string() || limit == -1 && held.len() > 15, "{held}");
    }
    cgroup.remove().unwrap();
}

#[test]
fn root_a_group_in_use_is_refused_and_left_alone() {
    let Some(above) = Above::new("used") else { return };
    let (place, settings) = bundle(&above, "{}");
    let cgroup = place.create(&settings).unwrap();
    let mut child = run(&cgroup, "exec sleep 1000");
    let error = place.create(&settings).unwrap_err();
    assert!(matches!(error, CgroupError::Populated { count: 1, .. }), "{error}");
    assert!(child.try_wait().unwrap().is_none());
    cgroup.freeze().unwrap();
    cgroup.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    // Empty, but frozen again: what starts there would hang.
    cgroup.freeze().unwrap();
    assert!(matches!(place.create(&settings).unwrap_err(), CgroupError::Frozen { .. }));
    cgroup.thaw().unwrap();
    let again = place.create(&settings).unwrap();
    again.remove().unwrap();
}

#[test]
fn root_what_is_frozen_stands_still() {
    let Some(above) = Above::new("freeze") else { return };
    let (place, settings) = bundle(&above, "{}");
    let cgroup = place.create(&settings).unwrap();
    let mut child = run(&cgroup, "read line; exit 7");
    cgroup.freeze().unwrap();
    assert!(cgroup.is_frozen().unwrap());
    let pid = cgroup.pids().unwrap()[0];
    let frozen = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    assert!(frozen().contains(" D ") || frozen().contains(" S "), "{}", frozen());
    child.stdin.take();
    assert!(child.try_wait().unwrap().is_none());
    cgroup.thaw().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    cgroup.remove().unwrap();
}

#[test]
fn root_the_group_above_goes_with_the_last_container() {
    let Some(above) = Above::new("above") else { return };
    let make = || above.make(&Limits::default()).1;
    let (first, second) = (make(), make());
    first.remove().unwrap();
    assert!(above.folders().iter().any(|folder| folder.is_dir()));
    second.remove().unwrap();
    assert!(!above.folders().iter().any(|folder| folder.is_dir()));
    // Others may make theirs at the moment in which it goes.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..20).for_each(|_| make().remove().unwrap()));
        }
    });
    assert!(!above.folders().iter().any(|folder| folder.is_dir()));
}

#[test]
fn root_a_kill_for_want_of_memory_is_told() {
    let Some(above) = Above::new("events") else { return };
    let limit = r#"{"memory": {"limit": 16777216, "swap": 16777216}}"#;
    let (place, settings) = bundle(&above, limit);
    let cgroup = place.create(&settings).unwrap();
    let mut events = cgroup.oom_events().unwrap();
    let mut child = run(&cgroup, "exec head -c 100000000 /dev/zero | tail");
    events.wait().unwrap();
    child.wait().unwrap();
    let stats = cgroup.stats().unwrap();
    assert!(stats.oom_kills > 0);
    assert!(stats.memory_peak_bytes.unwrap() > 8 << 20);
    assert!(stats.memory.contains_key("cache") && stats.cpu_ns.unwrap() > 0);
    cgroup.remove().unwrap();
}

/// Here v2 has next to no controllers, but device filters are there.
#[test]
fn root_the_device_filter_decides_and_is_replaced() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("filter: only root loads programs");
        return;
    }
    let Some(v2) = Manager::discover().unwrap().layout().v2.clone() else {
        eprintln!("filter: this host has no v2 hierarchy");
        return;
    };
    let group = GroupPath {
        version: Version::V2,
        mount: v2.mount,
        parent: PathBuf::new(),
        name: format!("coffer-test-filter-{}", std::process::id()),
        controllers: vec![Controller::Devices],
        above: Owner::Other,
    };
    let place = Place { groups: vec![group], ..Place::default() };
    let parse = |json: &str| Settings::of_bundle(&serde_json::from_str(json).unwrap()).unwrap();
    let cgroup = place.create(&parse("{}")).unwrap();
    let kmsg = "(: < /dev/kmsg) 2> /dev/null && echo read; (: > /dev/kmsg) 2> /dev/null && echo write; \
                head -c 1 /dev/zero > /dev/null && echo zero";
    assert_eq!(born(&cgroup, kmsg), "zero\n");
    let allowed = |access: &str| {
        let json = format!(
            r#"{{"devices": [{{"allow": true, "type": "c", "major": 1, "minor": 11,
                "access": "{access}"}}]}}"#
        );
        Settings::of_update(&serde_json::from_str(&json).unwrap()).unwrap()
    };
    cgroup.update(&allowed("r")).unwrap();
    assert_eq!(born(&cgroup, kmsg), "read\nzero\n");
    cgroup.update(&allowed("w")).unwrap();
    assert_eq!(born(&cgroup, kmsg), "write\nzero\n");
    cgroup.remove().unwrap();
}

/// What a shell that moved itself into the one group of v2 says.
fn born(cgroup: &Cgroup, script: &str) -> String {
    let Entry::Clone(dir) = cgroup.entry().unwrap() else { panic!("not v2") };
    let procs = format!("/proc/{}/fd/{}/cgroup.procs", std::process::id(), dir.as_raw_fd());
    let script = format!("echo 0 > {procs}; {script}");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
