//! The start gate: `create` and `start` are two commands, and two processes.
//!
//! Between them stands a fifo in the container's folder. The process that makes the container
//! opens it for reading and hands it to [`launch`](crate::launch::launch); the new process waits
//! for one byte from it before it executes the program. [`open`] writes that byte. While nobody
//! holds the reading end there is nothing to be started, and opening says so at once.
//! Source: man 7 fifo.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, mknodat, openat};
use rustix::io::Errno;

/// The name of the fifo in the container's folder.
pub const NAME: &str = "start";

/// Why a container cannot be let go.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// Nobody waits: it was started before, or its process is gone.
    #[error("the container is not waiting to be started")]
    NobodyWaits,
    /// The fifo cannot be used.
    #[error("cannot open the container's start gate")]
    Fifo(#[source] io::Error),
}

/// Makes the gate in the container's folder and opens the end that the new process waits at.
///
/// # Errors
/// What the system says.
pub fn make(folder: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    match mknodat(folder, NAME, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    // Without a writer, opening would wait; reading waits for itself, see `Child::wait_at_gate`.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, NAME, flags, Mode::empty())?)
}

/// Lets the container in `folder` go.
///
/// # Errors
/// [`GateError::NobodyWaits`] where its process is gone or has been let go before.
pub fn open(folder: BorrowedFd<'_>) -> Result<(), GateError> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let gate = match openat(folder, NAME, flags, Mode::empty()) {
        Ok(gate) => gate,
        Err(Errno::NXIO | Errno::NOENT) => return Err(GateError::NobodyWaits),
        Err(errno) => return Err(GateError::Fifo(errno.into())),
    };
    match rustix::io::write(&gate, &[1]) {
        Ok(_) => Ok(()),
        Err(Errno::PIPE) => Err(GateError::NobodyWaits),
        Err(errno) => Err(GateError::Fifo(errno.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn opens_only_while_somebody_waits() {
        let folder = tempfile::tempdir().unwrap();
        let fd = coffer_sys::dir::open(folder.path()).unwrap();
        assert!(matches!(open(fd.as_fd()), Err(GateError::NobodyWaits)));
        let waiting = make(fd.as_fd()).unwrap();
        open(fd.as_fd()).unwrap();
        assert_eq!(rustix::io::read(&waiting, &mut [0; 2]), Ok(1));
        drop(waiting);
        assert!(matches!(open(fd.as_fd()), Err(GateError::NobodyWaits)));
    }
}
