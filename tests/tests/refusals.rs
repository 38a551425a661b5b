//! What the default filter refuses, tried inside a container one by one, as root of it.

use std::collections::BTreeMap;

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::PYTHON;
use coffer_tests::program;

/// Makes each call with arguments that a kernel without a filter would answer otherwise, and
/// prints its name and errno. The last one is a call by the 32-bit entry, which kills.
const SCRIPT: &str = r#"
import ctypes, mmap, os, signal, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
def call(name, number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(number, *[ctypes.c_long(a) for a in args])
    print(name, ctypes.get_errno() if result < 0 else 0, flush=True)
fd, pid = os.open("/tmp", os.O_RDONLY), os.getppid()
NEWUSER = 0x10000000
call("unshare-user", 272, NEWUSER)
call("clone-user", 56, NEWUSER | signal.SIGCHLD, 0, 0, 0, 0)
call("clone3", 435, 0, 0)
call("setns", 308, fd, 0)
call("add_key", 248, 0, 0, 0, 0, 0)
call("keyctl", 250, 0, 0)
call("request_key", 249, 0, 0, 0, 0)
call("userfaultfd", 323, 1)
call("io_uring_setup", 425, 1, 0)
call("bpf", 321, 0, 0, 0)
call("perf_event_open", 298, 0, 0, -1, -1, 0)
for name, number in [("mount", 165), ("umount2", 166), ("pivot_root", 155), ("open_tree", 428),
                     ("move_mount", 429), ("fsopen", 430), ("fsconfig", 431), ("fsmount", 432),
                     ("fspick", 433), ("mount_setattr", 442), ("open_tree_attr", 467)]:
    call(name, number, 0, 0, 0, 0, 0)
call("process_vm_readv", 310, pid, 0, 0, 0, 0, 0)
call("process_vm_writev", 311, pid, 0, 0, 0, 0, 0)
call("ptrace", 101, 0, 0, 0, 0)
call("kcmp", 312, pid, pid, 0, 0, 0)
call("pidfd_getfd", 438, fd, 0, 0)
call("name_to_handle_at", 303, -100, 0, 0, 0, 0)
call("open_by_handle_at", 304, -100, 0, 0)
call("modify_ldt", 154, 0, 0, 0)
call("memfd_secret", 447, 0)
call("init_module", 175, 0, 0, 0)
call("finit_module", 313, -1, 0, 0)
call("delete_module", 176, 0, 0)
call("kexec_load", 246, 0, 0, 0, 0)
call("reboot", 169, 0, 0, 0, 0)
call("settimeofday", 164, 0, 0)
call("clock_settime", 227, 0, 0)
call("swapon", 167, 0, 0)
call("syslog", 103, 3, 0, 0)
call("acct", 163, 0)
call("iopl", 172, 3)
call("quotactl", 179, 0, 0, 0, 0)
call("fanotify_init", 300, 0, 0)
call("chroot", 161, 0)
call("x32-getpid", 0x40000000 + 39)
master, slave = os.openpty()
for name, request in [("TIOCSTI", 0x5412), ("TIOCLINUX", 0x541c), ("TIOCSETD", 0x5423)]:
    call(name, 16, slave, request, 0)
    call(name + "-upper", 16, slave, request | 1 << 32, 0)
for family in [0, 3, 4, 5, 9, 17, 21, 29, 30, 31, 38, 39, 40, 44]:
    call("socket-%d" % family, 41, family, 2, 0)
for protocol in [4, 6, 9, 12, 15, 16, 20]:
    call("netlink-%d" % protocol, 41, 16, 3, protocol)
for family in [1, 2, 10]:
    call("socket-%d" % family, 41, family, 2, 0)
call("netlink-0", 41, 16, 3, 0)
child = os.fork()
if child == 0:
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # getpid by int 0x80
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
    os._exit(0)
print("int80", -os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"#;

const EPERM: i32 = 1;
const ENOSYS: i32 = 38;
const EPROTONOSUPPORT: i32 = 93;
const EOPNOTSUPP: i32 = 95;
const EAFNOSUPPORT: i32 = 97;
const SIGSYS: i32 = 31;

/// The answer to everything that [`SCRIPT`] tries.
fn expected(name: &str) -> i32 {
    match name {
        "clone3" | "add_key" | "keyctl" | "request_key" | "io_uring_setup" | "modify_ldt"
        | "memfd_secret" | "x32-getpid" => ENOSYS,
        "name_to_handle_at" => EOPNOTSUPP,
        "int80" => SIGSYS,
        "socket-1" | "socket-2" | "netlink-0" => 0,
        name if name.starts_with("socket-") => EAFNOSUPPORT,
        name if name.starts_with("netlink-") => EPROTONOSUPPORT,
        _ => EPERM,
    }
}

#[test]
fn root_each_refusal_holds_inside() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&PYTHON);
    let ran = coffer.run(&["run", "--rm", &name, "python3", "-c", SCRIPT]);
    assert_eq!(ran.status, 0, "{ran}");
    let answer = |line: &str| -> Option<(String, i32)> {
        let (name, answer) = line.split_once(' ')?;
        Some((name.to_owned(), answer.parse().ok()?))
    };
    let answers: BTreeMap<String, i32> = ran.stdout.lines().filter_map(answer).collect();
    assert_eq!(answers.len(), 78, "{ran}");
    for (name, answer) in &answers {
        // A host without IPv6 says so itself.
        if name != "socket-10" {
            assert_eq!(*answer, expected(name), "{name}");
        }
    }
    assert_eq!(coffer.leftovers(), [""; 0]);
}
