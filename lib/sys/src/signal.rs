//! Signals of a process that is about to become another one, and of a tiny init.
//! Sources: man 7 signal, man 2 sigaction, man 2 sigtimedwait.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::process::Signal;

/// All signals there are. The C library keeps 32 and 33 to itself and hides them from `sigaction`,
/// so that a caller who ignores them would hand that on.
const ALL: std::ops::RangeInclusive<i32> = 1..=64;

/// The kernel's `struct sigaction`: handler, flags, restorer, mask; all zero is the default action.
/// Source: linux/signal_types.h.
type Action = [u64; 4];

/// Gives every signal its default action and blocks none: what a program expects to start with.
/// Rust's start-up code ignores `SIGPIPE`, and the caller's caller may ignore others.
pub fn reset() {
    let default: Action = [0; 4];
    for number in ALL {
        // SAFETY: the default action installs no handler; the kernel reads the 32 bytes of
        // `default`, and is not asked for the old one. SIGKILL and SIGSTOP give EINVAL and stay
        // as they are, which is their default action.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                number,
                default.as_ptr(),
                std::ptr::null_mut::<Action>(),
                size_of::<u64>(),
            )
        };
    }
    mask(libc::SIG_SETMASK, &empty_set());
}

/// Blocks every signal that can be blocked.
pub fn block_all() {
    let mut set = empty_set();
    // SAFETY: `set` is an initialised set.
    unsafe { libc::sigfillset(&raw mut set) };
    mask(libc::SIG_SETMASK, &set);
}

/// Waits for the next signal. All of them must be blocked.
///
/// # Errors
/// `EINTR` where a signal that cannot be blocked stopped and continued the process.
pub fn next() -> io::Result<i32> {
    let mut set = empty_set();
    // SAFETY: `set` is an initialised set.
    unsafe { libc::sigfillset(&raw mut set) };
    // SAFETY: the set is initialised, and the information about the signal is not asked for.
    match unsafe { libc::sigwaitinfo(&raw const set, std::ptr::null_mut()) } {
        -1 => Err(io::Error::last_os_error()),
        number => Ok(number),
    }
}

/// Sends signal `number`, whatever its name, to `pid`.
///
/// # Errors
/// `ESRCH` where there is no such process.
pub fn send(pid: rustix::process::Pid, number: i32) -> rustix::io::Result<()> {
    match Signal::from_named_raw(number) {
        Some(signal) => rustix::process::kill_process(pid, signal),
        // SAFETY: kill takes numbers only.
        None => match unsafe { libc::kill(pid.as_raw_nonzero().get(), number) } {
            0 => Ok(()),
            _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
        },
    }
}

/// Sends signal `number`, whatever its name, to the process of `pidfd`.
///
/// # Errors
/// `ESRCH` where it has gone, `EINVAL` where there is no such signal.
pub fn send_to(pidfd: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    let (fd, none, flags) = (pidfd.as_raw_fd(), std::ptr::null::<libc::siginfo_t>(), 0u32);
    // SAFETY: a null siginfo asks the kernel to fill it as kill does; the rest are numbers.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, none, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn mask(how: i32, set: &libc::sigset_t) {
    // SAFETY: `set` is an initialised set; the old one is not asked for. It cannot fail with
    // these arguments.
    unsafe { libc::sigprocmask(how, set, std::ptr::null_mut()) };
}

fn empty_set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `set` is valid for writes of a sigset_t.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: sigemptyset has initialised it and cannot fail.
    unsafe { set.assume_init() }
}
