//! `coffer-oci` with the systemd driver, beside a real systemd: as root and as an ordinary user.

#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]
#![expect(clippy::disallowed_methods, reason = "looks at the kernel's own files by path")]

use std::path::{Path, PathBuf};
use std::process::Command;

use coffer_tests::bed::{self, Kernel, Variant};
use coffer_tests::oci::Runtime;
use coffer_tests::program::{self, Outcome};
use coffer_tests::shape::places;
use coffer_tests::steps::{self, End, Victim};
use serde_json::{Value, json};

/// The user manager's own group.
const USER_TOP: &str = "user.slice/user-1000.slice/user@1000.service";

/// Somebody who has containers made, and the service manager that is asked for it.
struct Caller {
    runtime: Runtime,
    /// What is run before the runtime to become that user.
    become_user: &'static [&'static str],
    systemctl: &'static [&'static str],
    /// Where the manager's own group is.
    top: PathBuf,
}

impl Caller {
    fn root() -> Self {
        Self {
            runtime: Runtime::ours(),
            become_user: &["env"],
            systemctl: &["systemctl"],
            top: "/sys/fs/cgroup".into(),
        }
    }

    /// The guest's user, who comes from a group that is not his manager's.
    fn diver() -> Self {
        let runtime = Runtime::ours();
        program::must("chown", ["-R", "diver:diver", &*runtime.folder().to_string_lossy()]);
        Self {
            runtime,
            become_user: DIVER,
            systemctl: &["systemctl", "--user"],
            top: Path::new("/sys/fs/cgroup").join(USER_TOP),
        }
    }

    fn run(&self, words: &[&str]) -> Outcome {
        let oci = self.runtime.command(&[&["--systemd-cgroup"], words].concat());
        let mut command = Command::new(self.become_user[0]);
        command.args(&self.become_user[1..]).arg(oci.get_program()).args(oci.get_args());
        self.runtime.finish(&mut command)
    }

    #[track_caller]
    fn must(&self, words: &[&str]) -> String {
        self.run(words).success()
    }

    /// A bundle of this group path that this caller may run.
    fn bundle(&self, path: &str, line: &str, change: impl FnOnce(&mut Value)) -> String {
        let bundle = self.runtime.bundle(line, |config| {
            config["linux"]["cgroupsPath"] = json!(path);
            if self.become_user == DIVER {
                let own = json!([{"containerID": 0, "hostID": 1000, "size": 1}]);
                config["linux"]["uidMappings"] = own.clone();
                config["linux"]["gidMappings"] = own;
                // There is no group 5 to give terminals to.
                config["mounts"].as_array_mut().unwrap().retain(|mount| mount["type"] != "devpts");
                config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
            }
            change(config);
        });
        let bundle = bundle.to_string_lossy().into_owned();
        if self.become_user == DIVER {
            program::must("chown", ["-R", "diver:diver", &bundle]);
        }
        bundle
    }

    /// Properties of a unit, as systemd tells them.
    fn unit(&self, unit: &str, names: &[&str]) -> Vec<String> {
        let show = names.iter().map(|name| {
            let words = [self.systemctl, &["show", unit, "--value", "--property", name]].concat();
            let mut command = Command::new(self.become_user[0]);
            program::run(command.args(&self.become_user[1..]).args(words)).success()
        });
        show.map(|value| value.trim().to_owned()).collect()
    }

    fn systemctl(&self, words: &[&str]) {
        let mut command = Command::new(self.become_user[0]);
        command.args(&self.become_user[1..]).args(self.systemctl).args(words);
        program::run(&mut command).success();
    }

    fn held(&self, group: &str, file: &str) -> String {
        std::fs::read_to_string(self.top.join(group).join(file)).unwrap().trim().to_owned()
    }

    fn is_gone(&self, unit: &str, group: &str) {
        assert_eq!(self.runtime.leftovers(), [""; 0]);
        assert_eq!(self.unit(unit, &["LoadState"]), ["not-found"]);
        assert!(!self.top.join(group).exists());
    }
}

const DIVER: &[&str] = &[
    "setpriv",
    "--reuid=diver",
    "--regid=diver",
    "--init-groups",
    "env",
    "-i",
    "PATH=/host:/usr/sbin:/usr/bin",
    "XDG_RUNTIME_DIR=/run/user/1000",
];

