//! The calls, each with the reason why it does no harm where that is not its arguments' absence.

use libc::{
    CLONE_FS, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID,
    CLONE_NEWUSER, CLONE_NEWUTS, O_CLOEXEC, c_int, c_long,
};

use super::{Arg, Call, Past};

/// `CLONE_NEWTIME`. Source: linux/sched.h.
const CLONE_NEWTIME: c_int = 0x80;
/// An address that no process has memory at.
const NOWHERE: Arg = Arg::Number(1);
const ZERO: Arg = Arg::Number(0);
const EMPTY: Arg = Arg::Words(&[]);
/// The working folder. Source: linux/fcntl.h.
const AT_FDCWD: Arg = Arg::Number(-100);

/// Numbers of calls that only x86_64 has; elsewhere one that no kernel has.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use libc::c_long;
    pub(super) const IOPL: c_long = libc::SYS_iopl;
    pub(super) const IOPERM: c_long = libc::SYS_ioperm;
    pub(super) const MODIFY_LDT: c_long = libc::SYS_modify_ldt;
    pub(super) const SYSFS: c_long = libc::SYS_sysfs;
    pub(super) const X32_GETPID: c_long = 0x4000_0000 + libc::SYS_getpid;
}
#[cfg(not(target_arch = "x86_64"))]
mod x86 {
    use libc::c_long;
    pub(super) const IOPL: c_long = -1;
    pub(super) const IOPERM: c_long = -1;
    pub(super) const MODIFY_LDT: c_long = -1;
    pub(super) const SYSFS: c_long = -1;
    pub(super) const X32_GETPID: c_long = -1;
}
const STATMOUNT: c_long = 457;
const LISTMOUNT: c_long = 458;
const OPEN_TREE_ATTR: c_long = 467;

/// Past the fence once the kernel has looked at the arguments.
const fn looked<const N: usize>(number: c_long, args: [Arg; N]) -> Call {
    Call { number, args: filled(args), past: Past::Looked }
}

/// Past the fence once it has succeeded.
const fn done<const N: usize>(number: c_long, args: [Arg; N]) -> Call {
    Call { number, args: filled(args), past: Past::Done }
}

#[expect(clippy::indexing_slicing, reason = "in a constant, where a wrong index does not compile")]
const fn filled<const N: usize>(args: [Arg; N]) -> [Arg; 6] {
    let mut all = [ZERO; 6];
    let mut at = 0;
    while at < N {
        all[at] = args[at];
        at += 1;
    }
    all
}

const fn number(value: i64) -> Arg {
    Arg::Number(value)
}

const fn unshare(flag: c_int) -> Call {
    done(libc::SYS_unshare, [number(flag as i64)])
}

#[rustfmt::skip]
impl Call {
    // The machine: the right is checked before the arguments, which are none.
    /// Load a kernel module (man 2 init_module).
    pub const LOAD_MODULE: Self = looked(libc::SYS_init_module, []);
    /// Load one from a file; there is none.
    pub const LOAD_MODULE_FILE: Self = looked(libc::SYS_finit_module, [number(-1)]);
    /// Unload a module without a name.
    pub const UNLOAD_MODULE: Self = looked(libc::SYS_delete_module, [NOWHERE]);
    /// Load a kernel to start; the flag is no flag, and the segments are too many.
    pub const LOAD_KERNEL: Self = looked(libc::SYS_kexec_load, [ZERO, number(1000), ZERO, number(0x8000)]);
    /// The same from a file; the flag is no flag.
    pub const LOAD_KERNEL_FILE: Self = looked(libc::SYS_kexec_file_load, [number(-1), number(-1), ZERO, ZERO, number(0x8000)]);
    /// Restart the machine, without the magic numbers (man 2 reboot).
    pub const REBOOT: Self = looked(libc::SYS_reboot, []);
    /// Set the clock to nothing (man 2 settimeofday).
    pub const SET_CLOCK: Self = looked(libc::SYS_settimeofday, []);
    /// Change the clock's tick (`ADJ_TICK`) to 0, which is out of range (man 2 adjtimex).
    pub const TUNE_CLOCK: Self = looked(libc::SYS_adjtimex, [Arg::Words(&[0x4000])]);
    /// The same by clock.
    pub const TUNE_CLOCK_BY_ID: Self = looked(libc::SYS_clock_adjtime, [ZERO, Arg::Words(&[0x4000])]);
    /// Use a file without a name as swap (man 2 swapon).
    pub const SWAP_ON: Self = looked(libc::SYS_swapon, [NOWHERE]);
    /// Stop using one.
    pub const SWAP_OFF: Self = looked(libc::SYS_swapoff, [NOWHERE]);
    /// Write accounts of processes to a file without a name (man 2 acct).
    pub const ACCOUNT: Self = looked(libc::SYS_acct, [NOWHERE]);
    /// Read the start of the kernel's log (`SYSLOG_ACTION_READ_ALL`).
    pub const KERNEL_LOG: Self = done(libc::SYS_syslog, [number(3), EMPTY, number(256)]);
    /// All I/O ports, for this process (man 2 iopl).
    pub const IO_LEVEL: Self = done(x86::IOPL, [number(3)]);
    /// One I/O port, for this process (man 2 ioperm).
    pub const IO_PORT: Self = done(x86::IOPERM, [number(0x80), number(1), number(1)]);
    /// Look up a cookie of the profiler.
    pub const COOKIE: Self = looked(libc::SYS_lookup_dcookie, []);

