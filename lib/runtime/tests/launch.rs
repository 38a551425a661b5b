//! Containers from a bare folder, as root: what they see, what they may do, and how they end.
#![expect(clippy::disallowed_methods, reason = "the tests' own folders")]
#![expect(clippy::unwrap_used, reason = "a container that cannot be started fails the test")]

mod common;

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use coffer_oci::runtime::ConsoleSize;
use coffer_runtime::cgroup::Entry;
use coffer_runtime::launch::{Gate, Launch, LaunchError, Stdio, launch};
use coffer_runtime::spec::{
    Access, BindMount, Init, MissingSource, MountRequest, Network, Recursion, RootAccess, Sharers,
    Terminal, TmpfsMount, Userns,
};
use coffer_runtime::{gate, hosts};
use common::{Bench, FIRST_ID, finish, needs_root};
use rustix::process::{Signal, pidfd_send_signal};

fn shell(line: &str) -> String {
    let ended = Bench::shell(line).run().unwrap();
    assert_eq!(ended.status, Some(0), "{line}: {ended:?}");
    ended.output
}

#[test]
fn root_runs_and_ends() {
    if !needs_root() {
        return;
    }
    let ended = Bench::shell("echo hello; exit 7").run().unwrap();
    assert_eq!((ended.output.as_str(), ended.status), ("hello\n", Some(7)));
    let ended = Bench::shell("kill -9 $$; true").run().unwrap();
    assert_eq!(ended.status, Some(0), "process 1 cannot kill itself: {ended:?}");
}

#[test]
fn root_is_process_one_of_its_own_namespaces() {
    if !needs_root() {
        return;
    }
    let own = |kind: &str| {
        let inside = shell(&format!("readlink /proc/self/ns/{kind}"));
        let host = std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        assert_ne!(inside.trim(), host.to_str().unwrap(), "{kind}");
    };
    ["user", "pid", "mnt", "ipc", "uts", "cgroup", "net"].into_iter().for_each(own);
    assert_eq!(shell("echo $$"), "1\n");
    assert_eq!(shell("hostname"), "0123456789ab\n");
    assert!(shell("cat /proc/self/uid_map").contains(&FIRST_ID.to_string()));
    assert_eq!(shell("id -u; id -g"), "0\n0\n");
}

#[test]
fn root_has_a_dev_of_real_devices() {
    if !needs_root() {
        return;
    }
    let numbers = shell("cd /dev; stat -c '%n %F %t %T' null zero full random urandom tty");
    let expected = [
        "null character special file 1 3",
        "zero character special file 1 5",
        "full character special file 1 7",
        "random character special file 1 8",
        "urandom character special file 1 9",
        "tty character special file 5 0",
    ];
    assert_eq!(numbers.lines().collect::<Vec<_>>(), expected);
    let links = shell("cd /dev; for l in fd stderr ptmx; do readlink $l; done; echo x > null; ls");
    assert!(links.starts_with("/proc/self/fd\n/proc/self/fd/2\npts/ptmx\n"), "{links}");
    assert!(links.contains("mqueue\n") && links.contains("shm\n"), "{links}");
    assert_eq!(shell("echo again > /dev/stdout"), "again\n");
}

#[test]
fn root_sees_masks_and_read_only_paths() {
    if !needs_root() {
        return;
    }
    for masked in coffer_confine::paths::MASKED {
        let path = masked.path;
        let look = format!(
            "if [ -d {path} ]; then ls -A {path}; elif [ -e {path} ]; then cat {path} 2>&1; fi"
        );
        assert_eq!(shell(&look), "", "{path}");
    }
    let refused = |line: &str| {
        let ended = Bench::shell(line).run().unwrap();
        assert_ne!(ended.status, Some(0), "{line}: {ended:?}");
        ended.output
    };
    assert!(refused("echo x > /proc/sys/kernel/core_pattern").contains("Read-only"));
    assert!(refused("mkdir /sys/x").contains("Read-only"));
    refused("mount -t tmpfs none /tmp");
    assert!(shell("grep -v '^nodev' /proc/filesystems | grep -c .").trim() != "0");
}

#[test]
fn root_holds_no_descriptor_of_coffers() {
    if !needs_root() {
        return;
    }
    // ls itself opens one to read the folder.
    assert_eq!(shell("ls /proc/self/fd"), "0\n1\n2\n3\n");
    assert_eq!(shell("ls -l /proc/self/cwd | grep -o '/$'"), "/\n");
}

#[test]
fn root_has_the_fence_of_its_confinement() {
    if !needs_root() {
        return;
    }
    let mut bench = Bench::new();
    bench.command(&["cat", "/proc/self/status"]);
    let status = bench.run().unwrap().output;
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
    let granted = coffer_confine::capability::CapSet::DEFAULT.bits();
    for set in ["CapBnd:", "CapEff:", "CapPrm:"] {
        assert_eq!(u64::from_str_radix(&field(set), 16).unwrap(), granted, "{set}");
    }
    assert_eq!(u64::from_str_radix(&field("CapAmb:"), 16).unwrap(), 0);
    assert_eq!(field("SigIgn:"), "0000000000000000");
    assert_eq!(field("SigBlk:"), "0000000000000000");
    assert_eq!(shell("cat /proc/sys/net/ipv4/ip_unprivileged_port_start"), "0\n");
}