/// A container from `create` to `delete`: what systemd knows of it, and what the kernel holds.
fn lives(caller: &Caller, slice: &str, group: &str) {
    let path = format!("{slice}:test:web");
    let bundle = caller.bundle(&path, "exec sleep 1000", |config| {
        config["linux"]["resources"] = json!({
            "memory": {"limit": 67_108_864, "swap": 67_108_864},
            "cpu": {"quota": 20_000, "period": 50_000},
            "pids": {"limit": 30},
            "unified": {"memory.high": "33554432", "memory.oom.group": "1"},
        });
        config["annotations"] = json!({"org.systemd.property.TimeoutStopUSec": "uint64 7000000"});
    });
    caller.must(&["create", "--bundle", &bundle, "web"]);
    let names = ["Slice", "Delegate", "MemoryMax", "MemoryHigh", "MemorySwapMax", "TasksMax"];
    let held = [slice, "yes", "67108864", "33554432", "0", "30"];
    assert_eq!(caller.unit("test-web.scope", &names), held);
    let names = ["CPUQuotaPerSecUSec", "TimeoutStopUSec", "ActiveState"];
    assert_eq!(caller.unit("test-web.scope", &names), ["400ms", "7s", "active"]);
    let limits = [
        ("memory.max", "67108864"),
        ("memory.high", "33554432"),
        ("memory.oom.group", "1"),
        ("cpu.max", "20000 50000"),
        ("pids.max", "30"),
    ];
    limits.iter().for_each(|(file, value)| assert_eq!(caller.held(group, file), *value, "{file}"));
    caller.must(&["start", "web"]);
    // What systemd writes again is what was asked for; that a group is killed whole, version 252
    // does not know of scopes.
    caller.systemctl(&["daemon-reload"]);
    let known = limits.iter().filter(|(file, _)| *file != "memory.oom.group");
    known.for_each(|(file, value)| assert_eq!(caller.held(group, file), *value, "{file}"));
    joins_and_pauses(caller, group);
    caller.must(&["update", "--memory", "134217728", "--pids-limit", "40", "web"]);
    let changed = caller.unit("test-web.scope", &["MemoryMax", "TasksMax"]);
    assert_eq!(changed, ["134217728", "40"]);
    assert_eq!(caller.held(group, "pids.max"), "40");
    caller.must(&["delete", "--force", "web"]);
    caller.is_gone("test-web.scope", group);
}

/// Others get into the same group, and all of it stops and goes on.
fn joins_and_pauses(caller: &Caller, group: &str) {
    let exec = ["exec", "--detach", "--pid-file"];
    let pid_file = "/tmp/bed-systemd-pid";
    caller.must(&[&exec[..], &[pid_file, "web", "sleep", "1000"]].concat());
    let joined = std::fs::read_to_string(pid_file).unwrap();
    let pids = caller.held(group, "cgroup.procs");
    assert!(pids.lines().any(|pid| pid == joined.trim()), "{joined} is not in {pids}");
    caller.must(&["pause", "web"]);
    assert_eq!(caller.held(group, "cgroup.freeze"), "1");
    caller.must(&["resume", "web"]);
    assert_eq!(caller.must(&["ps", "--format", "json", "web"]).split(',').count(), 2);
}

#[test]
fn bed_systemd_a_scope_is_a_container() {
    bed::enter!(Variant::Systemd);
    lives(&Caller::root(), "machine-bed.slice", "machine.slice/machine-bed.slice/test-web.scope");
}

#[test]
fn bed_systemd_a_scope_is_a_container_on_linux_6_12() {
    bed::enter!(Variant::Systemd.on(Kernel::Debian13));
    lives(&Caller::root(), "system.slice", "system.slice/test-web.scope");
}

#[test]
fn bed_systemd_an_ordinary_user_has_scopes_of_his_own_manager() {
    bed::enter!(Variant::Systemd);
    lives(&Caller::diver(), "user.slice", "user.slice/test-web.scope");
}

#[test]
fn bed_systemd_an_ordinary_user_has_scopes_on_linux_6_12() {
    bed::enter!(Variant::Systemd.on(Kernel::Debian13));
    lives(&Caller::diver(), "app.slice", "app.slice/test-web.scope");
}

