//! Signals as a descriptor that can be polled. Source: man 2 signalfd.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::process::Signal;

/// Blocked signals, to be read one by one. They stay blocked when it is dropped.
#[derive(Debug)]
pub struct SignalFd {
    fd: OwnedFd,
}

impl SignalFd {
    /// Blocks `signals` for this thread and reads them from now on. Other threads must have them
    /// blocked too, or the kernel gives them the signals.
    ///
    /// # Errors
    /// `EMFILE` and its like.
    pub fn new(signals: &[Signal]) -> io::Result<Self> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `set` is valid for writes of a sigset_t, which this initialises.
        unsafe { libc::sigemptyset(set.as_mut_ptr()) };
        for signal in signals {
            // SAFETY: the set was initialised above, and a `Signal` is a valid number.
            unsafe { libc::sigaddset(set.as_mut_ptr(), signal.as_raw()) };
        }
        // SAFETY: the set was initialised above; the old one is not asked for.
        unsafe { libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()) };
        // SAFETY: -1 asks for a new descriptor; the set was initialised above.
        let fd =
            unsafe { libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: signalfd has just made it, and nobody else knows of it.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// The next signal that has come, by its number; `None` where none has.
    ///
    /// # Errors
    /// What man 2 signalfd lists, `EAGAIN` aside.
    pub fn read(&self) -> io::Result<Option<i32>> {
        let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
        let size = size_of::<libc::signalfd_siginfo>();
        // SAFETY: the buffer is of the size that is given, and lives over the call.
        let n = unsafe { libc::read(self.fd.as_raw_fd(), info.as_mut_ptr().cast(), size) };
        if n < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                _ => Err(error),
            };
        }
        // SAFETY: a read that succeeds fills whole structures only, and there was room for one.
        let info = unsafe { info.assume_init() };
        Ok(i32::try_from(info.ssi_signo).ok())
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spawn::{Clone3, Parent, spawn};
    use rustix::process::{WaitId, WaitIdOptions, getpid, kill_process, waitid};

    #[test]
    fn a_signal_is_read_and_kills_nobody() {
        let how = Clone3 {
            namespaces: rustix::thread::UnshareFlags::empty(),
            cgroup: None,
            parent: Parent::Caller,
        };
        let child = spawn(how, || {
            let Ok(signals) = SignalFd::new(&[Signal::USR1]) else { return 1 };
            if !matches!(signals.read(), Ok(None)) {
                return 2;
            }
            if kill_process(getpid(), Signal::USR1).is_err() {
                return 3;
            }
            if matches!(signals.read(), Ok(Some(number)) if number == Signal::USR1.as_raw()) {
                0
            } else {
                4
            }
        })
        .unwrap();
        let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
        assert_eq!(status.unwrap().unwrap().exit_status(), Some(0));
    }
}
