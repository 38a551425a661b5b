//! Bundles as podman, containerd and docker write them: every field of `config.json` seen from
//! the inside and, where it matters, from the host.
#![expect(clippy::unwrap_used, reason = "a container that cannot be started fails the test")]
#![expect(clippy::disallowed_methods, reason = "the tests' own folders")]

mod common;

use coffer_runtime::launch::Gate;
use coffer_runtime::plan::{Keyring, RootChange};
use common::bundle::TestBundle;
use common::{FIRST_ID, finish, needs_root, start};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Signal, pidfd_send_signal};
use serde_json::json;

fn output(bundle: &TestBundle) -> String {
    let ended = bundle.run().unwrap();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    ended.output
}

#[test]
fn root_bundle_runs_as_root_of_the_host() {
    if !needs_root() {
        return;
    }
    let bundle = TestBundle::shell("id -u; cat /proc/self/uid_map; echo $$; hostname; ls /dev");
    let text = output(&bundle);
    assert!(text.starts_with("0\n"), "{text}");
    assert!(text.contains("4294967295\n1\nbundle\n"), "{text}");
    assert!(text.contains("console\n") || text.contains("fd\n"), "{text}");
}

#[test]
fn root_bundle_has_exactly_its_capabilities() {
    if !needs_root() {
        return;
    }
    let mut bundle = TestBundle::shell("grep -e ^Cap -e NoNew -e Seccomp: /proc/self/status");
    bundle.set("/process/user", json!({"uid": 1000, "gid": 1000, "additionalGids": [7]}));
    bundle.set("/process/noNewPrivileges", json!(false));
    let chown_kill = json!(["CAP_CHOWN", "CAP_KILL", "CAP_OF_TOMORROW"]);
    for set in ["bounding", "effective", "permitted", "inheritable"] {
        bundle.set(&format!("/process/capabilities/{set}"), chown_kill.clone());
    }
    bundle.set("/process/capabilities/ambient", json!(["CAP_KILL"]));
    bundle.set(
        "/linux/seccomp",
        json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["no_such_call", "sethostname"], "action": "SCMP_ACT_ERRNO"}]}),
    );
    let text = output(&bundle);
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(field("CapInh:"), "0000000000000021");
    assert_eq!(field("CapBnd:"), "0000000000000021");
    // Of another user's program the ambient ones are what is left after execve.
    assert_eq!(field("CapEff:"), "0000000000000020");
    assert_eq!(field("CapAmb:"), "0000000000000020");
    assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("0".to_owned(), "2".to_owned()));
    let warnings: Vec<String> = bundle.warnings().iter().map(ToString::to_string).collect();
    assert!(warnings.iter().any(|w| w.contains("CAP_OF_TOMORROW")), "{warnings:?}");
    assert!(warnings.iter().any(|w| w.contains("no_such_call")), "{warnings:?}");
}

#[test]
fn root_bundle_makes_its_devices() {
    if !needs_root() {
        return;
    }
    let mut bundle =
        TestBundle::shell("stat -c '%n %F %t:%T %a %u:%g' /dev/mine /my/fifo /dev/null");
    bundle.set(
        "/linux/devices",
        json!([
        {"path": "/dev/mine", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640,
         "uid": 5, "gid": 6},
        {"path": "/my/fifo", "type": "p", "fileMode": 0o600},
        {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666}]),
    );
    assert_eq!(
        output(&bundle),
        "/dev/mine character special file a:e5 640 5:6\n/my/fifo fifo 0:0 600 0:0\n\
         /dev/null character special file 1:3 666 0:0\n"
    );
}

