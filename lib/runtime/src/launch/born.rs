//! Children that are born in another pid namespace. Source: man 2 setns, "CLONE_NEWPID".

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, PidfdFlags, getpid, pidfd_open, set_dumpable_behavior};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

/// A way for the calling thread's children to be members of another process's pid namespace. The
/// caller itself stays in its own, and sees them by its own numbers.
#[derive(Debug)]
pub(crate) struct BornIn {
    target: OwnedFd,
    caller: OwnedFd,
}

impl BornIn {
    /// The way to where the process of the pidfd `target` is. `None` where there is none back: to
    /// enter one's own takes `CAP_SYS_ADMIN` over it, which root of a user namespace that a host's
    /// engine has made does not have.
    ///
    /// # Errors
    /// What the kernel says, but for that.
    pub(crate) fn find(target: &OwnedFd) -> rustix::io::Result<Option<Self>> {
        let caller = pidfd_open(getpid(), PidfdFlags::empty())?;
        match enter(&caller) {
            Ok(()) => {}
            Err(Errno::PERM) => return Ok(None),
            Err(errno) => return Err(errno),
        }
        let target = rustix::io::fcntl_dupfd_cloexec(target, 3)?;
        Ok(Some(Self { target, caller }))
    }

    /// Children are born there from here on. The caller is closed to tracers for good, so that
    /// they are from their first moment.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN` there, `ESRCH` where it has ended.
    pub(super) fn enter(&self) -> rustix::io::Result<()> {
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        enter(&self.target)
    }

    /// Children are members of the caller's own again.
    ///
    /// # Errors
    /// What the kernel says. Nothing more may be started then.
    pub(super) fn leave(&self) -> rustix::io::Result<()> {
        enter(&self.caller)
    }
}

fn enter(process: &OwnedFd) -> rustix::io::Result<()> {
    move_into_thread_name_spaces(process.as_fd(), ThreadNameSpaceType::PROCESS_ID)
}
