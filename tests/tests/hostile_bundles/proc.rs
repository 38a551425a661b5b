//! A `/proc` that is not the kernel's, so that what a runtime writes there goes elsewhere.

use std::fs;
use std::path::Path;

use coffer_tests::program::root;
use serde_json::{Value, json};

use crate::bundle::{Bundle, SECRET};

/// A folder of the host's with the files of `/proc` that runtimes write to.
fn fake(bundle: &Bundle, folder: &Path) {
    for name in ["self/attr/apparmor", "thread-self/attr", "sys/net/ipv4", "sys/kernel"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    for name in [
        "self/attr/exec",
        "self/attr/apparmor/exec",
        "thread-self/attr/exec",
        "sys/net/ipv4/ip_forward",
        "sys/kernel/domainname",
        "sysrq-trigger",
    ] {
        fs::write(folder.join(name), SECRET).unwrap();
    }
    assert!(folder.starts_with(bundle.path()));
}

/// A bundle that makes a runtime write below `/proc`.
fn writer() -> Bundle {
    let mut bundle =
        Bundle::new("echo inside; stat -f -c %T /proc; cat /proc/sys/net/ipv4/ip_forward");
    bundle.config["linux"]["sysctl"] = json!({ "net.ipv4.ip_forward": "1" });
    bundle
}

/// Every fake file still says what it said.
fn unwritten(folder: &Path) {
    for name in ["self/attr/exec", "thread-self/attr/exec", "sys/net/ipv4/ip_forward"] {
        assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), SECRET, "{name}");
    }
}

#[test]
fn root_the_real_proc_is_written_to() {
    if !root() {
        return;
    }
    let outcome = writer().run();
    assert_eq!(outcome.stdout, "inside\nproc\n1\n", "{outcome}");
}

#[test]
fn root_cve_2019_16884_nothing_but_proc_is_mounted_on_proc() {
    if !root() {
        return;
    }
    for first in ["instead of procfs", "over procfs"] {
        for kind in ["bind", "tmpfs"] {
            for label in [None, Some("runtime/default")] {
                let mut bundle = writer();
                let folder = bundle.path().join("volume");
                fake(&bundle, &folder);
                if first == "instead of procfs" {
                    bundle.without_mount("/proc");
                }
                bundle.mount(match kind {
                    "bind" => bind(&folder, "/proc"),
                    _ => json!({ "type": "tmpfs", "source": "tmpfs", "destination": "/proc" }),
                });
                if let Some(label) = label {
                    bundle.config["process"]["apparmorProfile"] = json!(label);
                }
                bundle.refused();
                unwritten(&folder);
            }
        }
    }
}

#[test]
fn root_cve_2019_19921_2023_27561_2023_28642_a_proc_or_sys_that_is_a_link_is_refused() {
    if !root() {
        return;
    }
    for name in ["proc", "sys"] {
        for to in ["a volume", "the host", "the image"] {
            let mut bundle = writer();
            let folder = bundle.path().join("volume");
            fake(&bundle, &folder);
            fake(&bundle, &bundle.rootfs().join("fake"));
            bundle.bind(&folder, "/vol");
            match to {
                "a volume" => bundle.relink(name, "/vol"),
                "the host" => bundle.relink(name, &folder),
                _ => bundle.relink(name, "fake"),
            }
            bundle.config["process"]["apparmorProfile"] = json!("runtime/default");
            bundle.refused();
            bundle.config["process"].as_object_mut().unwrap().remove("apparmorProfile");
            bundle.refused();
            unwritten(&folder);
        }
    }
}

#[test]
fn root_cve_2025_52881_no_write_below_proc_is_redirected() {
    if !root() {
        return;
    }
    for (source, target) in [
        ("sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/ip_forward"),
        ("sys", "/proc/sys"),
        ("self", "/proc/self"),
        ("self/attr", "/proc/self/attr"),
        ("self/attr/exec", "/proc/self/attr/exec"),
        ("thread-self", "/proc/thread-self"),
        ("sysrq-trigger", "/proc/sysrq-trigger"),
    ] {
        let mut bundle = writer();
        let folder = bundle.path().join("volume");
        fake(&bundle, &folder);
        bundle.bind(&folder.join(source), target);
        bundle.refused();
        unwritten(&folder);
    }
}

#[test]
fn root_cve_2025_52881_links_in_a_volume_lead_to_no_file_of_proc() {
    if !root() {
        return;
    }
    // The volume's own link stands where the next mount goes.
    let mut bundle = writer();
    let folder = bundle.path().join("volume");
    fake(&bundle, &folder);
    std::os::unix::fs::symlink("/proc/sys/net/ipv4", folder.join("link")).unwrap();
    bundle.bind(&folder, "/vol");
    bundle.bind(&folder.join("sys/net/ipv4"), "/vol/link");
    let outcome = bundle.run();
    assert!(!outcome.stdout.contains(SECRET), "{outcome}");
    unwritten(&folder);
    bundle.untouched();
}

fn bind(source: &Path, destination: &str) -> Value {
    json!({ "type": "bind", "source": source, "destination": destination, "options": ["rbind"] })
}
