//! `checkpoint` and `restore` with the CRIU that `cargo xtask test` brings.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use coffer_tests::bed::{self, Kernel, Variant};
use coffer_tests::criu::TREE;
use coffer_tests::oci::Runtime;
use serde_json::json;

use crate::counted::{COUNTER, Counted, criu};

#[test]
fn root_a_container_goes_on_where_it_was() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "checkpoint", |config| {
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "cgroup"}));
        config["linux"]["maskedPaths"] = json!(["/proc/timer_list", "/proc/scsi", "/proc/keys"]);
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}],
        });
        config["process"]["oomScoreAdj"] = json!(77);
    });
    counted.start();
    assert_eq!(counted.counts(), "1\n");
    let before = counted.fence();
    counted.checkpoint(&[]);
    assert_eq!(counted.runtime.status(&counted.id), "none", "as with runc it is gone");
    counted.restore(&[]);
    assert_eq!(counted.runtime.status(&counted.id), "running");
    assert_eq!(counted.fence(), before);
    assert_eq!(counted.counts(), "2\n", "it has kept its count");
    counted.runtime.must(&["exec", &counted.id, "true"]);
    let words = ["exec", &counted.id, "busybox", "ip", "link", "show", "lo"];
    let loopback = counted.runtime.must(&words);
    assert!(loopback.contains("LOOPBACK,UP"), "{loopback}");
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

#[test]
fn root_a_checkpoint_may_leave_it_running() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "leave", |_| ());
    counted.start();
    let skip = ["--network-lock", "skip"];
    counted.checkpoint(&["--leave-running", "--manage-cgroups-mode", "ignore", skip[0], skip[1]]);
    assert_eq!(counted.counts(), "1\n", "it went on");
    counted.runtime.must(&["delete", "--force", &counted.id]);
    counted.restore(&["--manage-cgroups-mode", "ignore", "--tcp-close", skip[0], skip[1]]);
    assert_eq!(counted.counts(), "1\n", "this one is the earlier one");
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

#[test]
fn root_groups_are_restored_as_the_mode_says() {
    let Some(criu) = criu() else { return };
    groups_follow_the_mode(&criu);
}

#[test]
fn bed_plain_groups_are_restored_as_the_mode_says_on_v2() {
    bed::enter!(Variant::Plain, [], [TREE]);
    let Some(criu) = criu() else { return };
    groups_follow_the_mode(&criu);
}

#[test]
fn bed_plain_groups_are_restored_as_the_mode_says_on_linux_6_12() {
    bed::enter!(Variant::Plain.on(Kernel::Debian13), [], [TREE]);
    let Some(criu) = criu() else { return };
    groups_follow_the_mode(&criu);
}

fn groups_follow_the_mode(criu: &Path) {
    // Whether all of a container's groups are its own: not on hybrid hosts.
    let hybrid = fs::exists("/sys/fs/cgroup/unified").unwrap();
    for mode in ["soft", "ignore", "full", "strict"] {
        let counted = Counted::new(criu, mode, |config| {
            config["linux"]["resources"] = json!({"pids": {"limit": 50}});
        });
        counted.start();
        let before = counted.fence();
        let limit = || {
            let pid = counted.runtime.pid(&counted.id);
            fs::read_to_string(super::limits::group(pid, "pids").join("pids.max")).unwrap()
        };
        counted.runtime.must(&["update", "--pids-limit", "40", &counted.id]);
        // The bed has no iptables, and there is no traffic to hold back.
        let options = ["--manage-cgroups-mode", mode, "--network-lock", "skip"];
        counted.checkpoint(&options);
        if mode == "strict" || (mode == "full" && hybrid) {
            let (bundle, images) = (counted.bundle.to_string_lossy(), counted.images());
            let verb = [&["restore", "--detach", "--bundle", &bundle], &options[..]].concat();
            let said = counted.runtime.run(&counted.words(&verb, &images)).failure(1);
            assert!(said.contains(&format!("--manage-cgroups-mode {mode}: ")), "{said}");
            assert!(said.contains("soft leaves them"), "{said}");
        } else {
            counted.restore(&options);
            assert_eq!(counted.counts(), "1\n", "{mode}");
            // CRIU 4.1 keeps limits by their names on v1 alone: what comes back is the bundle's.
            assert_eq!(limit(), "50\n", "{mode}");
            assert_eq!(counted.fence(), before, "{mode}");
        }
        assert_eq!(counted.runtime.leftovers(), [""; 0], "{mode}");
    }
}

