//! `coffer` for an ordinary user, who has sub-ids and nothing else.

#![expect(clippy::disallowed_methods, reason = "a test's own folder")]
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use coffer_tests::coffer::{self, Coffer};
use coffer_tests::image::catalogue::{BUSYBOX, DEBIAN, LAYERED, REDIS};
use coffer_tests::program;

#[test]
fn root_an_ordinary_user_runs_containers() {
    if !program::root() {
        return;
    }
    let coffer = Coffer::of_user();
    let name = coffer.take_in(&BUSYBOX);
    assert_eq!(coffer.must(&["run", "--rm", &name, "id", "-u"]), "0\n");
    let ended = coffer.run(&["run", "--rm", &name, "sh", "-c", "exit 9"]);
    assert_eq!(ended.status, 9, "{ended}");
    let script = "touch /tmp/f && chown 1000:2000 /tmp/f && stat -c %u:%g /tmp/f";
    assert_eq!(coffer.must(&["run", "--rm", &name, "sh", "-c", script]), "1000:2000\n");
    assert_eq!(coffer.must(&["run", "--rm", "--user", "worker", &name, "id", "-un"]), "worker\n");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_an_ordinary_user_keeps_a_server_running() {
    if !program::root() {
        return;
    }
    let coffer = Coffer::of_user();
    let name = coffer.take_in(&REDIS);
    coffer.must(&["run", "-d", "--name", "store", &name]);
    coffer.logs_until("store", "Ready to accept connections");
    assert_eq!(coffer.must(&["exec", "store", "redis-cli", "ping"]), "PONG\n");
    coffer.must(&["stop", "store"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_an_ordinary_users_tree_has_the_images_owners() {
    if !program::root() {
        return;
    }
    let coffer = Coffer::of_user();
    let name = coffer.take_in(&DEBIAN);
    let script = "stat -c '%u:%g %a' /home/worker /tmp";
    let seen = coffer.run(&["run", "--rm", &name, "sh", "-c", script]).stdout;
    assert!(seen.starts_with("1000:1000 755\n0:0 1777\n"), "{seen}");
}

#[test]
fn root_an_ordinary_user_without_sub_ids_runs_what_belongs_to_root_alone() {
    if !program::root() {
        return;
    }
    let coffer = Coffer::of_user_alone();
    let demo = coffer.run(&["demo"]);
    assert_eq!(demo.status, 0, "{demo}");
    let name = coffer.take_in(&LAYERED);
    let script = "touch /f && stat -c %u:%g /f && cat /srv/kept && cat /proc/self/uid_map";
    let seen = coffer.must(&["run", "--rm", &name, "sh", "-c", script]);
    assert!(seen.starts_with("0:0\nkept\n"), "{seen}");
    assert_eq!(seen.split_whitespace().last(), Some("1"), "{seen}");
    let refused = coffer.run(&["run", "--rm", "--user", "7", &name, "id"]).failure(125);
    assert!(refused.contains("user 7 is not among the container's ids"), "{refused}");
    let refused = coffer.run(&["run", "--rm", "--tmpfs", "/x:uid=7", &name, "id"]).failure(125);
    assert!(refused.contains("user 7 is not among the container's ids"), "{refused}");
    let refused = coffer.run(&["run", "--rm", "--oom-score-adj", "-9", &name, "id"]).failure(125);
    assert!(refused.contains("help: only root can have a process killed later"), "{refused}");
    let refused = coffer.run(&["run", "--rm", &coffer.layout(&DEBIAN), "true"]).failure(125);
    assert!(refused.contains("has no ids to lend to containers in /etc/subuid"), "{refused}");
    assert!(refused.contains("usermod --add-subuids"), "{refused}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// A folder as the root of coffer, with what a program needs of the host's; `$0` is that folder.
const CHROOT: &str = "
    for folder in usr lib lib64 bin proc sys dev; do
        mkdir $0/$folder; mount --rbind /$folder $0/$folder
    done
    exec chroot $USERSPEC \"$0\" env COFFER_ROOT=/tmp/root HOME=/tmp /coffer \"$@\"
";

/// In a chroot the kernel makes no user namespaces, and says no more than EPERM.
#[test]
fn root_a_chroot_is_named_where_no_user_namespace_is_to_be_had() {
    if !program::root() {
        return;
    }
    for user in ["", "--userspec=47110:47110"] {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        program::copy(&coffer::binary(), &path("coffer"));
        program::must("cp", [Path::new("-r"), &BUSYBOX.layout(), &path("layout")]);
        fs::create_dir(path("tmp")).unwrap();
        for (name, mode) in [("tmp", 0o777), (".", 0o755)] {
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-ec", CHROOT]);
        command.arg(folder.path()).env("USERSPEC", user);
        let ran = program::run(command.args(["run", "--rm", "oci:/layout:latest", "true"]));
        assert_eq!(ran.status, 125, "{ran}");
        let help = "help: coffer runs in a chroot, where the kernel makes no user namespaces";
        assert!(ran.stderr.contains(help) && !ran.stderr.contains("usermod"), "{ran}");
        assert!(!ran.stderr.contains("sysctl"), "{ran}");
        assert!(!path("tmp/root/containers").exists() || empty(&path("tmp/root/containers")));
    }
}

/// Whether there is no container in a folder of them.
fn empty(containers: &Path) -> bool {
    let mut names = fs::read_dir(containers).unwrap().flatten().map(|entry| entry.file_name());
    names.all(|name| name == "names")
}
