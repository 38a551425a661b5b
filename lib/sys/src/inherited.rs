//! Descriptors that this program was started with and whose numbers its caller tells.
//! Source: man 2 fcntl.

use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};

/// Takes the descriptor `number` over: from here on it is closed when it is dropped, and when a
/// program is executed. Each can be taken once.
///
/// # Errors
/// [`Errno::BADF`] where there is none, where it is one of the standard three, and where it is none
/// that came from outside.
pub fn take(number: RawFd) -> rustix::io::Result<OwnedFd> {
    if number < 3 {
        return Err(Errno::BADF);
    }
    // SAFETY: the number is not -1, and it is only asked about and given a flag: a descriptor that
    // is not open is answered with EBADF.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    if fcntl_getfd(borrowed)?.contains(FdFlags::CLOEXEC) {
        return Err(Errno::BADF);
    }
    fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, and nobody else owns it: all that this program opens itself is
    // close-on-exec from the beginning, this one was not, and by now it is, so that it is not
    // taken twice.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use rustix::pipe::{PipeFlags, pipe, pipe_with};

    use super::*;

    #[test]
    fn one_from_outside_is_taken_once() {
        // As if it had come from outside: without the flag that all of ours have.
        let (_reader, writer) = pipe().unwrap();
        let number = std::mem::ManuallyDrop::new(writer).as_raw_fd();
        let taken = take(number).unwrap();
        assert_eq!(taken.as_raw_fd(), number);
        assert_eq!(take(number).unwrap_err(), Errno::BADF);
    }

    #[test]
    fn others_are_not_taken() {
        let (_reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        for number in [-1, 0, 2, writer.as_raw_fd(), 1_000_000] {
            assert_eq!(take(number).unwrap_err(), Errno::BADF);
        }
    }
}