#[test]
fn root_ids_and_owners_of_a_user_namespace_stay() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "user", |config| {
        let map = json!([{"containerID": 0, "hostID": 0, "size": 65536}]);
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        config["linux"]["uidMappings"] = map.clone();
        config["linux"]["gidMappings"] = map;
    });
    counted.start();
    let before = counted.fence();
    counted.checkpoint(&[]);
    counted.restore(&[]);
    assert_eq!(counted.fence(), before);
    assert_eq!(counted.counts(), "1\n");
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

#[test]
fn root_a_cgroup_namespace_without_groups_is_refused_before_anything_is_lost() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "groupless", |config| {
        config["linux"]["namespaces"] = json!([
            {"type": "mount"}, {"type": "pid"}, {"type": "network"}, {"type": "cgroup"},
        ]);
        let linux = config["linux"].as_object_mut().unwrap();
        linux.remove("resources");
        linux.remove("cgroupsPath");
    });
    let bundle = counted.bundle.to_string_lossy();
    let words = ["--cgroup-manager", "disabled", "create", "-b", &bundle, &counted.id];
    counted.runtime.must(&words);
    counted.runtime.must(&["start", &counted.id]);
    assert_eq!(counted.heard(), "0\n");
    let said = counted.runtime.run(&counted.words(&["checkpoint"], &counted.images())).failure(1);
    assert!(said.contains("linux.namespaces[3] without own groups"), "{said}");
    assert_eq!(counted.counts(), "1\n", "it goes on");
}