    // Kernel interfaces. What they make is a descriptor of this process.
    /// Make a BPF map: an array of one number (`BPF_MAP_CREATE`; man 2 bpf).
    pub const BPF_MAP: Self = done(libc::SYS_bpf, [ZERO, Arg::Words(&[2 | 4 << 32, 4 | 1 << 32]), number(16)]);
    /// List BPF programs (`BPF_PROG_GET_NEXT_ID`).
    pub const BPF_LIST: Self = looked(libc::SYS_bpf, [number(11), EMPTY, number(12)]);
    /// Count what this process does, in user mode alone (man 2 perf_event_open).
    pub const PERF_SELF: Self = done(libc::SYS_perf_event_open, [Arg::Words(&[1 | 64 << 32, 1, 0, 0, 0, 0x60]), ZERO, number(-1), number(-1)]);
    /// Count what a processor does, whoever runs there.
    pub const PERF_ALL: Self = done(libc::SYS_perf_event_open, [Arg::Words(&[1 | 64 << 32, 0]), number(-1), ZERO, number(-1)]);
    /// Handle page faults (`UFFD_USER_MODE_ONLY`; man 2 userfaultfd).
    pub const PAGE_FAULTS: Self = done(libc::SYS_userfaultfd, [number(O_CLOEXEC as i64 | 1)]);
    /// Queue system calls past the filter (man 2 io_uring_setup).
    pub const IO_URING: Self = done(libc::SYS_io_uring_setup, [number(1), EMPTY]);
    /// Ask for the session's keyring (`KEYCTL_GET_KEYRING_ID`; man 2 keyctl).
    pub const KEYS: Self = looked(libc::SYS_keyctl, [ZERO, number(-3), ZERO]);
    /// Keep a key in the process's own keyring (man 2 add_key).
    pub const ADD_KEY: Self = done(libc::SYS_add_key, [Arg::Text(c"user"), Arg::Text(c"coffer-audit"), Arg::Text(c"key"), number(3), number(-2)]);
    /// Look for a key that nobody has.
    pub const REQUEST_KEY: Self = looked(libc::SYS_request_key, [Arg::Text(c"user"), Arg::Text(c"coffer-audit-none"), ZERO, ZERO]);
    /// Read the table of local segments (man 2 modify_ldt).
    pub const SEGMENTS: Self = done(x86::MODIFY_LDT, [ZERO, EMPTY, number(64)]);
    /// Memory that the kernel itself cannot see (man 2 memfd_secret).
    pub const SECRET_MEMORY: Self = done(libc::SYS_memfd_secret, []);
    /// Watch a file system's accesses, with a say in them (`FAN_CLASS_CONTENT`; man 2 fanotify_init).
    pub const WATCH_ALL: Self = done(libc::SYS_fanotify_init, [number(4)]);
    /// Watch files by handle, as ordinary users may (`FAN_REPORT_FID`).
    pub const WATCH_SOME: Self = done(libc::SYS_fanotify_init, [number(0x200)]);
    /// A handle of the root folder, of 128 bytes at most (man 2 name_to_handle_at).
    pub const NAME_TO_HANDLE: Self = done(libc::SYS_name_to_handle_at, [AT_FDCWD, Arg::Text(c"/"), Arg::Words(&[128]), EMPTY]);
    /// Open a handle of 8 bytes that no file has: newer kernels read it before they look at the
    /// right (man 2 open_by_handle_at).
    pub const OPEN_HANDLE: Self = looked(libc::SYS_open_by_handle_at, [AT_FDCWD, Arg::Words(&[8 | 1 << 32, 0])]);
    /// Where memory comes from: the default (man 2 set_mempolicy).
    pub const MEMORY_POLICY: Self = done(libc::SYS_set_mempolicy, []);
    /// Move none of its pages to another node (man 2 move_pages).
    pub const MOVE_PAGES: Self = done(libc::SYS_move_pages, []);
    /// Move all of its pages from no node to none (man 2 migrate_pages).
    pub const MIGRATE_PAGES: Self = looked(libc::SYS_migrate_pages, []);
    /// No randomised addresses, for this process (man 2 personality).
    pub const PERSONALITY: Self = done(libc::SYS_personality, [number(0x0004_0000)]);
    /// How many kinds of file systems the kernel has (man 2 sysfs).
    pub const FILE_SYSTEMS: Self = done(x86::SYSFS, [number(3)]);
    /// A call by the x32 numbers.
    pub const X32: Self = done(x86::X32_GETPID, []);

