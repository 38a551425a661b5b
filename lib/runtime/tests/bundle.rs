//! Bundles as podman, containerd and docker write them: every field of `config.json` seen from
//! the inside and, where it matters, from the host.
#![expect(clippy::unwrap_used, reason = "a container that cannot be started fails the test")]
#![expect(clippy::disallowed_methods, reason = "the tests' own folders")]

mod common;

use common::bundle::TestBundle;
use common::needs_root;
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
    assert!(text.ends_with("755:0\n644:0\n"), "{text}");
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