/// On a hybrid host a container is in the root of version 2, and CRIU takes all that is below for
/// its.
#[test]
fn root_groups_of_others_are_not_made_anew() {
    let Some(criu) = criu() else { return };
    let unified = Path::new("/sys/fs/cgroup/unified");
    if !unified.is_dir() {
        eprintln!("skipped: this host is no hybrid one");
        return;
    }
    let counted = Counted::new(&criu, "strangers", |_| ());
    counted.start();
    let stranger = unified.join(format!("coffer-test-stranger-{}", std::process::id()));
    fs::create_dir(&stranger).unwrap();
    let name = stranger.file_name().unwrap().to_str().unwrap().as_bytes();
    counted.checkpoint(&[]);
    fs::remove_dir(&stranger).unwrap();
    let image = fs::read(counted.runtime.folder().join("images/cgroup.img")).unwrap();
    assert!(!image.windows(name.len()).any(|part| part == name), "it is remembered");
    counted.restore(&[]);
    assert!(!stranger.exists(), "it was made again");
    assert_eq!(counted.counts(), "1\n");
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

#[test]
fn root_restore_in_the_foreground_gives_the_status() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "foreground", |config| {
        let line = format!("trap 'echo end >/data/fifo; exit 7' TERM; {COUNTER}");
        config["process"]["args"] = json!(["sh", "-c", line]);
    });
    counted.start();
    counted.checkpoint(&[]);
    let (bundle, images) = (counted.bundle.to_string_lossy(), counted.images());
    let pid_file = counted.runtime.folder().join("pid");
    let pid = pid_file.to_string_lossy();
    let verb = ["restore", "--bundle", &bundle, "--pid-file", &pid];
    let words = counted.words(&verb, &images);
    let mut command = counted.runtime.command(&words);
    // A stream is restored as what it was: a file, and no pipe.
    let said = fs::File::create(counted.runtime.folder().join("said")).unwrap();
    command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
    let mut restoring = command.spawn().unwrap();
    while fs::read_to_string(&pid_file).is_err() {
        assert!(restoring.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    assert_eq!(counted.counts(), "1\n");
    counted.runtime.must(&["kill", &counted.id, "TERM"]);
    assert_eq!(counted.heard(), "end\n");
    assert_eq!(restoring.wait().unwrap().code(), Some(7));
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

#[test]
fn root_a_terminal_comes_over_the_socket_again() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "terminal", |config| {
        config["process"]["terminal"] = json!(true);
    });
    let socket = counted.runtime.folder().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let (bundle, socket) = (counted.bundle.to_string_lossy(), socket.to_string_lossy());
    counted.runtime.must(&["create", "-b", &bundle, "--console-socket", &socket, &counted.id]);
    let first = super::terminal::take(&listener);
    counted.runtime.must(&["start", &counted.id]);
    assert_eq!(counted.heard(), "0\n");
    counted.checkpoint(&[]);
    drop(first);
    counted.restore(&["--console-socket", &socket]);
    let second = super::terminal::take(&listener);
    assert_eq!(counted.counts(), "1\n");
    counted.runtime.must(&["exec", &counted.id, "sh", "-c", "echo said >/dev/pts/0"]);
    counted.runtime.must(&["delete", "--force", &counted.id]);
    assert_eq!(super::terminal::screen(second), "said\r\n");
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

#[test]
fn root_what_cannot_be_is_refused_by_name_and_leaves_nothing() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "refused", |config| {
        config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 4});
    });
    counted.start();
    let images = counted.images();
    let said = counted.runtime.run(&counted.words(&["checkpoint"], &images));
    assert!(said.failure(1).contains("process.ioPriority cannot be checkpointed"));
    assert_eq!(counted.counts(), "1\n", "it goes on");
    let nowhere = ["--criu", "/nowhere/criu", "checkpoint", "--image-path", &images, &counted.id];
    let other = Counted::new(&criu, "nowhere", |_| ());
    other.start();
    let nowhere: Vec<&str> = nowhere[..5].iter().copied().chain([other.id.as_str()]).collect();
    let said = other.runtime.run(&nowhere).failure(1);
    assert!(said.contains("cannot run CRIU as /nowhere/criu"), "{said}");
    let bundle = other.bundle.to_string_lossy();
    let empty = other.runtime.folder().join("empty").to_string_lossy().into_owned();
    let said = other.runtime.run(&[
        "--criu",
        &other.criu,
        "restore",
        "--bundle",
        &bundle,
        "--image-path",
        &empty,
        "new",
    ]);
    assert!(said.failure(1).contains("holds no checkpoint of this runtime"));
    assert_eq!(other.runtime.leftovers(), [""; 0]);
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

#[test]
fn a_missing_criu_is_named_with_the_way_on() {
    let runtime = Runtime::ours();
    for verb in ["checkpoint", "restore"] {
        let images = runtime.folder().join("images").to_string_lossy().into_owned();
        let bundle = runtime.bundle("true", |_| ()).to_string_lossy().into_owned();
        let mut words = vec![verb, "--image-path", &images, "some"];
        if verb == "restore" {
            words.extend(["--bundle", &bundle]);
        }
        let said = runtime.finish(runtime.command(&words).env("PATH", "/nowhere")).failure(1);
        assert!(said.contains("CRIU") && said.contains("--criu FILE"), "{said}");
    }
    assert_eq!(runtime.run(&["checkpoint", "--help"]).status, 0, "podman asks so");
}

#[test]
fn root_a_link_where_something_is_mounted_is_refused() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "link", |_| ());
    counted.start();
    counted.checkpoint(&[]);
    let (place, outside) = (counted.bundle.join("rootfs/data"), counted.runtime.folder().join("x"));
    fs::remove_dir(&place).unwrap();
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, &place).unwrap();
    let (bundle, images) = (counted.bundle.to_string_lossy(), counted.images());
    let verb = ["restore", "--detach", "--bundle", &bundle];
    let said = counted.runtime.run(&counted.words(&verb, &images)).failure(1);
    assert!(said.contains("/data is no place to mount on"), "{said}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}
