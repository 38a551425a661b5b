//! Requests to a terminal that reach its owner. Sources: man 2 ioctl_tty, man 2 ioctl_console.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// `TIOCSTI`: type a blank into it.
    Type,
    /// `TIOCLINUX`: ask a console for its shift state, by a subcode that changes nothing.
    Console,
    /// `TIOCSETD`: give it the line discipline that every terminal has.
    Discipline,
}

/// Asks it, with a number or the same number with its upper half set, which the kernel ignores.
///
/// # Errors
/// What the kernel says; a terminal that is no console does not know `TIOCLINUX` (`ENOTTY`).
pub fn ask_terminal(terminal: BorrowedFd<'_>, request: Request, upper: u32) -> io::Result<()> {
    /// `TIOCL_GETSHIFTSTATE`.
    const SHIFT_STATE: u8 = 6;
    let (number, mut argument) = match request {
        Request::Type => (libc::TIOCSTI, u64::from(b' ')),
        Request::Console => (libc::TIOCLINUX, u64::from(SHIFT_STATE)),
        Request::Discipline => (libc::TIOCSETD, 0),
    };
    let number = i64::try_from(number).unwrap_or(0) | (i64::from(upper) << 32);
    // SAFETY: TIOCSTI reads a byte, TIOCSETD an int, and TIOCLINUX reads a byte and writes one, at
    // an address of eight bytes that live until the call returns.
    let done =
        unsafe { libc::syscall(libc::SYS_ioctl, terminal.as_raw_fd(), number, &raw mut argument) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
