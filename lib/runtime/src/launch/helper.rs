//! Processes that exist for a moment, so that a user namespace can be looked at or made.
//!
//! A user namespace shows its map of ids only in `/proc/pid/uid_map` of a process in it, and has
//! one only while somebody is there to be given it. Source: man 7 user_namespaces.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_confine::ids::{IdMap, Range};
use coffer_sys::spawn::{self, Clone3, Cloned, Parent};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{ThreadNameSpaceType, UnshareFlags, move_into_thread_name_spaces};

use super::{end, report};

/// A process that waits until it is dropped.
struct Helper {
    cloned: Option<Cloned>,
    /// It waits for the end of this.
    ours: OwnedFd,
}

impl Helper {
    /// Starts one with new namespaces, or in the user namespace of `join`: a namespace or a
    /// process.
    fn start(namespaces: UnshareFlags, join: Option<BorrowedFd<'_>>) -> io::Result<Self> {
        let (ours, theirs) = report::pair()?;
        let how = Clone3 { namespaces, cgroup: None, parent: Parent::Caller };
        let cloned = spawn::spawn(how, || {
            coffer_sys::exec::close_one(ours.as_fd());
            wait_in(join, theirs.as_fd())
        })?;
        drop(theirs);
        let helper = Self { cloned: Some(cloned), ours };
        match rustix::io::read(&helper.ours, &mut [0; 4])? {
            0 => Err(Errno::PERM.into()),
            _ => Ok(helper),
        }
    }

    fn file(&self, name: &str) -> io::Result<OwnedFd> {
        let pid = self.cloned.as_ref().ok_or(Errno::SRCH)?.pid.as_raw_nonzero();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(CWD, format!("/proc/{pid}/{name}"), flags, Mode::empty())?)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        if let Some(cloned) = self.cloned.take() {
            end(&cloned);
        }
    }
}

/// What a helper does: it enters, says so, and waits.
fn wait_in(join: Option<BorrowedFd<'_>>, socket: BorrowedFd<'_>) -> i32 {
    let entered =
        join.map_or(Ok(()), |fd| move_into_thread_name_spaces(fd, ThreadNameSpaceType::USER));
    if entered.is_ok() && rustix::io::write(socket, b"here").is_ok() {
        // The end of the stream, or a signal: both are the end.
        return i32::from(rustix::io::read(socket, &mut [0; 1]).is_err());
    }
    1
}

/// The ids of a user namespace or that of a process (a pidfd), as seen from here.
///
/// # Errors
/// What the kernel says, or `EINVAL` where it says something that is no map.
pub(crate) fn ids_of(userns: BorrowedFd<'_>) -> io::Result<IdMap> {
    let helper = Helper::start(UnshareFlags::empty(), Some(userns))?;
    let map = |name: &str| -> io::Result<Vec<Range>> {
        let text = io::read_to_string(std::fs::File::from(helper.file(name)?))?;
        let ranges: Option<Vec<Range>> = text.lines().map(range).collect();
        ranges.ok_or_else(|| Errno::INVAL.into())
    };
    Ok(IdMap { uids: map("uid_map")?, gids: map("gid_map")? })
}

/// One line of a map.
fn range(line: &str) -> Option<Range> {
    let mut numbers = line.split_whitespace().map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some(Range { container: next()?, host: next()?, size: next()? })
}

/// A user namespace with this map and nobody in it: mounts are mapped by it.
///
/// # Errors
/// What the kernel says.
pub(crate) fn user_namespace_of(map: &IdMap) -> io::Result<OwnedFd> {
    let helper = Helper::start(UnshareFlags::NEWUSER, None)?;
    let pid = helper.cloned.as_ref().ok_or(Errno::SRCH)?.pid;
    coffer_confine::ids::write(pid, map).map_err(io::Error::other)?;
    helper.file("ns/user")
}
