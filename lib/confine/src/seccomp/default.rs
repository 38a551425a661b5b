//! The default profile: an allowlist, stricter than docker's, with a reason beside every entry.
//!
//! What is not listed fails with `EPERM`, as it would for want of a right; what a C library or a
//! program has an older way for fails with `ENOSYS`, as on an older kernel, so that it takes that
//! way. Calls that only work with a capability are allowed when the container has it, as docker
//! does. Compared with docker, the profile also refuses io_uring, tracing and reading the memory
//! of other processes, name_to_handle_at, modify_ldt, secret memory, line disciplines and pushing
//! back terminal input, and it allows socket families by list instead of all but one.

use super::{Action, Condition, Horizon, Logging, Profile, Rule, Test};
use crate::capability::{CapSet, Capability};

/// One entry of the profile.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Which calls.
    pub calls: &'static [&'static str],
    /// On which arguments; empty is on all.
    pub when: &'static [Condition],
    /// What happens.
    pub action: Action,
    /// Only in a container that was granted this.
    pub with: Option<Capability>,
    /// Why.
    pub why: &'static str,
}

/// `errno`s. Source: asm-generic/errno.h.
mod errno {
    pub(super) const EPERM: u16 = 1;
    pub(super) const ENOSYS: u16 = 38;
    pub(super) const EPROTONOSUPPORT: u16 = 93;
    pub(super) const EOPNOTSUPP: u16 = 95;
    pub(super) const EAFNOSUPPORT: u16 = 97;
}

/// The `CLONE_NEW*` flags of `clone` and, with time, of `unshare`. Source: linux/sched.h.
const NEW_NAMESPACES: u64 = 0x7e02_0000;
const NEW_TIME_NAMESPACE: u64 = 0x80;

/// Socket families. Source: linux/socket.h.
const AF_UNIX: u64 = 1;
const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;
const AF_NETLINK: u64 = 16;
const AF_PACKET: u64 = 17;
const NETLINK_ROUTE: u64 = 0;

/// Terminal requests. Source: asm-generic/ioctls.h.
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;
const TIOCSETD: u64 = 0x5423;

const fn allow(calls: &'static [&'static str], why: &'static str) -> Entry {
    Entry { calls, when: &[], action: Action::Allow, with: None, why }
}

const fn fail(errno: u16, calls: &'static [&'static str], why: &'static str) -> Entry {
    Entry { calls, when: &[], action: Action::Fail(errno), with: None, why }
}

impl Entry {
    const fn when(mut self, conditions: &'static [Condition]) -> Self {
        self.when = conditions;
        self
    }

    const fn with(mut self, capability: Capability) -> Self {
        self.with = Some(capability);
        self
    }
}

const fn is(argument: u8, value: u64) -> Condition {
    Condition { argument, test: Test::Equal(value) }
}

/// For arguments that the kernel takes as `int`: whatever the upper half holds.
const fn is_int(argument: u8, value: u64) -> Condition {
    Condition { argument, test: Test::Masked { mask: 0xffff_ffff, equal: value } }
}

const fn has_none_of(argument: u8, mask: u64) -> Condition {
    Condition { argument, test: Test::Masked { mask, equal: 0 } }
}