/// What `events` says of a scope is what the newest runc says, where it was made, and what the
/// kernel has beyond that.
fn counts(group: &str) {
    let both = Runtime::beside_newest().into_iter().map(|runtime| {
        let caller = Caller { runtime, ..Caller::root() };
        let bundle = caller.bundle("system.slice:test:counted", "exec sleep 1000", |config| {
            config["linux"]["resources"] = json!({
                "memory": {"limit": 67_108_864, "swap": 134_217_728},
                "cpu": {"quota": 20_000, "period": 50_000, "cpus": "0"},
                "pids": {"limit": 30},
            });
            config["mounts"]
                .as_array_mut()
                .unwrap()
                .push(json!({"destination": "/mnt", "source": "/host", "options": ["bind", "ro"]}));
        });
        caller.must(&["run", "--detach", "--bundle", &bundle, "counted"]);
        // Of a disk, and by nobody before.
        let reads = ["busybox", "dd", "if=/mnt/runc", "of=/dev/null", "bs=1M"];
        caller.run(&[&["exec", "counted"], &reads[..]].concat());
        let events = caller.must(&["events", "--stats", "counted"]);
        let held = |file: &str| caller.held(group, file);
        let peak = caller.top.join(group).join("memory.swap.peak").exists();
        let kernel = (peak, held("cpuset.cpus.effective"));
        caller.must(&["delete", "--force", "counted"]);
        (serde_json::from_str::<Value>(&events).unwrap(), kernel)
    });
    let both: Vec<_> = both.collect();
    let (ours, (has_peak, cpus)) = &both[0];
    let data = &ours["data"];
    assert_eq!(cpus, "0");
    assert_eq!(data["cpuset"]["cpus"], json!([0]));
    assert_eq!(data["memory"]["swap"]["limit"], 134_217_728);
    assert_eq!(data["memory"]["swapOnly"]["limit"], 67_108_864);
    assert_eq!(data["memory"]["swapOnly"].get("max").is_some(), *has_peak);
    if let Some((theirs, _)) = both.get(1) {
        let (ours, theirs) = (places(ours), places(theirs));
        // It has huge pages counted where nobody limits them, which takes a controller more.
        let missing: Vec<&String> =
            theirs.difference(&ours).filter(|place| !place.starts_with("/data/hugetlb/")).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

#[test]
fn bed_systemd_events_have_what_the_newest_runcs_have() {
    bed::enter!(Variant::Systemd, [], ["bin/runc"]);
    counts("system.slice/test-counted.scope");
}

#[test]
fn bed_systemd_events_have_what_the_newest_runcs_have_on_linux_6_12() {
    bed::enter!(Variant::Systemd.on(Kernel::Debian13), [], ["bin/runc"]);
    counts("system.slice/test-counted.scope");
}

/// A container that gives its controllers to groups of its own: who joins it is where its first
/// process is, or where the caller says.
fn divides(caller: &Caller, group: &str) {
    let bundle = caller.bundle("", "exec sleep 1000", |_| {});
    caller.must(&["run", "--detach", "--bundle", &bundle, "divided"]);
    let top = caller.top.join(group);
    for below in ["init", "jobs", "jobs/one"] {
        std::fs::create_dir(top.join(below)).unwrap();
    }
    program::must("chown", ["-R", "--reference", &*top.to_string_lossy(), &*top.to_string_lossy()]);
    let init = caller.held(group, "cgroup.procs");
    std::fs::write(top.join("init/cgroup.procs"), &init).unwrap();
    std::fs::write(top.join("cgroup.subtree_control"), "+memory +pids").unwrap();
    let joins = |flags: &[&str], below: &str| {
        let command = ["divided", "cat", "/proc/self/cgroup"];
        let said = caller.must(&[&["exec"], flags, &command].concat());
        assert!(said.trim().ends_with(below), "{flags:?}: {said}");
    };
    joins(&[], "/coffer-divided.scope/init");
    joins(&["--cgroup", "/jobs/one"], "/coffer-divided.scope/jobs/one");
    joins(&["--cgroup", "jobs"], "/coffer-divided.scope/jobs");
    for (bad, said) in [("../..", "--cgroup: "), ("none", "error adding pid to cgroup")] {
        let outcome = caller.run(&["exec", "--cgroup", bad, "divided", "true"]);
        assert_eq!(outcome.status, 255, "{outcome}");
        assert!(outcome.stderr.contains(said), "{outcome}");
    }
    caller.must(&["delete", "--force", "divided"]);
    caller.is_gone("coffer-divided.scope", group);
}

#[test]
fn bed_systemd_who_joins_a_divided_scope_is_with_its_first_process() {
    bed::enter!(Variant::Systemd);
    divides(&Caller::root(), "system.slice/coffer-divided.scope");
    divides(&Caller::diver(), "user.slice/coffer-divided.scope");
}

#[test]
fn bed_systemd_what_runs_to_its_end_leaves_no_unit() {
    bed::enter!(Variant::Systemd);
    let caller = Caller::root();
    let bundle = caller.bundle("", "cat /proc/self/cgroup; exit 7", |config| {
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "cgroup"}));
    });
    let outcome = caller.run(&["run", "--bundle", &bundle, "short"]);
    // Its namespace of control groups begins at the scope.
    assert_eq!((outcome.status, &*outcome.stdout), (7, "0::/\n"), "{outcome}");
    caller.is_gone("coffer-short.scope", "system.slice/coffer-short.scope");
}

#[test]
fn bed_systemd_what_ends_for_want_of_memory_leaves_no_unit() {
    bed::enter!(Variant::Systemd);
    let caller = Caller::root();
    let line = "exec busybox dd if=/dev/zero of=/dev/null bs=64M count=1";
    let bundle = caller.bundle(":test:hungry", line, |config| {
        config["linux"]["resources"] = json!({"memory": {"limit": 16_777_216, "swap": 16_777_216}});
    });
    assert_eq!(caller.run(&["run", "--bundle", &bundle, "hungry"]).status, 137);
    caller.is_gone("test-hungry.scope", "system.slice/test-hungry.scope");
}

