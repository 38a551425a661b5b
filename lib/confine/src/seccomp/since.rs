//! Since which Linux there is a system call, and which older call each newer one stands beside.
//!
//! A profile is written for the kernels of its day. When the kernel moves, a newer call may do
//! what the profile refuses (the refusal then holds nothing), or a C library may turn to a newer
//! call that the profile does not know (the program then fails). Both are read off these tables.
//!
//! Sources: man 2 syscalls, "System call list"; the kernel's system call tables; man pages of the
//! calls for what each can do that the older one could not.

use super::table;

/// A version of Linux, major and minor.
pub type Version = (u16, u16);

/// Calls that came with Linux 3.0 or later. What is not here is older.
#[rustfmt::skip]
const SINCE: &[(Version, &[&str])] = &[
    ((3, 0), &["setns", "sendmmsg"]),
    ((3, 2), &["process_vm_readv", "process_vm_writev"]),
    ((3, 5), &["kcmp"]),
    ((3, 8), &["finit_module"]),
    ((3, 14), &["sched_getattr", "sched_setattr"]),
    ((3, 15), &["renameat2"]),
    ((3, 17), &["getrandom", "kexec_file_load", "memfd_create", "seccomp"]),
    ((3, 18), &["bpf"]),
    ((3, 19), &["execveat"]),
    ((4, 3), &["membarrier", "userfaultfd"]),
    ((4, 4), &["mlock2"]),
    ((4, 5), &["copy_file_range"]),
    ((4, 6), &["preadv2", "pwritev2"]),
    ((4, 9), &["pkey_alloc", "pkey_free", "pkey_mprotect"]),
    ((4, 11), &["statx"]),
    ((4, 18), &["io_pgetevents", "rseq"]),
    ((5, 1), &["io_uring_enter", "io_uring_register", "io_uring_setup", "pidfd_send_signal"]),
    ((5, 2), &["fsconfig", "fsmount", "fsopen", "fspick", "move_mount", "open_tree"]),
    ((5, 3), &["clone3", "pidfd_open"]),
    ((5, 6), &["openat2", "pidfd_getfd"]),
    ((5, 8), &["faccessat2"]),
    ((5, 9), &["close_range"]),
    ((5, 10), &["process_madvise"]),
    ((5, 11), &["epoll_pwait2"]),
    ((5, 12), &["mount_setattr"]),
    ((5, 13), &["landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self"]),
    ((5, 14), &["memfd_secret", "quotactl_fd"]),
    ((5, 15), &["process_mrelease"]),
    ((5, 16), &["futex_waitv"]),
    ((5, 17), &["set_mempolicy_home_node"]),
    ((6, 5), &["cachestat"]),
    ((6, 6), &["fchmodat2", "map_shadow_stack"]),
    ((6, 7), &["futex_requeue", "futex_wait", "futex_wake"]),
    ((6, 8), &["listmount", "lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr", "statmount"]),
    ((6, 10), &["mseal"]),
    ((6, 11), &["uretprobe"]),
    ((6, 13), &["getxattrat", "listxattrat", "removexattrat", "setxattrat"]),
    ((6, 15), &["open_tree_attr"]),
    ((6, 17), &["file_getattr", "file_setattr"]),
];

/// What a newer call is to an older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinship {
    /// It does the same and a little more; C libraries take it where it is there.
    Variant,
    /// It does the same on another way; who refuses the older has to refuse it too.
    Way,
    /// The same, but what it is asked for lies in memory, where a filter cannot look.
    Hidden,
}

/// A newer call beside an older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kin {
    /// The newer call.
    pub newer: &'static str,
    /// The older.
    pub older: &'static str,
    /// What it is to the older.
    pub kinship: Kinship,
}

const fn kin(newer: &'static str, older: &'static str, kinship: Kinship) -> Kin {
    Kin { newer, older, kinship }
}

use Kinship::{Hidden, Variant, Way};