#[test]
fn root_bundle_mounts_with_its_options() {
    if !needs_root() {
        return;
    }
    let mut bundle = TestBundle::shell(
        "grep -e ' /new/place ' -e ' /t ' /proc/self/mountinfo; cat /new/place/seen; ls /t; \
         touch /t/x 2>&1; stat -c %a:%u /t /t/inner/file",
    );
    std::fs::create_dir(bundle.folder().join("data")).unwrap();
    std::fs::write(bundle.folder().join("data/seen"), "data\n").unwrap();
    std::fs::create_dir_all(bundle.root().join("t/inner")).unwrap();
    std::fs::write(bundle.root().join("t/inner/file"), "x").unwrap();
    bundle.mount(json!({"destination": "/new/place", "source": "data", "type": "none",
        "options": ["rbind", "rprivate", "noexec", "rro"]}));
    bundle.mount(json!({"destination": "/t", "source": "tmpfs", "type": "tmpfs",
        "options": ["tmpcopyup", "ro", "nosuid", "size=1m", "mode=750"]}));
    let text = output(&bundle);
    assert!(text.contains(" /new/place ro,noexec"), "{text}");
    assert!(text.contains(" /t ro,nosuid"), "{text}");
    assert!(text.contains("data\ninner\ntouch: /t/x: Read-only"), "{text}");
    assert!(text.ends_with("750:0\n644:0\n"), "{text}");
}

#[test]
fn root_bundle_refuses_by_the_place_in_its_configuration() {
    if !needs_root() {
        return;
    }
    let refused = |place: &str, value| {
        let mut bundle = TestBundle::shell("true");
        bundle.set(place, value);
        bundle.refused()
    };
    let told = refused("/linux/rootfsPropagation", json!("sideways"));
    assert!(told.starts_with("linux.rootfsPropagation: "), "{told}");
    let told = refused("/linux/devices", json!([{"path": "/dev/x", "type": "x"}]));
    assert!(told.starts_with("linux.devices[0].type: "), "{told}");
    let told = refused("/process/capabilities/effective", json!(["CAP_SYS_BOOT"]));
    assert!(told.starts_with("process.capabilities.effective: "), "{told}");
    let told = refused("/linux/sysctl", json!({"kernel.core_pattern": "x"}));
    assert!(told.starts_with("linux.sysctl.kernel.core_pattern: "), "{told}");
}

