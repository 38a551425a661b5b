//! The kernel's notice that it killed for want of memory.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use coffer_sys::dir;
use rustix::event::{EventfdFlags, PollFlags, eventfd};
use rustix::fs::{Mode, OFlags, openat};

use super::place::Groups;

/// A group that is watched.
#[derive(Debug)]
pub struct Oom {
    how: How,
}

#[derive(Debug)]
enum How {
    /// An eventfd that the kernel writes to (Documentation/admin-guide/cgroup-v1/memory.rst, 9 and
    /// 10), also when the group goes; the group's folder tells which.
    V1 { notice: OwnedFd, group: OwnedFd },
    /// `memory.events`, whose change is `POLLPRI` (cgroup-v2.rst), and how often it had killed.
    V2 { events: OwnedFd, killed: u64 },
}

impl Oom {
    /// Watches the memory of `groups`; `None` where it is not under control.
    ///
    /// # Errors
    /// The group's files cannot be used so.
    pub fn watch(groups: &Groups) -> io::Result<Option<Self>> {
        let how = match groups {
            Groups::V1(paths) => match paths.get("memory") {
                Some(path) => v1(dir::open(path)?)?,
                None => return Ok(None),
            },
            Groups::V2(path) => {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                let group = dir::open(path)?;
                match openat(&group, "memory.events", flags, Mode::empty()) {
                    Ok(events) => How::V2 { killed: killed(&events)?, events },
                    Err(rustix::io::Errno::NOENT) => return Ok(None),
                    Err(errno) => return Err(errno.into()),
                }
            }
        };
        Ok(Some(Self { how }))
    }

    /// What to poll for before the next [`Self::happened`].
    #[must_use]
    pub fn waits_for(&self) -> (BorrowedFd<'_>, PollFlags) {
        match &self.how {
            How::V1 { notice, .. } => (notice.as_fd(), PollFlags::IN),
            How::V2 { events, .. } => (events.as_fd(), PollFlags::PRI),
        }
    }

    /// Whether the kernel has killed since the last time.
    ///
    /// # Errors
    /// The group is gone: there is nothing to watch any more.
    pub fn happened(&mut self) -> io::Result<bool> {
        match &mut self.how {
            How::V1 { notice, group } => {
                rustix::io::read(&*notice, &mut [0u8; 8])?;
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                openat(&*group, "memory.oom_control", flags, Mode::empty())?;
                Ok(true)
            }
            How::V2 { events, killed: before } => {
                let now = killed(events)?;
                Ok(std::mem::replace(before, now) < now)
            }
        }
    }
}

fn v1(group: OwnedFd) -> io::Result<How> {
    let notice = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let open = |name, access| openat(&group, name, access | OFlags::CLOEXEC, Mode::empty());
    let control = open("memory.oom_control", OFlags::RDONLY)?;
    let register = open("cgroup.event_control", OFlags::WRONLY)?;
    let line = format!("{} {}", notice.as_raw_fd(), control.as_raw_fd());
    rustix::io::write(register, line.as_bytes())?;
    Ok(How::V1 { notice, group })
}

fn killed(events: &OwnedFd) -> io::Result<u64> {
    let mut buffer = [0; 512];
    let n = rustix::io::pread(events, &mut buffer, 0)?;
    let text = String::from_utf8_lossy(&buffer[..n]);
    Ok(super::place::flat(&text).find(|(key, _)| *key == "oom_kill").map_or(0, |(_, n)| n))
}
