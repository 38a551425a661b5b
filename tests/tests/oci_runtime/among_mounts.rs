//! A host with many mounts, in a mount namespace of the test's: what is started there is the same,
//! and nobody copies them.

use std::process::Command;

use coffer_tests::oci::Runtime;
use coffer_tests::program;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::laws::{calls, strace};

/// So many mounts; then the runtime, told of its files by relative paths.
const SCRIPT: &str = "cd \"$1\"; many=$2; shift 2; mkdir -p many; \
    mount -t tmpfs none many; mount --make-rshared /; \
    for i in $(seq \"$many\"); do mkdir many/$i; mount -t tmpfs none many/$i; done; \
    echo here > many/1/file; \"$@\"; echo status $?; test -s number && rm number";

/// What a container says that has the first of so many mounts as a volume, and the calls of the
/// runtime.
fn run(
    runtime: &Runtime,
    many: u32,
    line: &str,
    change: impl FnOnce(&mut Value),
) -> (String, Vec<String>) {
    let (log, id) = (NamedTempFile::new().unwrap(), format!("among-{}", std::process::id()));
    let bundle = runtime.bundle(line, |config| {
        config["mounts"].as_array_mut().unwrap().push(json!({
            "destination": "/data", "type": "bind", "source": "many/1", "options": ["bind", "ro"],
        }));
        config["mounts"].as_array_mut().unwrap().push(json!({
            "destination": "/sys", "type": "sysfs", "source": "sysfs",
            "options": ["nosuid", "noexec", "nodev", "ro"],
        }));
        change(config);
    });
    std::fs::create_dir(bundle.join("rootfs/data")).unwrap();
    let run = runtime.command(&["run", "--bundle", ".", "--pid-file", "number", &id]);
    let traced = strace(&log, &run);
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh"]);
    command.arg(bundle).arg(many.to_string());
    command.arg(traced.get_program()).args(traced.get_args());
    let said = runtime.finish(&mut command);
    assert_eq!(said.status, 0, "{said}");
    (said.to_string(), calls(&log))
}

/// Whether a call of the runtime enters another mount namespace.
fn enters(call: &str) -> bool {
    call.starts_with("setns(") && call.contains("CLONE_NEWNS")
}

/// The same in a user namespace, where proc and sysfs are shown only to who sees the host's.
fn with_ids(config: &mut Value) {
    let map = json!([{"containerID": 0, "hostID": 1_879_048_192_u32, "size": 65536}]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
    config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
}

#[test]
fn root_many_mounts_change_nothing_and_are_not_copied() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let look = "cut -d' ' -f5-6 /proc/self/mountinfo; grep -o shared: /proc/self/mountinfo; \
        cat /data/file; ls /sys; \
        stat -c '%A %u %g %t:%T %n' /* /dev/*; mount -t proc proc /tmp 2>&1; echo > /dev/null";
    for change in [|_: &mut Value| (), with_ids as fn(&mut Value)] {
        let [few, many] = [1, 300].map(|many| run(&runtime, many, look, change));
        for part in ["here\n", "status 0\n", "kernel\n", " 1:3 /dev/null\n", "denied"] {
            assert!(few.0.contains(part), "{part:?} is not in {}", few.0);
        }
        assert_eq!(few.0, many.0);
        // What is mounted on such a mount inside would appear on the host.
        assert!(!few.0.contains("shared:"), "{}", few.0);
        assert!(!few.1.iter().any(|call| enters(call)), "{:#?}", few.1);
        // Linux before 6.12 tells of no mount namespaces.
        if many.1.iter().any(|call| call.contains("0xb7, 0xa,") && call.contains("ENOTTY")) {
            return;
        }
        let order = ["setns(", "clone3(", "setns(", "chroot("];
        let mut calls = many.1.iter();
        let in_order = order.iter().all(|part| calls.any(|call| call.contains(part)));
        assert!(in_order, "{:#?}", many.1);
    }
    assert_eq!(runtime.leftovers(), [""; 0]);
}

#[test]
fn root_a_hook_sees_the_hosts_mounts_among_many() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let hook = |config: &mut Value| {
        let look = "test -e many/1/file && touch seen";
        let seen = json!([{"path": "/bin/sh", "args": ["sh", "-c", look]}]);
        config["hooks"] = json!({"createContainer": seen});
    };
    let (said, calls) = run(&runtime, 300, "cat /data/file; echo > /dev/null", hook);
    assert!(said.contains("here\nstatus 0\n"), "{said}");
    assert!(!calls.iter().any(|call| enters(call)), "{calls:#?}");
    assert_eq!(runtime.leftovers(), [""; 0]);
}
