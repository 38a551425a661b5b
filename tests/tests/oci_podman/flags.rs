//! `podman run` with each flag that reaches the runtime, under ours and under crun.

use std::fs;

use coffer_tests::program;

use super::{both, of};

/// Flags, and what is run with them.
type Table<'a> = &'a [(&'a [&'a str], &'a [&'a str])];

/// Each line says the same and ends alike under both. The containers have podman's own
/// descriptors: conmon 2.1 loses what a container has said that ends at once, whoever started it.
#[track_caller]
fn compare(table: Table<'_>) {
    let (_registry, ours, theirs, name) = both();
    for (flags, command) in table {
        let line =
            [&["run", "--rm", "--log-driver=passthrough"], *flags, &[&*name], *command].concat();
        let (a, b) = (ours.run(&line), theirs.run(&line));
        assert_eq!(of(&a), of(&b), "{line:?}\n{a}\n{b}");
    }
}

#[test]
fn root_podman_runs_what_it_runs_with_crun() {
    if !program::root() {
        return;
    }
    let table: &[(&[&str], &[&str])] = &[
        (&[], &["echo", "a  b", "$HOME"]),
        (&[], &["sh", "-c", "exit 42"]),
        (&[], &["sh", "-c", "kill -9 $$"]),
        (&[], &["no-such-program"]),
        (&[], &["/etc"]),
        (&[], &["/etc/passwd"]),
        (&["--user", "worker"], &["id"]),
        (&["--workdir", "/usr"], &["pwd"]),
        (&["--env", "A=1 2"], &["sh", "-c", "echo $A"]),
        (&["--hostname", "inside"], &["hostname"]),
        (&["--read-only"], &["sh", "-c", "echo x > /file"]),
        (&["--tmpfs", "/scratch"], &["sh", "-c", "echo x > /scratch/f && cat /scratch/f"]),
        (&["--cap-drop", "ALL"], &["sh", "-c", "grep Cap /proc/self/status"]),
        (&["--cap-add", "SYS_TIME"], &["sh", "-c", "grep Cap /proc/self/status"]),
        (&["--security-opt", "no-new-privileges"], &["grep", "NoNewPrivs", "/proc/self/status"]),
        (&["--security-opt", "seccomp=unconfined"], &["grep", "Seccomp:", "/proc/self/status"]),
        (&[], &["grep", "Seccomp:", "/proc/self/status"]),
        (&["-v", "/etc/hostname:/there:ro"], &["sh", "-c", "echo x > /there"]),
        (&["--privileged"], &["grep", "CapEff", "/proc/self/status"]),
        (&["--pid", "host"], &["sh", "-c", "test $$ -gt 1 && echo shared"]),
        (&["--ipc", "private", "--uts", "private"], &["true"]),
        (&["--init"], &["true"]),
        (&["--oom-score-adj", "500"], &["cat", "/proc/self/oom_score_adj"]),
    ];
    compare(table);
}

/// Who may do what.
#[test]
fn root_podman_gives_the_same_rights_as_with_crun() {
    if !program::root() {
        return;
    }
    let rights = &["grep", "-E", "Cap|Groups|NoNew|Seccomp:|Uid|Gid|Umask", "/proc/self/status"];
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("profile.json");
    fs::write(&profile, NO_FOLDERS).unwrap();
    let profile = format!("seccomp={}", profile.display());
    let absent = format!("{profile}.absent");
    compare(&[
        (&["--user", "1000:2000"], rights),
        (&["--user", "1000", "--cap-add", "NET_RAW"], rights),
        (&["--cap-drop", "ALL", "--cap-add", "NET_RAW,CHOWN"], rights),
        (&["--cap-add", "ALL"], rights),
        (&["--user", "worker", "--group-add", "5"], &["id"]),
        (&["--user", "5000"], &["id"]),
        (&["--user", "nobody-here"], &["id"]),
        (&["--umask", "0077"], &["sh", "-c", "umask"]),
        (&["--uidmap", "0:100000:5000", "--gidmap", "0:200000:5000"], OWNERS),
        (&["--security-opt", &profile], &["mkdir", "/folder"]),
        (&["--security-opt", &absent], &["true"]),
        (&["--security-opt", "label=disable"], &["true"]),
        (&["--security-opt", "apparmor=unconfined"], &["true"]),
        (&["--ulimit", "core=0:0", "--ulimit", "memlock=1024:1024"], &["sh", "-c", "ulimit -a"]),
        (&["--personality", "LINUX32"], &["uname", "-m"]),
        (&["--annotation", "run.oci.keep_original_groups=1"], &["id"]),
    ]);
}

const OWNERS: &[&str] = &[
    "sh",
    "-c",
    "cat /proc/self/uid_map /proc/self/gid_map; touch /made; stat -c '%u %g' /made /etc/passwd",
];

const NO_FOLDERS: &str = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
    {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}"#;