    // Namespaces, each of this process alone (man 2 unshare).
    /// A user namespace.
    pub const UNSHARE_USER: Self = unshare(CLONE_NEWUSER);
    /// A mount namespace.
    pub const UNSHARE_MOUNT: Self = unshare(CLONE_NEWNS);
    /// A pid namespace.
    pub const UNSHARE_PID: Self = unshare(CLONE_NEWPID);
    /// A network namespace.
    pub const UNSHARE_NET: Self = unshare(CLONE_NEWNET);
    /// An IPC namespace.
    pub const UNSHARE_IPC: Self = unshare(CLONE_NEWIPC);
    /// A UTS namespace.
    pub const UNSHARE_UTS: Self = unshare(CLONE_NEWUTS);
    /// A control group namespace.
    pub const UNSHARE_CGROUP: Self = unshare(CLONE_NEWCGROUP);
    /// A time namespace.
    pub const UNSHARE_TIME: Self = unshare(CLONE_NEWTIME);
    /// A user and a mount namespace at once.
    pub const UNSHARE_USER_MOUNT: Self = unshare(CLONE_NEWUSER | CLONE_NEWNS);
    /// A user and a network namespace at once.
    pub const UNSHARE_USER_NET: Self = unshare(CLONE_NEWUSER | CLONE_NEWNET);
    /// A user, a mount and a control group namespace at once.
    pub const UNSHARE_USER_CGROUP: Self = unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP);
    /// A child in a user namespace; with `CLONE_FS` beside it, which the kernel refuses.
    pub const CLONE_USER: Self = looked(libc::SYS_clone, [number((CLONE_NEWUSER | CLONE_FS) as i64)]);
    /// A child by the call whose flags no filter sees; its arguments are too short.
    pub const CLONE3: Self = looked(libc::SYS_clone3, []);

    // Mounts. Nothing is attached anywhere.
    /// Open a file system without a name (man 2 fsopen).
    pub const OPEN_FILE_SYSTEM: Self = looked(libc::SYS_fsopen, [NOWHERE]);
    /// Change the root mount to nothing (man 2 pivot_root).
    pub const PIVOT_ROOT: Self = looked(libc::SYS_pivot_root, [NOWHERE, NOWHERE]);
    /// A copy of the root's mount, attached nowhere (`OPEN_TREE_CLONE`; man 2 open_tree).
    pub const COPY_TREE: Self = done(libc::SYS_open_tree, [AT_FDCWD, Arg::Text(c"/"), number(1)]);
    /// The same with attributes.
    pub const COPY_TREE_ATTR: Self = done(OPEN_TREE_ATTR, [AT_FDCWD, Arg::Text(c"/"), number(1), EMPTY, number(32)]);
    /// Attach nothing (man 2 move_mount).
    pub const MOVE_MOUNT: Self = looked(libc::SYS_move_mount, [number(-1), NOWHERE, number(-1), NOWHERE]);
    /// Reconfigure the root's file system (man 2 fspick).
    pub const PICK_FILE_SYSTEM: Self = done(libc::SYS_fspick, [AT_FDCWD, Arg::Text(c"/")]);
    /// Change no attribute of the root's mount (man 2 mount_setattr).
    pub const MOUNT_ATTRIBUTES: Self = done(libc::SYS_mount_setattr, [AT_FDCWD, Arg::Text(c"/"), ZERO, EMPTY, number(32)]);
    /// List mounts (man 2 listmount).
    pub const LIST_MOUNTS: Self = done(LISTMOUNT, [Arg::Words(&[24, u64::MAX, 0]), EMPTY, number(32)]);
    /// Ask about a mount that there is not (man 2 statmount).
    pub const ABOUT_MOUNT: Self = looked(STATMOUNT, [Arg::Words(&[24, u64::MAX, 0]), EMPTY, number(512)]);
    /// Unmount a folder that is no mount (man 2 umount2).
    pub const UNMOUNT: Self = looked(libc::SYS_umount2, [Arg::Text(c"/etc")]);

    /// A socket of a family and protocol, of a type that there is not: the kernel refuses it before
    /// it looks for the family, so that no module is loaded (man 2 socket).
    #[must_use]
    pub const fn socket(family: u8, protocol: u8) -> Self {
        looked(libc::SYS_socket, [number(family as i64), number(15), number(protocol as i64)])
    }

    /// Whether a process shares its memory with itself, which only who may trace it learns (man 2
    /// kcmp, `KCMP_VM`).
    #[must_use]
    pub const fn compare(pid: i32) -> Self {
        done(libc::SYS_kcmp, [number(pid as i64), number(pid as i64), number(1)])
    }
}