#[test]
fn bed_systemd_devices_are_denied_in_a_scope() {
    bed::enter!(Variant::Systemd);
    let caller = Caller::root();
    let line = "echo x >/dev/null && echo null; busybox mknod /tmp/kmsg c 1 11 && cat /tmp/kmsg";
    let bundle = caller.bundle(":test:devices", line, |config| {
        config["process"]["capabilities"]["effective"] = json!(["CAP_MKNOD"]);
        config["process"]["capabilities"]["permitted"] = json!(["CAP_MKNOD"]);
        config["process"]["capabilities"]["bounding"] = json!(["CAP_MKNOD"]);
        config["mounts"]
            .as_array_mut()
            .unwrap()
            .push(json!({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}));
    });
    let outcome = caller.run(&["run", "--bundle", &bundle, "devices"]);
    assert_eq!((outcome.status, &*outcome.stdout), (1, "null\n"), "{outcome}");
    assert!(outcome.stderr.contains("Operation not permitted"), "{outcome}");
}

#[test]
fn bed_systemd_a_unit_in_use_is_refused_and_stays() {
    bed::enter!(Variant::Systemd);
    let caller = Caller::root();
    let bundle = caller.bundle(":test:one", "exec sleep 1000", |_| {});
    caller.must(&["run", "--detach", "--bundle", &bundle, "first"]);
    let second = caller.run(&["create", "--bundle", &bundle, "second"]);
    assert_eq!(second.status, 1, "{second}");
    assert!(second.stderr.contains("test-one.scope"), "{second}");
    assert_eq!(caller.runtime.status("second"), "none");
    assert_eq!(caller.runtime.status("first"), "running");
}

#[test]
fn bed_systemd_what_makes_no_sense_is_refused_before_anything_is_made() {
    bed::enter!(Variant::Systemd);
    let caller = Caller::root();
    for (path, annotation, said) in [
        ("/docker/a", "1", "is not of the form slice:prefix:name"),
        ("a.slice:b:../c", "1", "linux.cgroupsPath: "),
        (":b:c", "{", "annotations.org.systemd.property.CPUWeight: "),
    ] {
        let bundle = caller.bundle(path, "true", |config| {
            config["annotations"] = json!({"org.systemd.property.CPUWeight": annotation});
        });
        let outcome = caller.run(&["create", "--bundle", &bundle, "bad"]);
        assert!(outcome.stderr.contains(said), "{outcome}");
        assert_eq!(caller.runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn bed_plain_a_bus_that_is_missing_is_named() {
    bed::enter!(Variant::Plain);
    let caller = Caller::root();
    let bundle = caller.bundle("", "true", |_| {});
    let outcome = caller.run(&["create", "--bundle", &bundle, "alone"]);
    assert_eq!(outcome.status, 1, "{outcome}");
    let bus = "the system bus at unix:path=/run/dbus/system_bus_socket cannot be reached";
    assert!(outcome.stderr.contains(bus), "{outcome}");
    assert_eq!(caller.runtime.leftovers(), [""; 0]);
}

/// Kills `verb` at each of its steps, after `before`; then nothing of the container is left.
fn killed_anywhere(before: &[&[&str]], verb: &[&str]) {
    let caller = Caller::root();
    let bundle = caller.bundle(":test:victim", "exec sleep 1000", |_| {});
    let with = |words: &[&str]| -> Vec<String> {
        words.iter().map(|word| word.replace("BUNDLE", &bundle)).collect()
    };
    let last = steps::each(|step| {
        for words in before {
            caller.must(&with(words).iter().map(String::as_str).collect::<Vec<_>>());
        }
        let words = with(verb);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let oci = caller.runtime.command(&[&["--systemd-cgroup"], &words[..]].concat());
        let (end, outcome) = steps::kill_at(step, Victim::Command, &oci);
        assert!(end == End::Killed || outcome.status == 0, "step {step}: {outcome}");
        caller.is_gone("test-victim.scope", "system.slice/test-victim.scope");
        end
    });
    assert!(last > 5, "{verb:?} has more than {last} steps");
}

const CREATE: &[&str] = &["create", "--bundle", "BUNDLE", "victim"];

#[test]
fn bed_systemd_create_may_be_killed_anywhere() {
    bed::enter!(Variant::Systemd);
    killed_anywhere(&[], CREATE);
}

#[test]
fn bed_systemd_delete_may_be_killed_anywhere() {
    bed::enter!(Variant::Systemd);
    killed_anywhere(&[CREATE, &["start", "victim"]], &["delete", "--force", "victim"]);
}
