//! Signals of a process that is about to become another one, and of a tiny init.
//! Sources: man 7 signal, man 2 sigaction, man 2 sigtimedwait.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Signal;

/// The kernel's `struct sigaction`: handler, flags, restorer, mask; all zero is the default action.
/// Source: linux/signal_types.h.
type Action = [u64; 4];

/// Some of the 64 signals: bit 0 is signal 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalSet(u64);

/// The signals that this process ignores. The C library hides 32 and 33 from `sigaction`; the
/// kernel does not. Source: man 5 proc_pid_status, "SigIgn".
///
/// # Errors
/// Where /proc cannot be read.
pub fn ignored() -> io::Result<SignalSet> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(c"/proc/self/status", flags, Mode::empty())?;
    // The line stands about 1 KB from the start; what comes behind it grows with the host.
    let mut text = [0; 4096];
    let length = rustix::io::read(&file, &mut text)?;
    parse_ignored(&text[..length]).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse_ignored(status: &[u8]) -> Option<SignalSet> {
    let line =
        status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"SigIgn:"))?;
    let digits = std::str::from_utf8(line.trim_ascii()).ok()?;
    u64::from_str_radix(digits, 16).ok().map(SignalSet)
}

/// Gives the `ignored` signals their default action and blocks none: what a program expects to
/// start with. Those with a handler the kernel resets when a program is executed. The start-up code
/// ignores `SIGPIPE`, and the caller's caller may ignore others.
pub fn reset(ignored: SignalSet) {
    let default: Action = [0; 4];
    for number in (1..=64).filter(|number| ignored.0 >> (number - 1) & 1 == 1) {
        // SAFETY: the default action installs no handler; the kernel reads the 32 bytes of
        // `default`, and is not asked for the old one.
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

/// Ends this process at the signals by which one is asked to end: the first process of a pid
/// namespace would pass over them otherwise. They have their default action again when a program
/// is executed. Source: man 7 pid_namespaces, "The namespace init process".
///
/// # Errors
/// What man 2 sigaction lists.
pub fn end_when_asked() -> io::Result<()> {
    extern "C" fn end(number: i32) {
        crate::spawn::exit_now(128 + number);
    }
    for number in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        // SAFETY: the handler calls _exit alone, which is safe in a handler.
        let before =
            unsafe { libc::signal(number, end as extern "C" fn(i32) as libc::sighandler_t) };
        if before == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// A pipe that nobody reads is an error of the writer's, and no signal.
pub(crate) fn ignore_broken_pipes() {
    // SAFETY: the action installs no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ignored_are_read_from_their_line() {
        let status = b"Name:\tSigIgn:\nSigBlk:\t0\nSigIgn:\t8000000000001000\nSigCgt:\tf\n";
        assert_eq!(parse_ignored(status), Some(SignalSet(1 << 63 | 1 << 12)));
        assert_eq!(parse_ignored(b"SigBlk:\t0\n"), None);
        // Rust's own start-up ignores SIGPIPE, number 13.
        assert_eq!(ignored().unwrap().0 >> 12 & 1, 1);
    }
}
