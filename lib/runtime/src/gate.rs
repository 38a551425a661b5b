//! The start gate: `create` and `start` are two commands, and two processes.
//!
//! Between them stands a fifo in the container's folder. The process that makes the container
//! opens it and hands it to [`launch`](crate::launch::launch); the new process waits for one byte
//! from it before it executes the program. [`open`] writes that byte. While nobody holds the
//! reading end there is nothing to be started, and opening says so at once: so the kernel knows
//! which containers wait, and nobody has to write it down.
//!
//! The descriptor closes when the program is executed. A process that fails behind the gate leaves
//! its last words in the fifo, where [`open`] finds them.
//! Source: man 7 fifo, man 7 pipe.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, Mode, OFlags, mknodat, openat};
use rustix::io::{Errno, retry_on_intr};

/// The name of the fifo in the container's folder: runc's.
pub const NAME: &str = "exec.fifo";

/// The most bytes of last words; so many are written at once. Source: man 7 pipe, `PIPE_BUF`.
const WORDS: usize = 4096;

/// Why a container cannot be let go.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// Nobody waits: it was started before, or its process is gone.
    #[error("the container is not waiting to be started")]
    NobodyWaits,
    /// The fifo cannot be used.
    #[error("cannot open the container's start gate")]
    Fifo(#[source] io::Error),
    /// The program could not be executed.
    #[error("{0}")]
    Failed(String),
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
    // For writing too, so that it never hangs up: whoever opens the gate may be killed before it
    // has written anything, and another may come.
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, NAME, flags, Mode::empty())?)
}

/// Whether somebody waits at the gate in `folder`.
///
/// # Errors
/// What the system says.
pub fn is_waited_at(folder: BorrowedFd<'_>) -> Result<bool, GateError> {
    match enter(folder) {
        Ok(_) => Ok(true),
        Err(GateError::NobodyWaits) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Lets the container in `folder` go, and waits until it has executed its program.
///
/// # Errors
/// [`GateError::NobodyWaits`] where its process is gone or has been let go before,
/// [`GateError::Failed`] where it could not execute its program.
pub fn open(folder: BorrowedFd<'_>) -> Result<(), GateError> {
    let gate = enter(folder)?;
    match rustix::io::write(&gate, &[1]) {
        Ok(_) => {}
        Err(Errno::PIPE) => return Err(GateError::NobodyWaits),
        Err(errno) => return Err(fifo(errno)),
    }
    // No flag is asked for: an error is told always, and there is one when no reader is left.
    retry_on_intr(|| poll(&mut [PollFd::new(&gate, PollFlags::empty())], None)).map_err(fifo)?;
    last_words(folder)
}

/// Lets a container go whose gate the caller has made: as [`open`], but the way by which it was
/// launched says what comes of it.
///
/// # Errors
/// [`GateError::Fifo`].
pub(crate) fn pass(gate: BorrowedFd<'_>) -> Result<(), GateError> {
    rustix::io::write(gate, &[1]).map(drop).map_err(fifo)
}

/// The writing end, which is there while somebody holds the other one.
fn enter(folder: BorrowedFd<'_>) -> Result<OwnedFd, GateError> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(folder, NAME, flags, Mode::empty()) {
        Err(Errno::NXIO | Errno::NOENT) => Err(GateError::NobodyWaits),
        entered => entered.map_err(fifo),
    }
}

/// What is left in the fifo, which keeps it while the writing end is open.
fn last_words(folder: BorrowedFd<'_>) -> Result<(), GateError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let gate = openat(folder, NAME, flags, Mode::empty()).map_err(fifo)?;
    let mut words = [0; WORDS];
    match rustix::io::read(&gate, &mut words) {
        Ok(0) | Err(Errno::AGAIN) => Ok(()),
        Ok(count) => Err(GateError::Failed(String::from_utf8_lossy(&words[..count]).into_owned())),
        Err(errno) => Err(fifo(errno)),
    }
}

/// Leaves last words at a gate that was passed.
pub(crate) fn leave_words(gate: BorrowedFd<'_>, words: &str) -> rustix::io::Result<()> {
    let most = words.len().min(WORDS);
    rustix::io::write(gate, &words.as_bytes()[..most]).map(|_| ())
}

fn fifo(errno: Errno) -> GateError {
    GateError::Fifo(errno.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    /// Somebody who passes the gate, and says something before it closes.
    fn pass(waiting: OwnedFd, words: Option<&'static str>) {
        std::thread::spawn(move || {
            poll(&mut [PollFd::new(&waiting, PollFlags::IN)], None).unwrap();
            assert_eq!(rustix::io::read(&waiting, &mut [0; 1]), Ok(1));
            words.map(|words| leave_words(waiting.as_fd(), words)).transpose().unwrap();
        });
    }

    #[test]
    fn opens_only_while_somebody_waits() {
        let folder = tempfile::tempdir().unwrap();
        let fd = coffer_sys::dir::open(folder.path()).unwrap();
        assert!(matches!(open(fd.as_fd()), Err(GateError::NobodyWaits)));
        let waiting = make(fd.as_fd()).unwrap();
        assert!(is_waited_at(fd.as_fd()).unwrap());
        pass(waiting, None);
        assert!(open(fd.as_fd()).is_ok());
        assert!(!is_waited_at(fd.as_fd()).unwrap());
        assert!(matches!(open(fd.as_fd()), Err(GateError::NobodyWaits)));
    }

    #[test]
    fn last_words_are_heard() {
        let folder = tempfile::tempdir().unwrap();
        let fd = coffer_sys::dir::open(folder.path()).unwrap();
        pass(make(fd.as_fd()).unwrap(), Some("no such program"));
        let failed = open(fd.as_fd()).unwrap_err();
        assert_eq!(failed.to_string(), "no such program");
    }
}
