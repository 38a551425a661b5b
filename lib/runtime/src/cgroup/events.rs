//! Announcements that the kernel killed something for want of memory.
//!
//! Sources: admin-guide/cgroup-v2.rst, `memory.events`; admin-guide/cgroup-v1/memory.rst, "OOM
//! Control". v2 announces a change of the file itself; v1 counts up an eventfd.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::{self as rfs, Mode, OFlags};
use rustix::io::Errno;

use super::group::Group;
use super::{Cgroup, CgroupError, Controller, Missing, Version};

/// An ear for the memory events of a container. It says nothing of what was before it was made:
/// [`Cgroup::oom_kills`] counts from the beginning.
#[derive(Debug)]
pub struct OomEvents {
    fd: OwnedFd,
    version: Version,
}

impl Cgroup {
    /// Listens for memory events.
    ///
    /// # Errors
    /// [`CgroupError::NoController`] where nobody counts its memory.
    pub fn oom_events(&self) -> Result<OomEvents, CgroupError> {
        let why = Missing::Controller(Controller::Memory);
        let none = CgroupError::NoController { flag: "events", why };
        let group = self.with(Controller::Memory).ok_or(none)?;
        let failed = |errno: Errno| group.read_error("memory.events", errno.into());
        let version = group.at.version;
        let fd = match version {
            Version::V2 => open(group, "memory.events").map_err(failed)?,
            Version::V1 => listen_v1(group)?,
        };
        let mut events = OomEvents { fd, version };
        events.take().map_err(failed)?;
        Ok(events)
    }
}

impl OomEvents {
    /// What to poll for, beside [`Self::as_fd`].
    pub fn flags(&self) -> PollFlags {
        match self.version {
            Version::V1 => PollFlags::IN,
            Version::V2 => PollFlags::PRI,
        }
    }

    /// Waits for the next event. An end of the group counts as one: ask [`Cgroup::oom_kills`].
    ///
    /// # Errors
    /// What the kernel says.
    pub fn wait(&mut self) -> Result<(), Errno> {
        loop {
            let flags = self.flags();
            match poll(&mut [PollFd::new(&self.fd, flags)], None) {
                Ok(_) => return self.take(),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Takes note of an event that was polled for, so that the next one is told again.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn take(&mut self) -> Result<(), Errno> {
        let mut text = [0u8; 512];
        let read = match self.version {
            Version::V1 => rustix::io::read(&self.fd, &mut text),
            Version::V2 => rustix::io::pread(&self.fd, &mut text, 0),
        };
        match read {
            // Nothing to be read yet, or the group has gone.
            Ok(_) | Err(Errno::AGAIN | Errno::NODEV) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

impl AsFd for OomEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn open(group: &Group, name: &str) -> Result<OwnedFd, Errno> {
    rfs::openat(&group.dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

fn listen_v1(group: &Group) -> Result<OwnedFd, CgroupError> {
    let failed = |errno: Errno| group.read_error("memory.oom_control", errno.into());
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(failed)?;
    let control = open(group, "memory.oom_control").map_err(failed)?;
    let line = format!("{} {}", event.as_raw_fd(), control.as_raw_fd());
    group.write("cgroup.event_control", &line)?;
    Ok(event)
}