#[test]
fn root_becomes_the_user_without_capabilities() {
    if !needs_root() {
        return;
    }
    let mut bench =
        Bench::shell("id -u; id -g; grep CapEff /proc/self/status; echo x > /dev/stdout");
    bench.user(1000, 1001);
    let output = bench.run().unwrap().output;
    assert_eq!(output, "1000\n1001\nCapEff:\t0000000000000000\nx\n");
}

#[test]
fn root_volumes_keep_their_ids_and_are_nosuid() {
    if !needs_root() {
        return;
    }
    let volume = tempfile::tempdir().unwrap();
    std::fs::write(volume.path().join("seen"), "data\n").unwrap();
    std::os::unix::fs::chown(volume.path().join("seen"), Some(1234), Some(0)).unwrap();
    let mut bench = Bench::shell(
        "cat /new/place/seen; stat -c %u /new/place/seen; touch /new/place/made; grep /new/place /proc/mounts",
    );
    bench.request.mounts.push(bind(volume.path(), "/new/place", Access::ReadWrite));
    let output = bench.run().unwrap().output;
    assert!(output.starts_with("data\n1234\n"), "{output}");
    assert!(output.contains("nosuid,nodev"), "{output}");
    let made = std::fs::metadata(volume.path().join("made")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), 0);
    let mut bench = Bench::shell("touch /v/x");
    bench.request.mounts.push(bind(volume.path(), "/v", Access::ReadOnly));
    assert!(bench.run().unwrap().output.contains("Read-only"));
}

fn bind(source: &std::path::Path, target: &str, access: Access) -> MountRequest {
    MountRequest::Bind(BindMount {
        source: source.to_owned(),
        target: target.to_owned(),
        access,
        recursion: Recursion::Recursive,
        sharers: Sharers::AsLabelled,
        missing: MissingSource::Refuse,
    })
}

#[test]
fn root_has_a_tmpfs_and_a_read_only_root() {
    if !needs_root() {
        return;
    }
    let mut bench = Bench::shell("touch /run/ok && touch /etc/no");
    bench.request.root = RootAccess::ReadOnly;
    bench.request.mounts.push(MountRequest::Tmpfs(TmpfsMount {
        uid: None,
        gid: None,
        target: "/run".to_owned(),
        size: Some(1 << 20),
        mode: None,
        access: Access::ReadWrite,
        exec: Default::default(),
    }));
    let ended = bench.run().unwrap();
    assert!(ended.output.contains("/etc/no: Read-only"), "{ended:?}");
}

#[test]
fn root_files_of_ours_lie_over_the_images() {
    if !needs_root() {
        return;
    }
    let look = "cat /etc/hostname /etc/hosts; echo own >> /etc/hosts; grep own /etc/hosts";
    let mut bench = Bench::shell(look);
    bench.files = hosts::files(&bench.request, "web");
    let ended = bench.run().unwrap();
    assert!(ended.output.starts_with("web\n127.0.0.1\tlocalhost\n"), "{ended:?}");
    assert!(ended.output.ends_with("\tweb\nown\n"), "{ended:?}");
    assert!(!ended.output.contains("Read-only"), "{ended:?}");
    assert!(!bench.root().join("etc/hosts").metadata().is_ok_and(|file| file.len() > 0));
}

#[test]
fn root_working_folder_is_made() {
    if !needs_root() {
        return;
    }
    let mut bench = Bench::shell("pwd; stat -c '%u %a' .");
    bench.image.config.working_dir = "/srv/app".to_owned();
    assert_eq!(bench.run().unwrap().output, "/srv/app\n0 755\n");
}

#[test]
fn root_failures_name_the_step() {
    if !needs_root() {
        return;
    }
    let failed = |words: &[&str]| {
        let mut bench = Bench::new();
        bench.command(words);
        bench.run().unwrap_err()
    };
    let error = failed(&["nothing-of-that-name"]);
    assert_eq!(
        (error.to_string().as_str(), error.status()),
        ("cannot exec nothing-of-that-name", 127)
    );
    assert!(error.hint().is_some());
    let error = failed(&["/etc"]);
    assert_eq!(error.status(), 126, "{error}");
    let mut bench = Bench::new();
    std::fs::write(bench.root().join("file"), "").unwrap();
    bench.image.config.working_dir = "/file".to_owned();
    bench.command(&["true"]);
    let error = bench.run().unwrap_err();
    assert_eq!(error.to_string(), "cannot open the working folder /file");
    assert_eq!(error.status(), 125);
}

