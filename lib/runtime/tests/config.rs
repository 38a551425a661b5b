//! A bundle's `config.json`, damaged anywhere: it is refused or planned, never a panic, and the
//! host has no trace of either.
#![expect(clippy::disallowed_methods, reason = "the tests' own folders")]
#![expect(clippy::unwrap_used, reason = "a bundle that cannot be made fails the test")]

#[path = "common/decided.rs"]
mod decided;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use decided::{decide, folder};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

/// A configuration that is planned, with something of nearly every kind in it.
fn config() -> Value {
    json!({
        "ociVersion": "1.3.0",
        "process": {
            "terminal": true,
            "consoleSize": { "height": 24, "width": 80 },
            "user": { "uid": 1, "gid": 2, "umask": 18, "additionalGids": [3, 4] },
            "args": ["/bin/sh", "-c", "true"],
            "env": ["PATH=/bin", "TERM=xterm"],
            "cwd": "/srv/folder",
            "noNewPrivileges": true,
            "oomScoreAdj": 100,
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 512 }],
            "capabilities": {
                "bounding": ["CAP_KILL", "CAP_CHOWN"],
                "effective": ["CAP_KILL"],
                "permitted": ["CAP_KILL", "CAP_CHOWN"],
                "inheritable": ["CAP_KILL"],
                "ambient": ["CAP_KILL"],
            },
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "host",
        "domainname": "domain",
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            {
                "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
            },
            {
                "destination": "/dev/pts", "type": "devpts", "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666"],
            },
            { "destination": "/data", "type": "bind", "source": "data", "options": ["rbind", "rro"] },
        ],
        "hooks": {
            "prestart": [{ "path": "/bin/true", "args": ["true"], "env": ["A=B"], "timeout": 5 }],
            "createContainer": [{ "path": "/bin/true" }],
            "poststop": [{ "path": "/bin/true" }],
        },
        "annotations": { "org.example.key": "value" },
        "linux": {
            "namespaces": [
                { "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" },
                { "type": "network" }, { "type": "user" }, { "type": "cgroup" },
            ],
            "uidMappings": [{ "containerID": 0, "hostID": 1_879_048_192, "size": 65_536 }],
            "gidMappings": [{ "containerID": 0, "hostID": 1_879_048_192, "size": 65_536 }],
            "devices": [{
                "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229,
                "fileMode": 438, "uid": 0, "gid": 0,
            }],
            "cgroupsPath": "/group/of/it",
            "resources": {
                "memory": { "limit": 1_000_000, "swap": -1 },
                "cpu": { "shares": 1024, "quota": 50_000, "period": 100_000, "cpus": "0-1" },
                "pids": { "limit": 100 },
                "devices": [{ "allow": false, "access": "rwm" }],
            },
            "sysctl": { "net.ipv4.ip_forward": "1" },
            "rootfsPropagation": "rprivate",
            "maskedPaths": ["/proc/kcore"],
            "readonlyPaths": ["/proc/sys"],
            "seccomp": {
                "defaultAction": "SCMP_ACT_ERRNO",
                "defaultErrnoRet": 1,
                "architectures": ["SCMP_ARCH_X86_64"],
                "syscalls": [{
                    "names": ["read", "write"], "action": "SCMP_ACT_ALLOW",
                    "args": [{ "index": 1, "value": 5, "valueTwo": 7, "op": "SCMP_CMP_MASKED_EQ" }],
                }],
            },
        },
    })
}

/// Values that stand where others should.
fn odd() -> impl Strategy<Value = Value> {
    let texts = [
        "",
        "/",
        "..",
        "/../../etc",
        "/proc/self/fd/7",
        "/proc",
        "a\0b",
        "4294967296",
        "-1",
        "CAP_SYS_ADMIN",
        "SCMP_ACT_NOTIFY",
        "rbind",
        "RLIMIT_NOFILE",
        "\u{1F980}",
        "/dev/null",
    ];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        prop::sample::select(texts.to_vec()).prop_map(Value::from),
        ".{0,300}".prop_map(Value::from),
        Just(json!("/long".repeat(2000))),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[[[[[[[]]]]]]]])),
        Just(json!(vec!["x"; 5000])),
        Just(config()),
    ]
}

/// The JSON pointers of everything in a document.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let mut below = |key: &str, value: &Value| places(value, &format!("{at}/{key}"), found);
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| below(key, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, value)| below(&n.to_string(), value));
        }
        _ => {}
    }
}

/// What lies below a folder.
fn traces(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(path) = ahead.pop() {
        if path.symlink_metadata().unwrap().is_dir() {
            ahead.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.insert(path);
    }
    found
}

#[test]
fn the_undamaged_one_is_planned() {
    let folder = folder(config().to_string().as_bytes());
    let steps = decide(folder.path()).unwrap().plan.lines().count();
    assert!(steps > 20, "{steps}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_value_anywhere_is_refused_or_planned(
        damage in prop::collection::vec((any::<Index>(), odd()), 1..4),
    ) {
        let mut config = config();
        for (place, value) in damage {
            let mut found = Vec::new();
            places(&config, "", &mut found);
            if let Some(at) = config.pointer_mut(&found[place.index(found.len())]) {
                *at = value;
            }
        }
        let folder = folder(config.to_string().as_bytes());
        let before = traces(folder.path());
        if let Err(words) = decide(folder.path()) {
            prop_assert!(!words.is_empty());
        }
        prop_assert_eq!(traces(folder.path()), before);
    }

    #[test]
    fn any_damaged_byte_is_refused_or_planned(at in any::<Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = config().to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cut {
            bytes.truncate(at);
        }
        let folder = folder(&bytes);
        let before = traces(folder.path());
        drop(decide(folder.path()));
        prop_assert_eq!(traces(folder.path()), before);
    }
}
