//! The default filter, loaded for real. A filter binds its thread and what that starts, so each
//! test loads it in a thread of its own.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io;
use std::process::Command;

use coffer_confine::capability::CapSet;
use coffer_confine::seccomp::{Arch, compile, default};
use coffer_sys::attempt::{Call, attempt};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, netlink, socket};

/// Runs `work` in a thread behind the default filter.
fn behind<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(|| {
        let program = compile(&default::profile(CapSet::DEFAULT), Arch::HOST).unwrap();
        rustix::thread::set_no_new_privs(true).unwrap();
        program.load().unwrap();
        work()
    });
    thread.join().unwrap()
}

#[test]
fn programs_run_behind_the_filter() {
    let words = "echo $(expr 20 + 22); exec 3<>/dev/null; sleep 0 & wait; umask; ulimit -n >&3";
    let output = behind(move || Command::new("/bin/sh").args(["-ec", words]).output()).unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.starts_with(b"42\n"));
}

/// An interpreter with processes, threads, locks, sockets and an event loop.
#[test]
fn python_runs_behind_the_filter() {
    let words = "
import asyncio, hashlib, mmap, multiprocessing, os, socket, subprocess, tempfile, threading, time
with multiprocessing.Pool(2) as pool: assert pool.map(abs, [-1, -2]) == [1, 2]
threading.Thread(target=time.sleep, args=[0]).start()
server = socket.create_server(('127.0.0.1', 0)); socket.create_connection(server.getsockname())
assert socket.getaddrinfo('127.0.0.1', 80)
assert asyncio.run(asyncio.wait_for(asyncio.sleep(0, 7), 5)) == 7
assert subprocess.run(['true']).returncode == 0
with tempfile.TemporaryFile() as f: f.write(b'x' * 4096); f.flush(); mmap.mmap(f.fileno(), 4096); os.posix_fallocate(f.fileno(), 0, 8192)
hashlib.sha256(os.urandom(9)); os.memfd_create('x'); os.sched_getaffinity(0); os.getloadavg()
";
    let run = behind(move || Command::new("/usr/bin/python3").args(["-c", words]).output());
    match run {
        Err(error) if error.kind() == io::ErrorKind::NotFound => println!("skipped: needs python3"),
        run => {
            let output = run.unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// The C library asks for clone3, is told that there is none, and takes clone.
#[test]
fn threads_start_behind_the_filter() {
    let sum: u32 = behind(|| {
        let threads: Vec<_> = (0..4_u32).map(|n| std::thread::spawn(move || n)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(sum, 6);
}

#[test]
fn what_a_container_should_not_reach_is_refused() {
    let errno = |what: Call| {
        let error: io::Result<()> = behind(move || attempt(what));
        error.err().and_then(|error| error.raw_os_error()).and_then(|n| u16::try_from(n).ok())
    };
    let (perm, no_call) = (Some(1), Some(38));
    for what in [
        Call::LOAD_MODULE,
        Call::REBOOT,
        Call::SET_CLOCK,
        Call::SWAP_ON,
        Call::BPF_MAP,
        Call::PERF_SELF,
        Call::PAGE_FAULTS,
        Call::KERNEL_LOG,
        Call::OPEN_FILE_SYSTEM,
        Call::PIVOT_ROOT,
        Call::UNSHARE_USER,
    ] {
        assert_eq!(errno(what), perm, "{what:?}");
    }
    for what in [Call::IO_URING, Call::KEYS] {
        assert_eq!(errno(what), no_call, "{what:?}");
    }
}

#[test]
fn sockets_are_had_by_family() {
    let open = |family| behind(move || socket(family, SocketType::DGRAM, None).map(drop));
    for family in
        [AddressFamily::UNIX, AddressFamily::INET, AddressFamily::INET6, AddressFamily::NETLINK]
    {
        // A host without IPv6 says so itself.
        let answer = open(family);
        assert!(answer.is_ok() || family == AddressFamily::INET6, "{family:?} {answer:?}");
    }
    for family in [AddressFamily::PACKET, AddressFamily::VSOCK, AddressFamily::BLUETOOTH] {
        assert_eq!(open(family), Err(Errno::AFNOSUPPORT), "{family:?}");
    }
    let audit =
        behind(|| socket(AddressFamily::NETLINK, SocketType::RAW, Some(netlink::AUDIT)).map(drop));
    assert_eq!(audit, Err(Errno::PROTONOSUPPORT));
}
