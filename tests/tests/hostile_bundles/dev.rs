//! Images whose `/dev`, or something in it, is a link to the host's files.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use coffer_tests::program::root;
use serde_json::json;

use crate::bundle::{Bundle, SECRET};

/// Both ways in which a link may lead to the host: from its root, and by climbing.
fn ways(target: &Path) -> [PathBuf; 2] {
    [target.to_owned(), Bundle::climb(target)]
}

#[test]
fn root_cve_2026_41579_and_47766_a_dev_that_is_a_link_is_refused() {
    if !root() {
        return;
    }
    for tmpfs in ["with a tmpfs", "without one"] {
        for way in 0..2 {
            let mut bundle = Bundle::new("echo inside");
            if tmpfs == "without one" {
                bundle.without_mount("/dev");
            }
            let to = ways(&bundle.host())[way].clone();
            bundle.relink("dev", to);
            bundle.refused();
        }
    }
}

#[test]
fn root_a_dev_that_is_a_link_within_the_image_is_no_way_out_either() {
    if !root() {
        return;
    }
    let bundle = Bundle::new("echo inside");
    fs::create_dir_all(bundle.rootfs().join("vol/dev")).unwrap();
    bundle.relink("vol/dev/pts", bundle.host());
    bundle.relink("dev", "vol/dev");
    bundle.refused();
}

#[test]
fn root_cve_2025_31133_masks_are_the_real_null_device() {
    if !root() {
        return;
    }
    for way in 0..2 {
        for mounts in ["/dev/", "/dev"] {
            let script =
                "cat /etc/hidden; echo pwned >/etc/hidden; cat /etc/hidden; ls /etc/hidden-folder";
            let mut bundle = Bundle::new(script);
            fs::write(bundle.rootfs().join("etc/hidden"), "hidden").unwrap();
            fs::create_dir_all(bundle.rootfs().join("etc/hidden-folder/in")).unwrap();
            bundle.without_mount(mounts);
            let secret = bundle.host().join("secret");
            bundle.relink("dev/null", &ways(&secret)[way]);
            bundle.config["linux"]["maskedPaths"] = json!(["/etc/hidden", "/etc/hidden-folder"]);
            let outcome = bundle.run();
            assert!(!outcome.stdout.contains(SECRET), "{outcome}");
            assert!(!outcome.stdout.contains("hidden") && !outcome.stdout.contains("pwned"));
            bundle.untouched();
        }
    }
}

#[test]
fn root_cve_2026_88265_the_streams_are_not_what_dev_null_leads_to() {
    if !root() {
        return;
    }
    for way in 0..2 {
        let mut bundle = Bundle::new("cat; echo pwned >&0");
        bundle.without_mount("/dev");
        let secret = bundle.host().join("secret");
        bundle.relink("dev/null", &ways(&secret)[way]);
        bundle.config["process"]["user"] = json!({ "uid": 1000, "gid": 1000 });
        let outcome = bundle.run();
        assert!(!outcome.stdout.contains(SECRET), "{outcome}");
        bundle.untouched();
    }
}

#[test]
fn root_cve_2025_52565_and_2026_88264_a_console_goes_nowhere_else() {
    if !root() {
        return;
    }
    for name in ["secret", "new", "deeper"] {
        for place in ["console", "ptmx", "tty"] {
            let mut bundle = Bundle::new("echo inside");
            bundle.without_mount("/dev");
            fs::create_dir_all(bundle.rootfs().join("dev/pts")).unwrap();
            bundle
                .mount(json!({ "destination": "/dev/pts", "type": "devpts", "source": "devpts" }));
            bundle.relink(&format!("dev/{place}"), bundle.host().join(name));
            bundle.config["process"]["terminal"] = json!(true);
            let socket = bundle.path().join("console.sock");
            let listener = UnixListener::bind(&socket).unwrap();
            let socket = socket.to_str().unwrap();
            // The terminal that may come is held in the socket's queue.
            let created = bundle.oci(&["create", "--console-socket", socket, &bundle.id()]);
            if created.status == 0 {
                bundle.oci(&["start", &bundle.id()]);
                bundle.oci(&["delete", "--force", &bundle.id()]);
            }
            drop(listener);
            bundle.untouched();
        }
    }
}
