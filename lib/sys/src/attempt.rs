//! System calls that a contained process should not get through with, tried without harm.
//!
//! Each is called so that nothing changes even where it is allowed: the kernel checks the right
//! to call first and the arguments after, and the arguments are ones that it refuses. A refused
//! argument therefore says that the fence let the call through.

use std::io;

use libc::{c_int, c_long};

/// A call to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Load a kernel module (man 2 init_module).
    LoadModule,
    /// Restart the machine (man 2 reboot).
    Reboot,
    /// Set the clock (man 2 settimeofday).
    SetClock,
    /// Use a file as swap (man 2 swapon).
    Swap,
    /// Load a BPF program or map (man 2 bpf).
    Bpf,
    /// Watch the CPU's counters (man 2 perf_event_open).
    Perf,
    /// Reach the kernel's keys (man 2 keyctl).
    Keys,
    /// Handle page faults (man 2 userfaultfd).
    PageFaults,
    /// Queue system calls past the filter (man 2 io_uring_setup).
    IoUring,
    /// Read the kernel's log (man 2 syslog).
    KernelLog,
    /// Open a file system by the new mount calls (man 2 fsopen).
    OpenFileSystem,
    /// Change the root mount (man 2 pivot_root).
    PivotRoot,
    /// Make a user namespace, and be powerful in it (man 2 unshare). It changes the calling
    /// process where it is allowed, so it is to be the last thing tried.
    UserNamespace,
}

/// Tries it, and says whether it got past the fence: `Ok` where it did, otherwise the error with
/// which it was stopped.
///
/// # Errors
/// `EPERM`, `EACCES` or `ENOSYS`, by which capabilities, security modules and seccomp refuse.
pub fn attempt(what: Attempt) -> io::Result<()> {
    let (number, first) = call(what);
    // SAFETY: every pointer that these calls take is among the arguments that are 0, and the
    // kernel answers a null pointer with EFAULT; none of them touches memory of this process
    // otherwise, and a descriptor that one returns is owned by nobody else.
    let result = unsafe { libc::syscall(number, first, 0, 0, 0, 0) };
    if result >= 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => Err(error),
        // It got far enough to look at its arguments.
        _ => Ok(()),
    }
}

/// The call's number and its first argument; all others are 0.
fn call(what: Attempt) -> (c_long, c_long) {
    /// `SYSLOG_ACTION_SIZE_BUFFER`, which only asks.
    const SIZE_BUFFER: c_long = 10;
    /// `UFFD_USER_MODE_ONLY`, without which even the host's users are refused.
    const USER_MODE_ONLY: c_long = 1;
    let cloexec = c_long::from(libc::O_CLOEXEC);
    let user: c_int = libc::CLONE_NEWUSER;
    match what {
        Attempt::LoadModule => (libc::SYS_init_module, 0),
        Attempt::Reboot => (libc::SYS_reboot, 0),
        Attempt::SetClock => (libc::SYS_settimeofday, 0),
        Attempt::Swap => (libc::SYS_swapon, 0),
        Attempt::Bpf => (libc::SYS_bpf, 0),
        Attempt::Perf => (libc::SYS_perf_event_open, 0),
        Attempt::Keys => (libc::SYS_keyctl, 0),
        Attempt::PageFaults => (libc::SYS_userfaultfd, cloexec | USER_MODE_ONLY),
        Attempt::IoUring => (libc::SYS_io_uring_setup, 0),
        Attempt::KernelLog => (libc::SYS_syslog, SIZE_BUFFER),
        Attempt::OpenFileSystem => (libc::SYS_fsopen, 0),
        Attempt::PivotRoot => (libc::SYS_pivot_root, 0),
        Attempt::UserNamespace => (libc::SYS_unshare, c_long::from(user)),
    }
}