fn inode(path: &str) -> String {
    std::fs::read_link(path).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn root_bundle_joins_the_namespaces_of_another() {
    if !needs_root() {
        return;
    }
    let other = TestBundle::shell("sleep 100");
    let (reader, launched) = other.start(Gate::Open).unwrap();
    let pid = launched.pid.as_raw_nonzero();
    let path = |kind: &str| format!("/proc/{pid}/ns/{kind}");
    let mut bundle =
        TestBundle::shell("for n in pid net ipc uts; do readlink /proc/self/ns/$n; done; echo $$");
    for (kind, name) in [("pid", "pid"), ("network", "net"), ("ipc", "ipc"), ("uts", "uts")] {
        bundle.namespace(kind, &path(name));
    }
    let text = output(&bundle);
    let expected: Vec<String> = ["pid", "net", "ipc", "uts"].map(|n| inode(&path(n))).to_vec();
    assert_eq!(text.lines().take(4).collect::<Vec<_>>(), expected);
    assert_ne!(text.lines().last(), Some("1"));
    // With a user namespace of its own, beside a network that is the other's.
    let mut bundle = TestBundle::shell("readlink /proc/self/ns/net; cat /proc/self/uid_map; id -u");
    bundle.namespace("network", &path("net"));
    bundle.namespace("user", "");
    bundle.map_ids(FIRST_ID);
    bundle.config["mounts"].as_array_mut().unwrap().retain(|m| m["type"] != "sysfs");
    let text = output(&bundle);
    assert!(text.starts_with(&expected[1]) && text.contains(&FIRST_ID.to_string()), "{text}");
    let mut wrong = TestBundle::shell("true");
    wrong.namespace("network", &path("uts"));
    let told = wrong.refused();
    assert!(told.contains("].path: is a namespace of another type"), "{told}");
    pidfd_send_signal(&launched.pidfd, Signal::KILL).unwrap();
    finish(reader, &launched);
}

#[test]
fn root_bundle_joins_a_user_namespace() {
    if !needs_root() {
        return;
    }
    let mut other = TestBundle::shell("sleep 100");
    other.namespace("user", "");
    other.map_ids(FIRST_ID);
    let (reader, launched) = other.start(Gate::Open).unwrap();
    let pid = launched.pid.as_raw_nonzero();
    let mut bundle = TestBundle::shell("readlink /proc/self/ns/user; id -u; echo $$");
    bundle.namespace("user", &format!("/proc/{pid}/ns/user"));
    bundle.own_by(FIRST_ID);
    let text = output(&bundle);
    assert_eq!(text, format!("{}\n0\n1\n", inode(&format!("/proc/{pid}/ns/user"))));
    pidfd_send_signal(&launched.pidfd, Signal::KILL).unwrap();
    finish(reader, &launched);
}

#[test]
fn root_bundle_shares_what_it_does_not_list() {
    if !needs_root() {
        return;
    }
    let mut bundle =
        TestBundle::shell("for n in pid net ipc uts cgroup; do readlink /proc/self/ns/$n; done");
    for kind in ["pid", "network", "ipc", "uts", "cgroup"] {
        bundle.share(kind);
    }
    bundle.set("/hostname", json!(""));
    let expected: Vec<String> =
        ["pid", "net", "ipc", "uts", "cgroup"].map(|n| inode(&format!("/proc/self/ns/{n}"))).into();
    assert_eq!(output(&bundle).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn root_bundle_runs_its_hooks_in_order() {
    if !needs_root() {
        return;
    }
    let mut bundle = TestBundle::shell("cat /log; echo program >> /log");
    let log = bundle.root().join("log");
    let hook = |name: &str| {
        let line = format!("{{ echo {name} $A; cat; echo; }} >> {}", log.display());
        json!({"path": "/bin/sh", "args": ["sh", "-c", line], "env": ["A=b"]})
    };
    let inside = json!({"path": "/bin/sh", "timeout": 60,
        "args": ["sh", "-c", "{ echo start; cat; echo; } >> /log"]});
    bundle.set("/annotations", json!({"key": "value"}));
    bundle.set(
        "/hooks",
        json!({"createRuntime": [hook("runtime")],
        "createContainer": [hook("container")], "startContainer": [inside]}),
    );
    let mut created = 0;
    let ended = bundle
        .run_with(&mut |pid| {
            created = pid.as_raw_nonzero().get();
            assert!(std::path::Path::new(&format!("/proc/{created}/ns/net")).exists());
            Ok(())
        })
        .unwrap();
    assert!(created > 0);
    let state = format!(
        "{{\"ociVersion\":\"1.3.0\",\"id\":\"test\",\"status\":\"created\",\"bundle\":{:?},\
         \"annotations\":{{\"key\":\"value\"}},\"pid\":1}}",
        bundle.folder()
    );
    assert_eq!(ended.output, format!("container b\n{state}\nstart\n{state}\n"), "{ended:?}");
    bundle.set("/hooks", json!({"createContainer": [{"path": "/bin/false"}]}));
    let failed = bundle.run().unwrap_err().to_string();
    assert_eq!(failed, "error running createContainer hook #0: /bin/false: exit status: 1");
    bundle.set(
        "/hooks",
        json!({"createContainer": [
        {"path": "/bin/sleep", "args": ["sleep", "100"], "timeout": 1}]}),
    );
    let failed = bundle.run().unwrap_err().to_string();
    assert_eq!(
        failed,
        "error running createContainer hook #0: /bin/sleep: it took longer than its timeout"
    );
    bundle.set("/hooks", json!({"createRuntime": [hook("runtime")]}));
    let failed = bundle.run_with(&mut |_| Err(std::io::ErrorKind::Other.into())).unwrap_err();
    assert_eq!(failed.to_string(), "a hook of the runtime failed");
}

/// With the host's processes nothing else ends what it has started.
#[test]
fn root_bundle_hooks_that_take_too_long_are_ended_with_what_they_started() {
    if !needs_root() {
        return;
    }
    let mut bundle = TestBundle::shell("");
    let held = bundle.folder().join("held");
    rustix::fs::mkfifoat(rustix::fs::CWD, &held, 0o600.into()).unwrap();
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let reader = rustix::fs::open(&held, flags, Mode::empty()).unwrap();
    let line = format!("sleep 1000 >{} & wait", held.display());
    let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", line], "timeout": 1,
        "env": ["PATH=/bin:/usr/bin"]});
    bundle.share("pid");
    bundle.set("/hooks", json!({"createContainer": [hook]}));
    let failed = bundle.run().unwrap_err().to_string();
    assert_eq!(
        failed,
        "error running createContainer hook #0: /bin/sh: it took longer than its timeout"
    );
    // Its end is that of the last who could write.
    while rustix::io::read(&reader, &mut [0; 1]) != Ok(0) {
        let limit = Timespec { tv_sec: 60, tv_nsec: 0 };
        let mut ended = [PollFd::new(&reader, PollFlags::IN)];
        assert_ne!(poll(&mut ended, Some(&limit)), Ok(0), "what it started runs on");
    }
}

#[test]
fn root_bundle_maps_the_owners_of_mounts() {
    if !needs_root() {
        return;
    }
    let mut bundle = TestBundle::shell("stat -c %u /own/file /ours/file /asis/file");
    bundle.namespace("user", "");
    bundle.map_ids(FIRST_ID);
    std::fs::create_dir(bundle.folder().join("data")).unwrap();
    std::fs::write(bundle.folder().join("data/file"), "").unwrap();
    std::os::unix::fs::chown(bundle.folder().join("data/file"), Some(5), Some(5)).unwrap();
    // What is 5 on disk is the container's 7.
    let map = json!([{"containerID": 5, "hostID": FIRST_ID + 7, "size": 1}]);
    bundle.mount(json!({"destination": "/own", "source": "data", "options": ["bind"],
        "uidMappings": map, "gidMappings": map}));
    bundle.mount(json!({"destination": "/ours", "source": "data", "options": ["rbind", "ridmap"]}));
    bundle.mount(json!({"destination": "/asis", "source": "data", "options": ["rbind"]}));
    assert_eq!(output(&bundle), "7\n5\n65534\n");
    bundle.share("user");
    bundle.set("/linux/uidMappings", json!([]));
    bundle.set("/linux/gidMappings", json!([]));
    assert!(bundle.refused().starts_with("mounts[7].options: "), "{}", bundle.refused());
}

#[test]
fn root_bundle_is_tuned() {
    if !needs_root() {
        return;
    }
    let mut bundle = TestBundle::shell(
        "cat /proc/self/sched | grep -e policy; cut -d' ' -f19 /proc/self/stat; ionice -p $$; \
         uname -m; grep -e Umask -e Groups /proc/self/status; cat /proc/self/oom_score_adj; \
         grep ^0 /proc/self/numa_maps | head -1; cat /proc/self/timens_offsets; \
         grep _ses.test /proc/keys",
    );
    bundle.set("/process/scheduler", json!({"policy": "SCHED_BATCH", "nice": 3}));
    bundle.set("/process/ioPriority", json!({"class": "IOPRIO_CLASS_BE", "priority": 6}));
    bundle.set("/process/oomScoreAdj", json!(321));
    bundle
        .set("/process/user", json!({"uid": 0, "gid": 0, "umask": 0o27, "additionalGids": [5, 9]}));
    bundle.set("/linux/personality", json!({"domain": "LINUX32"}));
    bundle.set("/linux/memoryPolicy", json!({"mode": "MPOL_BIND", "nodes": "0"}));
    bundle.set(
        "/linux/timeOffsets",
        json!({"monotonic": {"secs": 1000, "nanosecs": 5},
        "boottime": {"secs": 2000}}),
    );
    bundle.set("/linux/maskedPaths", json!([]));
    bundle.namespace("time", "");
    let text = output(&bundle);
    for line in [
        "3\nbest-effort: prio 6\ni686\n",
        "Umask:\t0027\n",
        "Groups:\t5 9 \n321\n",
        "monotonic        1000         5\nboottime         2000         0\n",
        "_ses.test",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    if text.contains("numa") || std::path::Path::new("/proc/self/numa_maps").exists() {
        assert!(text.contains(" bind:0 "), "{text}");
    }
    // And without a keyring of its own.
    let mut bundle = TestBundle::shell("grep _ses.callers /proc/keys; true");
    bundle.id = "callers";
    bundle.set("/linux/maskedPaths", json!([]));
    bundle.keyring = Keyring::Callers;
    assert_eq!(output(&bundle), "");
}

#[test]
fn root_bundle_refuses_labels_that_nobody_reads() {
    if !needs_root() {
        return;
    }
    let mut bundle = TestBundle::shell("true");
    if !std::path::Path::new("/sys/module/apparmor").exists() {
        bundle.set("/process/apparmorProfile", json!("docker-default"));
        let told = bundle.refused();
        assert_eq!(told, "process.apparmorProfile: this kernel has no AppArmor");
        bundle.set("/process/apparmorProfile", json!("unconfined"));
        output(&bundle);
    }
    if !std::path::Path::new("/sys/fs/selinux/enforce").exists() {
        bundle.set("/linux/mountLabel", json!("system_u:object_r:container_file_t:s0"));
        assert_eq!(bundle.refused(), "linux.mountLabel: this kernel has no SELinux");
        bundle.set("/linux/mountLabel", json!(""));
        bundle.set("/process/selinuxLabel", json!("system_u:system_r:container_t:s0"));
        assert_eq!(bundle.refused(), "process.selinuxLabel: this kernel has no SELinux");
    }
}

#[test]
fn root_bundle_leaves_the_root_without_pivot() {
    if !needs_root() {
        return;
    }
    let mut bundle =
        TestBundle::shell("ls /; pwd; cat /proc/self/mountinfo | grep -c ' / / '; true");
    bundle.root_change = RootChange::Move;
    let text = output(&bundle);
    assert!(text.starts_with("bin\ndev\n") && text.contains("\n/\n"), "{text}");
}

#[test]
fn root_bundle_keeps_the_descriptors_that_it_shall() {
    if !needs_root() {
        return;
    }
    let mut bundle = TestBundle::shell("ls /proc/self/fd");
    assert_eq!(output(&bundle), "0\n1\n2\n3\n");
    // A descriptor that the caller left open, where nobody else of this process opens one.
    let kept = rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), 200).unwrap();
    rustix::io::fcntl_setfd(&kept, rustix::io::FdFlags::empty()).unwrap();
    assert_eq!(output(&bundle), "0\n1\n2\n3\n");
    bundle.preserved = 198;
    assert!(output(&bundle).contains("200\n"));
    bundle.preserved = 197;
    assert!(!output(&bundle).contains("200\n"));
}