/// What is mounted where, and how.
#[test]
fn root_podman_mounts_what_it_mounts_with_crun() {
    if !program::root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("file"), "text\n").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let at = |rest: &str| format!("{}{rest}", folder.path().display());
    let how = &["sh", "-c", "grep ' /v ' /proc/self/mountinfo | cut -d' ' -f5-6,8; touch /v/x"];
    let tmpfs = &["sh", "-c", "grep ' /t ' /proc/self/mountinfo | cut -d' ' -f5-; stat -c %a /t"];
    let mount = |rest: &str| format!("type=bind,src={},dst=/v,{rest}", folder.path().display());
    compare(&[
        (&["-v", &at(":/v:ro,nosuid")], how),
        (&["-v", &at(":/v:rslave,noexec,ro")], how),
        (&["--mount", &mount("ro,bind-propagation=rshared")], how),
        (&["-v", &at(":/v:O")], &["sh", "-c", "touch /v/over; ls /v"]),
        (&["-v", &at("/sub:/v/deep/er")], &["ls", "-d", "/v/deep/er"]),
        (&["-v", &at("/file:/new/file")], &["cat", "/new/file"]),
        (&["-v", &at("/socket:/socket")], &["test", "-S", "/socket"]),
        (&["-v", "/dev/null:/n"], &["sh", "-c", "echo x > /n; stat -c %t:%T /n"]),
        (&["-v", "/:/host:ro,rslave"], &["test", "-d", "/host/usr"]),
        (&["-v", "/sys:/sys:ro"], &["ls", "/sys"]),
        (&["--uidmap", "0:100000:5000", "-v", &at(":/v:idmap,ro")], &["stat", "-c%u", "/v"]),
        (&["--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=0700"], tmpfs),
        (&["--tmpfs", "/t:rw,size=1m,mode=1777,noexec"], tmpfs),
        (&["--tmpfs", "/t", "--user", "1000"], tmpfs),
        (&["--tmpfs", "/etc:mode=0711"], &["sh", "-c", "stat -c %a /etc; ls /etc"]),
        (&["--read-only"], &["touch", "/tmp/x", "/run/x", "/dev/shm/x"]),
        (&["--read-only", "--read-only-tmpfs=false"], &["touch", "/tmp/x"]),
        (&["--shm-size", "1m"], &["sh", "-c", "df -k /dev/shm | cut -c1-30"]),
        (
            &["--security-opt", "proc-opts=nosuid,hidepid=2"],
            &["sh", "-c", "grep ' /proc ' /proc/self/mounts"],
        ),
        (&["--mount", "type=devpts,dst=/pts"], &["ls", "/pts"]),
    ]);
}

/// What is masked, tuned and made.
#[test]
fn root_podman_shows_the_same_kernel_as_with_crun() {
    if !program::root() {
        return;
    }
    let system = "mount | cut -d' ' -f1,3,5 | sort | grep -E ' /(dev|run|tmp|var)'";
    compare(&[
        (&["--device", "/dev/null:/dev/mynull"], &["stat", "-c", "%t:%T %a %u %g", "/dev/mynull"]),
        (&["--device", "/dev/null:/dev/mynull:r"], &["sh", "-c", "cat < /dev/mynull"]),
        (&[], &["sh", "-c", "ls /dev /dev/fd/; stat -c '%n %t:%T %a %u %g' /dev/*"]),
        (&["--privileged"], &["sh", "-c", "ls /dev | grep -v core"]),
        (&["--sysctl", "kernel.msgmax=4096"], &["cat", "/proc/sys/kernel/msgmax"]),
        (&["--sysctl", "net.ipv4.ip_forward=1"], &["cat", "/proc/sys/net/ipv4/ip_forward"]),
        (&["--security-opt", "mask=/proc/version"], &["cat", "/proc/version"]),
        (&["--security-opt", "unmask=/proc/keys"], &["stat", "-c", "%F", "/proc/keys"]),
        (&[], &["stat", "-c", "%F", "/proc/keys", "/proc/timer_list", "/sys/firmware"]),
        (&["--systemd=always"], &["sh", "-c", system]),
        (&[], &["sh", "-c", "echo x > /proc/sys/kernel/hostname"]),
        (&["--network", "host"], &["ls", "/sys/class/net"]),
        (&["--pid", "host", "--ipc", "host", "--uts", "host"], &["readlink", "/proc/self/ns/ipc"]),
        (&["--cgroupns", "host"], &["readlink", "/proc/self/ns/cgroup"]),
    ]);
}

/// Root in a container that has the host's ids owns what is in `/dev` there, and nothing on the
/// host.
#[test]
fn root_the_hosts_devices_stay_as_they_are() {
    if !program::root() {
        return;
    }
    let (_registry, ours, _, name) = both();
    // Not the null device: any runtime beside this one gives it to its containers' users.
    let nodes = ["/dev/full", "/dev/zero"];
    let changed = || nodes.map(|node| rustix::fs::stat(node).unwrap().st_ctime_nsec);
    let before = changed();
    // A mode that they have, so that a failure of this test harms nobody.
    let script = "chmod 666 /dev/full /dev/zero /dev/null && ! chmod 666 /proc/keys";
    for flags in [&[][..], &["--cap-add=ALL"], &["--user", "0"]] {
        let line = [&["run", "--rm"], flags, &[&*name, "sh", "-c", script]].concat();
        ours.run(&line).success();
        assert_eq!(changed(), before, "{flags:?}");
    }
}
