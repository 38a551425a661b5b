//! Waits until something happens to a container.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use super::{BootId, ContainerId, Folder, ProcessId, StateError};

/// A watch on a container's folder. What changes after it was made is announced, so it is made
/// before the first look.
#[derive(Debug)]
pub struct Watch {
    inotify: OwnedFd,
    id: ContainerId,
}

impl Watch {
    /// Watches `folder`. Source: man 7 inotify.
    ///
    /// # Errors
    /// [`StateError::Watch`], such as at the limit of inotify instances.
    pub fn new(folder: &Folder) -> Result<Self, StateError> {
        let make = || -> io::Result<OwnedFd> {
            let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            // inotify takes paths alone; this one names the folder that the fd holds.
            let path = format!("/proc/self/fd/{}", folder.dir().as_raw_fd());
            let flags = WatchFlags::MODIFY
                | WatchFlags::CREATE
                | WatchFlags::MOVED_TO
                | WatchFlags::DELETE
                | WatchFlags::DELETE_SELF;
            inotify::add_watch(&inotify, path, flags)?;
            Ok(inotify)
        };
        let id = folder.id().clone();
        match make() {
            Ok(inotify) => Ok(Self { inotify, id }),
            Err(source) => Err(StateError::Watch { id, source }),
        }
    }

    /// Waits until the folder changes or one of `processes` ends. One that has ended already is
    /// not waited for.
    ///
    /// # Errors
    /// [`StateError::Watch`].
    pub fn wait(&mut self, processes: &[&ProcessId], boot: &BootId) -> Result<(), StateError> {
        self.wait_for(processes, boot)
            .map_err(|source| StateError::Watch { id: self.id.clone(), source })
    }

    fn wait_for(&self, processes: &[&ProcessId], boot: &BootId) -> io::Result<()> {
        let mut alive = Vec::with_capacity(processes.len());
        for process in processes {
            alive.extend(process.open(boot)?);
        }
        let all = std::iter::once(self.inotify.as_fd()).chain(alive.iter().map(AsFd::as_fd));
        let mut fds: Vec<PollFd<'_>> =
            all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut events = [0u8; 4096];
        loop {
            match rustix::io::read(&self.inotify, &mut events) {
                Ok(_) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