#[test]
fn root_bundle_hands_calls_to_a_listener() {
    if !needs_root() {
        return;
    }
    let mut bundle = TestBundle::shell("mkdir /made; echo $?");
    let path = bundle.folder().join("listener");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    bundle.set(
        "/linux/seccomp",
        json!({"defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": path, "listenerMetadata": "meta \"data\"",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]}),
    );
    let (reader, launched) = bundle.start(Gate::Open).unwrap();
    let (socket, _) = listener.accept().unwrap();
    let mut bytes = [0; 4096];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = rustix::net::RecvAncillaryBuffer::new(&mut space);
    let got = rustix::net::recvmsg(
        &socket,
        &mut [std::io::IoSliceMut::new(&mut bytes)],
        &mut control,
        rustix::net::RecvFlags::CMSG_CLOEXEC,
    )
    .unwrap();
    let told: serde_json::Value = serde_json::from_slice(&bytes[..got.bytes]).unwrap();
    let pid = launched.pid.as_raw_nonzero().get();
    assert_eq!(told["fds"], json!(["seccompFd"]));
    assert_eq!((&told["pid"], &told["state"]["pid"]), (&json!(pid), &json!(pid)));
    assert_eq!(told["metadata"], "meta \"data\"");
    assert_eq!(told["state"]["id"], "test");
    let fds = control.drain().find_map(|message| match message {
        rustix::net::RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    // Without a listener the kernel answers ENOSYS to what it would have been handed.
    drop(fds.unwrap());
    let ended = finish(reader, &launched);
    assert!(ended.output.ends_with("Function not implemented\n1\n"), "{ended:?}");
    bundle.set("/linux/seccomp/listenerPath", json!(""));
    assert!(bundle.refused().starts_with("linux.seccomp.listenerPath: "), "{}", bundle.refused());
    bundle.set("/linux/seccomp/defaultAction", json!("SCMP_ACT_NOTIFY"));
    assert!(bundle.refused().starts_with("linux.seccomp: "), "{}", bundle.refused());
}

fn joined(bundle: &TestBundle, process: serde_json::Value) -> Result<String, String> {
    let (reader, launched) = bundle.start(Gate::Open).unwrap();
    let text = bundle.join(&launched, process).and_then(|plan| {
        let (output, process) = start(&plan, Gate::Open).map_err(|error| error.to_string())?;
        Ok(finish(output, &process).output)
    });
    pidfd_send_signal(&launched.pidfd, Signal::KILL).unwrap();
    finish(reader, &launched);
    text
}

#[test]
fn root_bundle_is_joined_as_the_process_says() {
    if !needs_root() {
        return;
    }
    let mut bundle = TestBundle::shell("");
    // No shell that becomes it in its own time.
    bundle.set("/process/args", json!(["sleep", "100"]));
    let line = "id; umask; pwd; grep -e CapEff -e NoNew -e Cpus_allowed_list /proc/self/status; \
        cat /proc/1/comm; ionice -p $$; echo $A; ls /proc/self/fd";
    let process = json!({"args": ["sh", "-c", line], "cwd": "/etc", "env": ["A=b", "PATH=/bin"],
        "user": {"uid": 0, "gid": 3, "additionalGids": [8], "umask": 0o77},
        "capabilities": {"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"],
            "effective": ["CAP_KILL"]},
        "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 0},
        "execCPUAffinity": {"initial": "0-1", "final": "1"}});
    let text = joined(&bundle, process.clone()).unwrap();
    for line in [
        "uid=0 gid=3 groups=8\n",
        "0077\n/etc\n",
        "CapEff:\t0000000000000020\n",
        "NoNewPrivs:\t0\n",
        "Cpus_allowed_list:\t1\n",
        "sleep\nidle\nb\n0\n1\n2\n3\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let mut wrong = process.clone();
    wrong["execCPUAffinity"]["final"] = json!("x");
    let told = joined(&bundle, wrong).unwrap_err();
    assert!(told.starts_with("process.execCPUAffinity.final: "), "{told}");
    // The way out by a descriptor of the runtime's is closed (CVE-2024-21626).
    for folder in ["/proc/self/fd/3", "/proc/self/fd/7", "/proc/self/cwd"] {
        let mut outside = process.clone();
        outside["cwd"] = json!(folder);
        assert!(joined(&bundle, outside).is_err());
    }
    bundle.namespace("user", "");
    bundle.map_ids(FIRST_ID);
    let text = joined(&bundle, process).unwrap();
    assert!(text.starts_with("uid=0 gid=3 groups=8\n"), "{text}");
}

#[test]
fn root_bundle_cannot_make_our_binary_its_program() {
    if !needs_root() {
        return;
    }
    let bundle = TestBundle::shell("sleep 100");
    let script = bundle.root().join("bin/script");
    std::fs::write(&script, "#!/proc/self/exe\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("/proc/self/exe", bundle.root().join("bin/link")).unwrap();
    for program in ["/bin/script", "/bin/link", "/proc/self/exe"] {
        let told = joined(&bundle, json!({"args": [program], "cwd": "/"})).unwrap_err();
        assert!(told.starts_with("cannot exec"), "{program}: {told}");
    }
}
