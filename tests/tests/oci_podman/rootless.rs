//! podman without root: an ordinary user with sub-ids, under ours and under crun.

use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::podman::Podman;
use coffer_tests::program;
use coffer_tests::registry::{Guard, Registry};

use super::of;

#[test]
fn root_podman_without_root_runs_what_it_runs_with_crun() {
    if !program::root() {
        return;
    }
    let registry = Registry::start(Guard::Plain);
    let name = registry.push(&BUSYBOX);
    let (ours, theirs) = (Podman::with_ours().of_user(), Podman::with_crun().of_user());
    ours.pull(&name);
    theirs.pull(&name);
    let rights = &["grep", "-E", "Cap|Groups|NoNew|Seccomp:|Uid|Gid", "/proc/self/status"];
    let table: &[(&[&str], &[&str])] = &[
        (&[], &["cat", "/proc/self/uid_map", "/proc/self/gid_map"]),
        (&[], rights),
        (&["--user", "1000:2000"], rights),
        (&["--cap-drop", "ALL"], rights),
        (&["--privileged"], rights),
        (&["--userns", "keep-id"], &["id", "-u"]),
        (&["--group-add", "keep-groups"], &["id"]),
        (&[], &["sh", "-c", "exit 42"]),
        (&[], &["no-such-program"]),
        (&["--read-only"], &["touch", "/file"]),
        (&["--tmpfs", "/t", "--user", "1000"], &["touch", "/t/file"]),
        (&["-v", "data:/data"], &["sh", "-c", "touch /data/file; stat -c %u:%g /data/file"]),
        (&["-v", "/mnt/home:/v"], &["stat", "-c", "%u:%g", "/v"]),
        (&["--device", "/dev/null:/dev/mine"], &["sh", "-c", "echo x > /dev/mine"]),
        (&[], &["sh", "-c", "stat -c '%n %t:%T' /dev/*; echo x > /dev/null; head -c1 /dev/zero"]),
        (&["--pid", "host", "--ipc", "host", "--uts", "host"], &["hostname"]),
        (&["--network", "host"], &["ls", "/sys/class/net"]),
        (&["--sysctl", "kernel.msgmax=4096"], &["cat", "/proc/sys/kernel/msgmax"]),
        (&["--cgroupns", "host"], &["true"]),
        (&["--systemd=always"], &["sh", "-c", "test -d /run/lock && echo $container"]),
        (&["--shm-size", "1m"], &["sh", "-c", "df -k /dev/shm | cut -c1-30"]),
    ];
    for (flags, command) in table {
        let line = [&["run", "--rm", "--log-driver=passthrough"], *flags, &[&*name], *command];
        let line = line.concat();
        let (a, b) = (ours.run(&line), theirs.run(&line));
        assert_eq!(of(&a), of(&b), "{line:?}\n{a}\n{b}");
    }
    for podman in [&ours, &theirs] {
        podman.run(&["run", "--detach", "--name", "kept", &name, "sleep", "1000"]).success();
        let ran = podman.run(&["exec", "kept", "sh", "-c", "exit 7"]);
        assert_eq!(ran.status, 7, "{ran}");
        assert_eq!(podman.run(&["exec", "--user", "1000", "kept", "touch", "/x"]).status, 1);
        podman.run(&["kill", "kept"]).success();
        assert_eq!(podman.run(&["wait", "kept"]).success(), "137\n");
        podman.run(&["rm", "kept"]).success();
    }
}

#[test]
fn root_podman_without_root_and_without_a_session_needs_no_groups() {
    if !program::root() {
        return;
    }
    let registry = Registry::start(Guard::Plain);
    let name = registry.push(&BUSYBOX);
    for podman in [Podman::with_ours().of_user(), Podman::with_crun().of_user()] {
        podman.pull(&name);
        // Not `run`, to which `--cgroups=disabled` is added.
        let limits = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"];
        let create = [&["create", "--name=free", "--network=none"], &limits[..], &[&*name]];
        podman.run(&[&create.concat()[..], &["echo", "inside"]].concat()).success();
        assert_eq!(podman.run(&["start", "--attach", "free"]).success(), "inside\n");
        podman.run(&["rm", "free"]).success();
    }
}
