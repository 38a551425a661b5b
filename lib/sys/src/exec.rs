//! Becoming another program. Sources: man 2 execve, man 2 close_range.

use std::ffi::{CStr, CString, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// Strings as `execve` takes them: an array of pointers that ends with a null. Made before a
/// fork, so that nothing has to be allocated after it.
#[derive(Debug)]
pub struct Strings {
    /// What the pointers point to; never changed after `pointers` is made.
    strings: Vec<CString>,
    pointers: Vec<*const c_char>,
}

// SAFETY: the pointers point into heap memory that `strings` owns and nobody writes to; moving
// or sharing a `Strings` between threads changes neither.
unsafe impl Send for Strings {}
// SAFETY: see above; there is no interior mutability.
unsafe impl Sync for Strings {}

impl Strings {
    /// The array of these strings.
    pub fn new(strings: Vec<CString>) -> Self {
        let end = std::iter::once(std::ptr::null());
        let pointers = strings.iter().map(|string| string.as_ptr()).chain(end).collect();
        Self { strings, pointers }
    }

    /// The strings.
    pub fn get(&self) -> &[CString] {
        &self.strings
    }
}

/// Executes `program`. Comes back only where that fails.
pub fn execve(program: &CStr, argv: &Strings, envp: &Strings) -> Errno {
    let (argv, envp) = (argv.pointers.as_ptr(), envp.pointers.as_ptr());
    // SAFETY: `program` ends with a null byte; both arrays end with a null pointer and point to
    // strings that live at least as long as the borrows of `Strings` that this function holds.
    unsafe { libc::execve(program.as_ptr(), argv, envp) };
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Marks every descriptor from `first` on as close-on-exec.
///
/// # Errors
/// `ENOSYS` or `EINVAL` before Linux 5.11.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    close_range(first, libc::CLOSE_RANGE_CLOEXEC)
}

/// Closes every descriptor from `first` on, whoever believes to own it. For processes that run
/// no destructors any more.
///
/// # Errors
/// `ENOSYS` before Linux 5.9.
pub fn close_from(first: u32) -> io::Result<()> {
    close_range(first, 0)
}

/// Closes one descriptor, whoever believes to own it. For processes that run no destructors.
pub fn close_one(fd: BorrowedFd<'_>) {
    // SAFETY: the call takes a number. The owner of the descriptor is a copy in a process that
    // ends or is replaced without running it, as the caller promises.
    unsafe { libc::close(fd.as_raw_fd()) };
}

fn close_range(first: u32, flags: u32) -> io::Result<()> {
    // SAFETY: the call takes numbers only. Descriptors that it closes belong to a process that is
    // about to end or to be replaced, as the callers' contracts say.
    match unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Closes every descriptor from `first` on except those in `keep`, whoever believes to own them. For a
/// child that goes on in code of its own, and whose copies of the parent's variables are never
/// dropped.
///
/// # Errors
/// `ENOSYS` before Linux 5.9.
pub fn close_all_except(first: u32, keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut kept: Vec<u32> = keep
        .iter()
        .filter_map(|fd| u32::try_from(fd.as_raw_fd()).ok())
        .filter(|n| *n >= first)
        .collect();
    kept.sort_unstable();
    let mut first = first;
    for number in kept {
        if first < number {
            close_between(first, number - 1)?;
        }
        first = number + 1;
    }
    close_between(first, u32::MAX)
}

fn close_between(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: the call takes numbers only; who owns the descriptors is `close_all_except`'s
    // contract.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_exist_is_not_executed() {
        let none = Strings::new(Vec::new());
        assert_eq!(execve(c"/nowhere/at/all", &none, &none), Errno::NOENT);
    }
}