/// The profile. Order matters only between entries for the same call.
#[rustfmt::skip]
pub const ENTRIES: &[Entry] = &[
    // Memory, time, and being a process.
    allow(&["brk", "mmap", "munmap", "mprotect", "mremap", "madvise", "msync", "mincore", "remap_file_pages"], "memory of one's own; remap_file_pages for old databases"),
    allow(&["mlock", "mlock2", "mlockall", "munlock", "munlockall"], "databases and key stores; RLIMIT_MEMLOCK bounds it"),
    allow(&["mseal", "map_shadow_stack", "pkey_alloc", "pkey_free", "pkey_mprotect"], "hardening of a process by itself"),
    allow(&["memfd_create"], "runtimes and display servers share memory through it"),
    allow(&["membarrier", "rseq", "set_robust_list", "get_robust_list", "set_tid_address", "futex", "futex_waitv", "futex_wait", "futex_wake", "futex_requeue"], "threads and locks of every C library"),
    allow(&["arch_prctl"], "x86_64 C libraries set the thread pointer"),
    allow(&["clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "times"], "reading clocks and sleeping"),
    allow(&["alarm", "getitimer", "setitimer", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime", "timerfd_create", "timerfd_gettime", "timerfd_settime"], "timers of one's own"),
    allow(&["getrandom"], "keys, and seeds of hash tables"),
    allow(&["uname", "sysinfo", "getcpu"], "what runtimes size their heaps and pools by"),
    allow(&["prctl"], "thread names, no_new_privs, death signals; the rest needs capabilities"),
    allow(&["restart_syscall", "rt_sigreturn"], "the kernel makes a process call them"),
    allow(&["uretprobe"], "the host's own probes make a process call it; filtered, it crashes"),
    allow(&["seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"], "programs that fence themselves in; both only take rights away"),

    // Processes.
    allow(&["clone"], "fork and threads, but no new namespace: a user namespace opens most of the kernel's attack surface").when(&[has_none_of(0, NEW_NAMESPACES)]),
    allow(&["clone"], "new namespaces for who administers the container").with(Capability::SysAdmin),
    fail(errno::ENOSYS, &["clone3"], "its flags lie in memory, where a filter cannot look; C libraries fall back to clone"),
    allow(&["unshare"], "of files and the working folder, but no new namespace").when(&[has_none_of(0, NEW_NAMESPACES | NEW_TIME_NAMESPACE)]),
    allow(&["fork", "vfork", "execve", "execveat", "exit", "exit_group", "wait4", "waitid"], "life of processes"),
    allow(&["getpid", "gettid", "getppid", "getpgid", "getpgrp", "setpgid", "getsid", "setsid"], "who a process is; shells and daemons"),
    allow(&["kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "pidfd_send_signal", "process_mrelease"], "signals to processes of one's own"),
    allow(&["rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigsuspend", "rt_sigtimedwait", "sigaltstack", "signalfd", "signalfd4", "pause"], "receiving signals"),
    allow(&["getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "capget"], "whose rights a process has"),
    allow(&["setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups", "capset"], "services leave root; gaining needs SETUID and SETGID"),
    allow(&["getrlimit", "setrlimit", "prlimit64", "getrusage", "umask"], "limits can only be lowered"),
    allow(&["getpriority", "setpriority", "ioprio_get", "ioprio_set", "sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getattr", "sched_setattr", "sched_getparam", "sched_setparam", "sched_getscheduler", "sched_setscheduler", "sched_get_priority_max", "sched_get_priority_min", "sched_rr_get_interval"], "scheduling within what the cgroup gives; raising needs SYS_NICE"),
    allow(&["personality"], "Linux as it is").when(&[is(0, 0)]),
    allow(&["personality"], "linux32, for builds of 32-bit packages").when(&[is(0, 8)]),
    allow(&["personality"], "asking which it is").when(&[is(0, 0xffff_ffff)]),

    // Files.
    allow(&["read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev", "pwritev2", "lseek", "readahead", "fadvise64"], "reading and writing"),
    allow(&["open", "openat", "openat2", "creat", "close", "close_range", "dup", "dup2", "dup3", "fcntl", "flock"], "opening and locking"),
    allow(&["stat", "fstat", "lstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "statfs", "fstatfs", "cachestat"], "asking about files"),
    allow(&["getdents", "getdents64", "getcwd", "chdir", "fchdir"], "folders"),
    allow(&["mkdir", "mkdirat", "rmdir", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "rename", "renameat", "renameat2"], "making and removing"),
    allow(&["mknod", "mknodat"], "fifos and sockets; device nodes need MKNOD"),
    allow(&["chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "utime", "utimes", "futimesat", "utimensat"], "modes, owners and times"),
    allow(&["truncate", "ftruncate", "fallocate", "sync", "syncfs", "fsync", "fdatasync", "sync_file_range"], "sizes and durability"),
    allow(&["getxattr", "lgetxattr", "fgetxattr", "getxattrat", "listxattr", "llistxattr", "flistxattr", "listxattrat", "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr", "removexattrat"], "extended attributes; file capabilities need SETFCAP"),
    allow(&["copy_file_range", "sendfile", "splice", "tee", "vmsplice"], "copying inside the kernel: web servers, cp, cat"),
    allow(&["inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch"], "watching files; the quota is the user namespace's own"),
    allow(&["io_setup", "io_destroy", "io_submit", "io_cancel", "io_getevents", "io_pgetevents"], "databases (InnoDB) use the older asynchronous calls"),

    // Waiting and talking.
    allow(&["poll", "ppoll", "select", "pselect6", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2"], "waiting for many"),
    allow(&["pipe", "pipe2", "eventfd", "eventfd2"], "talking between threads and processes"),
    fail(errno::EPERM, &["ioctl"], "TIOCSTI types into the terminal of whoever started the container").when(&[is_int(1, TIOCSTI)]),
    fail(errno::EPERM, &["ioctl"], "TIOCLINUX pastes into a console").when(&[is_int(1, TIOCLINUX)]),
    fail(errno::EPERM, &["ioctl"], "TIOCSETD loads line disciplines, a row of kernel bugs").when(&[is_int(1, TIOCSETD)]),
    allow(&["ioctl"], "terminals, sockets and files; devices are not there to be asked"),
    allow(&["socket"], "sockets between processes").when(&[is(0, AF_UNIX)]),
    allow(&["socket"], "IPv4").when(&[is(0, AF_INET)]),
    allow(&["socket"], "IPv6").when(&[is(0, AF_INET6)]),
    allow(&["socket"], "C libraries ask for addresses and interfaces").when(&[is(0, AF_NETLINK), is(2, NETLINK_ROUTE)]),
    allow(&["socket"], "who configures the network needs netfilter, generic netlink and the like").when(&[is(0, AF_NETLINK)]).with(Capability::NetAdmin),
    allow(&["socket"], "packets as they come").when(&[is(0, AF_PACKET)]).with(Capability::NetRaw),
    fail(errno::EPROTONOSUPPORT, &["socket"], "netfilter, audit and the rest; PAM and shadow take this for a kernel without audit").when(&[is_int(0, AF_NETLINK)]),
    fail(errno::EAFNOSUPPORT, &["socket"], "rare families autoload modules and are where kernels break; programs that probe go on"),
    allow(&["socketpair"], "pairs between processes").when(&[is(0, AF_UNIX)]),
    fail(errno::EAFNOSUPPORT, &["socketpair"], "no other family has them but tipc"),
    allow(&["bind", "connect", "listen", "accept", "accept4", "shutdown", "getsockname", "getpeername", "getsockopt", "setsockopt", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg"], "using the sockets that may be had"),
    allow(&["semget", "semop", "semctl", "semtimedop", "shmget", "shmat", "shmdt", "shmctl", "msgget", "msgsnd", "msgrcv", "msgctl"], "System V objects of the container's own IPC namespace (postgres)"),
    allow(&["mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr"], "message queues of the container's own IPC namespace"),

    // Refused in a way that lets programs go on.
    fail(errno::ENOSYS, &["io_uring_setup", "io_uring_enter", "io_uring_register"], "a second system call table that no filter sees; libuv and databases fall back"),
    fail(errno::ENOSYS, &["add_key", "request_key", "keyctl"], "keyrings are not all namespaced; programs take it for a kernel without keys"),
    fail(errno::ENOSYS, &["memfd_secret"], "memory that the host cannot see or reclaim; off on most kernels"),
    fail(errno::ENOSYS, &["modify_ldt"], "16-bit segments, a row of kernel bugs; off on many kernels"),
    fail(errno::EOPNOTSUPP, &["name_to_handle_at"], "handles of host files; programs take it for a file system without handles"),
    fail(errno::ENOSYS, &["statmount", "listmount", "lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules", "process_madvise", "file_getattr", "file_setattr", "set_mempolicy_home_node", "epoll_ctl_old", "epoll_wait_old"], "new or never used; everything has an older way"),

    // With a capability, as docker does.
    allow(&["ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd"], "debuggers").with(Capability::SysPtrace),
    allow(&["chroot"], "sshd, haproxy and the like").with(Capability::SysChroot),
    allow(&["mount", "umount2", "mount_setattr", "move_mount", "open_tree", "open_tree_attr", "fsopen", "fsconfig", "fsmount", "fspick", "setns", "unshare", "sethostname", "setdomainname", "quotactl", "quotactl_fd", "fanotify_init", "fanotify_mark", "lookup_dcookie"], "administering the container").with(Capability::SysAdmin),
    allow(&["bpf"], "loading BPF programs").with(Capability::Bpf),
    allow(&["perf_event_open"], "performance counters").with(Capability::Perfmon),
    allow(&["open_by_handle_at"], "backup and file servers").with(Capability::DacReadSearch),
    allow(&["settimeofday", "clock_settime", "adjtimex", "clock_adjtime"], "time servers").with(Capability::SysTime),
    allow(&["get_mempolicy", "set_mempolicy", "mbind", "move_pages", "migrate_pages"], "databases that place memory on NUMA nodes").with(Capability::SysNice),
    allow(&["syslog"], "reading the kernel's log").with(Capability::Syslog),
    allow(&["init_module", "finit_module", "delete_module"], "loading kernel modules").with(Capability::SysModule),
    allow(&["iopl", "ioperm"], "I/O ports").with(Capability::SysRawio),
    allow(&["acct"], "process accounting").with(Capability::SysPacct),
    allow(&["reboot"], "in a pid namespace it ends the container").with(Capability::SysBoot),
    allow(&["vhangup"], "getty and login").with(Capability::SysTtyConfig),
];

/// The default profile of a container that was granted `granted`.
pub fn profile(granted: CapSet) -> Profile {
    let rules = entries(granted)
        .flat_map(|entry| entry.calls.iter().map(move |call| (entry, call)))
        .map(|(entry, call)| Rule {
            call: (*call).to_owned(),
            when: entry.when.to_vec(),
            action: entry.action,
        })
        .collect();
    Profile {
        default: Action::Fail(errno::EPERM),
        newer: Some(Action::Fail(errno::ENOSYS)),
        horizon: Horizon::Program,
        rules,
        beside: Vec::new(),
        logging: Logging::Kills,
        flags: Vec::new(),
    }
}

/// The entries that are in force for a container that was granted `granted`.
pub fn entries(granted: CapSet) -> impl Iterator<Item = &'static Entry> {
    ENTRIES.iter().filter(move |entry| entry.with.is_none_or(|capability| granted.has(capability)))
}
