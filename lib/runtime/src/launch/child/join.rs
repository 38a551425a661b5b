//! The steps of a process that joins a running container.

use std::os::fd::OwnedFd;

use coffer_sys::spawn::{self, Clone3, Cloned, Parent};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::thread::{ThreadNameSpaceType, UnshareFlags, move_into_thread_name_spaces};

use super::Child;
use crate::launch::report::{Fault, Message, send};

impl Child<'_> {
    /// Enters the namespaces, all or none. The root is the container's from here on.
    pub(super) fn join(
        &mut self,
        target: &OwnedFd,
        namespaces: ThreadNameSpaceType,
    ) -> Result<(), Fault> {
        move_into_thread_name_spaces(std::os::fd::AsFd::as_fd(target), namespaces)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        self.root = Some(rustix::fs::openat(CWD, c"/", flags, Mode::empty())?);
        Ok(())
    }

    /// Makes the process that is a member of the joined pid namespace: only a child can be. It is
    /// a child of coffer's, which waits for it; this one tells who it is and ends.
    pub(super) fn split(&mut self, namespaces: UnshareFlags) -> Result<(), Fault> {
        let how = Clone3 { namespaces, cgroup: None, parent: Parent::OfCaller };
        match spawn::branch(how)? {
            None => Ok(()),
            Some(Cloned { pid, pidfd }) => {
                let told = send(self.socket, &Message::Split { pid, pidfd });
                spawn::exit_now(if told.is_ok() { 0 } else { 125 })
            }
        }
    }
}