#[test]
fn root_waits_at_the_gate() {
    if !needs_root() {
        return;
    }
    let bench = Bench::shell("echo started");
    let folder = coffer_sys::dir::open(bench.folder()).unwrap();
    let fifo = gate::make(folder.as_fd()).unwrap();
    let (reader, mut launched) = bench.start(Gate::Wait(fifo.as_fd())).unwrap();
    drop(fifo);
    launched.release().unwrap();
    gate::open(folder.as_fd()).unwrap();
    launched.executed(&bench.plan()).unwrap();
    assert_eq!(finish(reader, &launched).output, "started\n");
    nobody_waits(folder.as_fd());
}

/// Nobody is at the gate any more, once the children of other tests have closed their copies of it.
#[track_caller]
fn nobody_waits(folder: BorrowedFd<'_>) {
    let until = Instant::now() + Duration::from_secs(60);
    while !matches!(gate::open(folder), Err(gate::GateError::NobodyWaits)) {
        assert!(Instant::now() < until, "somebody waits at the gate");
        std::thread::yield_now();
    }
}

#[test]
fn root_a_program_that_is_missing_is_told_before_it_waits_at_the_gate() {
    if !needs_root() {
        return;
    }
    let mut bench = Bench::new();
    bench.command(&["missing"]);
    let folder = coffer_sys::dir::open(bench.folder()).unwrap();
    let fifo = gate::make(folder.as_fd()).unwrap();
    let error = bench.start(Gate::Wait(fifo.as_fd())).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.status()), ("cannot exec missing", 127));
    drop(fifo);
    nobody_waits(folder.as_fd());
}

#[test]
fn root_init_reaps_and_passes_signals_on() {
    if !needs_root() {
        return;
    }
    let mut bench = Bench::shell(
        "trap 'echo got; exit 3' TERM; (sleep 0.1 &) ; echo $$; while :; do sleep 0.05; done",
    );
    bench.request.init = Init::Tiny;
    let (reader, launched) = bench.start(Gate::Open).unwrap();
    let mut first = [0; 2];
    rustix::io::read(&reader, &mut first).unwrap();
    assert_eq!(&first, b"2\n");
    pidfd_send_signal(&launched.pidfd, Signal::TERM).unwrap();
    let ended = finish(reader, &launched);
    assert_eq!((ended.output.as_str(), ended.status), ("got\n", Some(3)));
}

#[test]
fn root_init_is_closed_to_the_program() {
    if !needs_root() {
        return;
    }
    let mut bench = Bench::shell("readlink /proc/1/exe; ls /proc/1/fd; cat /proc/1/status");
    bench.request.init = Init::Tiny;
    let output = bench.run().unwrap().output;
    assert!(!output.contains("/deps/launch"), "{output}");
    assert!(output.contains("Seccomp:\t2"), "{output}");
}

#[test]
fn root_has_a_terminal() {
    if !needs_root() {
        return;
    }
    let mut bench = Bench::shell(
        "tty; test -t 0 && echo yes; stat -c %u /dev/pts/0; stat -c %F /dev/console; exit 4",
    );
    bench.request.terminal = Terminal::Pty(Some(ConsoleSize { height: 24, width: 80 }));
    bench.user(1000, 1000);
    let how = Launch { cgroup: &Entry::Nowhere, stdio: Stdio::Inherit, gate: Gate::Open };
    let mut launched = launch(&bench.plan(), &how, &mut |_| Ok(())).unwrap();
    let master = launched.terminal.take().unwrap();
    let size = rustix::termios::tcgetwinsize(&master).unwrap();
    assert_eq!((size.ws_row, size.ws_col), (24, 80));
    let mut text = Vec::new();
    let mut chunk = [0; 256];
    // EIO is the end of a pty whose other side is closed.
    while let Ok(count @ 1..) = rustix::io::read(&master, &mut chunk) {
        text.extend_from_slice(&chunk[..count]);
    }
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text, "/dev/pts/0\r\nyes\r\n1000\r\ncharacter special file\r\n");
}

#[test]
fn root_can_share_network_and_ids_with_the_host() {
    if !needs_root() {
        return;
    }
    let line = "readlink /proc/self/ns/net; ls /sys/class/net; cat /proc/self/uid_map";
    let mut bench = Bench::shell(line);
    bench.request.network = Network::Host;
    let net = std::fs::read_link("/proc/self/ns/net").unwrap();
    let output = bench.run().unwrap().output;
    assert!(output.contains(net.to_str().unwrap()), "{output}");
    bench.request.network = Network::None;
    bench.request.userns = Userns::Host;
    let output = bench.run().unwrap().output;
    assert!(output.contains("4294967295"), "{output}");
}

#[test]
fn root_joined_that_fails_leaves_nothing() {
    if !needs_root() {
        return;
    }
    let bench = Bench::shell("sleep 100");
    let how = Launch { cgroup: &Entry::Nowhere, stdio: Stdio::Inherit, gate: Gate::Open };
    let mut number = None;
    let failed = launch(&bench.plan(), &how, &mut |pid| {
        number = Some(pid);
        Err(std::io::ErrorKind::Other.into())
    });
    assert!(matches!(failed, Err(LaunchError::Joined(_))));
    let gone = rustix::process::test_kill_process(number.unwrap());
    assert_eq!(gone, Err(rustix::io::Errno::SRCH));
}