/// Newer calls beside older ones.
#[rustfmt::skip]
pub const KIN: &[Kin] = &[
    kin("accept4", "accept", Variant),
    kin("close_range", "close", Variant),
    kin("dup3", "dup2", Variant),
    kin("epoll_create1", "epoll_create", Variant),
    kin("epoll_pwait", "epoll_wait", Variant),
    kin("epoll_pwait2", "epoll_pwait", Variant),
    kin("eventfd2", "eventfd", Variant),
    kin("execveat", "execve", Variant),
    kin("faccessat", "access", Variant),
    kin("faccessat2", "faccessat", Variant),
    kin("fchmodat", "chmod", Variant),
    kin("fchmodat2", "fchmodat", Variant),
    kin("fchownat", "chown", Variant),
    kin("futex_wait", "futex", Variant),
    kin("futex_waitv", "futex", Variant),
    kin("futex_wake", "futex", Variant),
    kin("futex_requeue", "futex", Variant),
    kin("getxattrat", "getxattr", Variant),
    kin("getdents64", "getdents", Variant),
    kin("inotify_init1", "inotify_init", Variant),
    kin("linkat", "link", Variant),
    kin("listxattrat", "listxattr", Variant),
    kin("mkdirat", "mkdir", Variant),
    kin("mknodat", "mknod", Variant),
    kin("mlock2", "mlock", Variant),
    kin("newfstatat", "stat", Variant),
    kin("openat", "open", Variant),
    kin("openat2", "openat", Variant),
    kin("pipe2", "pipe", Variant),
    kin("ppoll", "poll", Variant),
    kin("prlimit64", "getrlimit", Variant),
    kin("prlimit64", "setrlimit", Variant),
    kin("pselect6", "select", Variant),
    kin("preadv2", "preadv", Variant),
    kin("pwritev2", "pwritev", Variant),
    kin("readlinkat", "readlink", Variant),
    kin("recvmmsg", "recvmsg", Variant),
    kin("removexattrat", "removexattr", Variant),
    kin("renameat", "rename", Variant),
    kin("renameat2", "renameat", Variant),
    kin("sendmmsg", "sendmsg", Variant),
    kin("setxattrat", "setxattr", Variant),
    kin("signalfd4", "signalfd", Variant),
    kin("statx", "newfstatat", Variant),
    kin("symlinkat", "symlink", Variant),
    kin("unlinkat", "unlink", Variant),
    kin("utimensat", "utimes", Variant),
    kin("clone3", "clone", Hidden),
    kin("io_uring_setup", "io_setup", Hidden),
    kin("io_uring_setup", "connect", Way),
    kin("io_uring_setup", "socket", Way),
    kin("finit_module", "init_module", Way),
    kin("fsmount", "mount", Way),
    kin("kexec_file_load", "kexec_load", Way),
    kin("mount_setattr", "mount", Way),
    kin("move_mount", "mount", Way),
    kin("open_tree", "mount", Way),
    kin("open_tree_attr", "mount", Way),
    kin("pidfd_getfd", "ptrace", Way),
    kin("pidfd_send_signal", "kill", Way),
    kin("process_vm_readv", "ptrace", Way),
    kin("process_vm_writev", "ptrace", Way),
    kin("quotactl_fd", "quotactl", Way),
    kin("sched_setattr", "sched_setscheduler", Way),
];

/// The Linux that a call came with; `None` where that is older than 3.0.
pub fn since(call: &str) -> Option<Version> {
    SINCE.iter().find(|(_, calls)| calls.contains(&call)).map(|(version, _)| *version)
}

/// Every call of this machine by name.
pub fn calls() -> impl Iterator<Item = (&'static str, u32)> {
    table::all(super::Arch::HOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::Arch;
    use crate::seccomp::table::number;

    #[test]
    fn every_name_is_a_call_and_stands_once() {
        let names: Vec<&str> = SINCE.iter().flat_map(|(_, calls)| calls.iter().copied()).collect();
        for (place, name) in names.iter().enumerate() {
            assert!(number(name, Arch::X86_64).is_ok(), "{name}");
            assert!(!names[..place].contains(name), "{name} twice");
        }
        assert!(SINCE.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for kin in KIN {
            assert!(number(kin.newer, Arch::X86_64).is_ok(), "{}", kin.newer);
            assert!(number(kin.older, Arch::X86_64).is_ok(), "{}", kin.older);
        }
    }

    /// Since 5.1 numbers are given out in order, but for two that were merged later.
    #[test]
    fn later_numbers_came_later() {
        let mut common: Vec<(u32, &str)> =
            calls().filter(|(_, number)| *number >= 424).map(|(name, n)| (n, name)).collect();
        common.sort_unstable();
        assert!(common.iter().all(|(_, name)| since(name).is_some()), "{common:?}");
        for pair in common.windows(2).filter(|pair| !matches!(pair[0].0, 436 | 443)) {
            assert!(since(pair[0].1) <= since(pair[1].1), "{pair:?}");
        }
    }

    /// The numbers of x86_64 that were given out before Linux 3.0.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn numbers_of_old_have_no_version() {
        for (name, number) in calls().filter(|(_, number)| *number < 300) {
            assert_eq!(since(name), None, "{name} {number}");
        }
    }
}
