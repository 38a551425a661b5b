//! Ends every process of a container's groups, and removes the groups.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use coffer_sys::dir;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{self as rfs, AtFlags, FileType, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::group::{Group, pids, write_at};
use super::{Cgroup, CgroupError, Owner, Version};

/// How long killed processes may take to go. One that is stuck in the kernel (a dead network file
/// system) never does, and then the error says which group is left.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before another try where the kernel sends no event.
const AGAIN: Duration = Duration::from_millis(1);

impl Cgroup {
    /// Sends SIGKILL to all processes in the groups and waits until they have gone.
    ///
    /// # Errors
    /// [`CgroupError::Remove`] where one is still there after ten seconds.
    pub fn kill(&self) -> Result<(), CgroupError> {
        let deadline = Instant::now() + PATIENCE;
        self.groups.iter().for_each(let_die);
        self.groups.iter().try_for_each(|group| {
            stop_forks(group);
            end_all(group.dir.as_fd(), &group.at.path(), group.at.version, deadline)
        })
    }

    /// Kills what is left and removes the groups. Groups that have gone already are no error.
    ///
    /// # Errors
    /// [`CgroupError::Remove`].
    pub fn remove(self) -> Result<(), CgroupError> {
        let deadline = Instant::now() + PATIENCE;
        self.groups.iter().for_each(let_die);
        let Some(scope) = &self.scope else { return self.remove_groups(deadline) };
        // systemd would ask the processes to end, and wait for that.
        self.kill()?;
        let stopped = scope.stop();
        self.remove_groups(deadline)?;
        Ok(stopped?)
    }

    fn remove_groups(&self, deadline: Instant) -> Result<(), CgroupError> {
        self.groups.iter().rev().try_for_each(|group| group.remove(deadline))
    }
}

impl Group {
    fn remove(&self, deadline: Instant) -> Result<(), CgroupError> {
        if remove_dir(self.parent.as_fd(), &self.at.name) == Err(Errno::BUSY) {
            stop_forks(self);
            clear(self.dir.as_fd(), &self.at.path(), self.at.version, deadline)?;
            insist(self.parent.as_fd(), &self.at.name, &self.at.path(), deadline)?;
        }
        self.remove_parent()
    }

    /// Takes coffer's own group above away with the last container in it. Somebody who makes a
    /// container at this moment makes it again.
    fn remove_parent(&self) -> Result<(), CgroupError> {
        let (Owner::Coffer, Some(name)) = (self.at.above, self.at.parent.file_name()) else {
            return Ok(());
        };
        match rfs::unlinkat(&self.parent, Path::new("..").join(name), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT | Errno::BUSY | Errno::NOTEMPTY) => Ok(()),
            Err(errno) => Err(left(&self.at.mount.join(&self.at.parent), errno)),
        }
    }
}

/// Allows no new task, so that killing what is there comes to an end on v1 too. Where there is no
/// pids controller the loop still ends, if only by its deadline.
fn stop_forks(group: &Group) {
    if group.has(super::Controller::Pids) && group.at.version == Version::V1 {
        drop(group.try_write("pids.max", "0"));
    }
}

/// On v1 what is frozen does not even end when it is killed.
fn let_die(group: &Group) {
    if group.has(super::Controller::Freezer) && group.at.version == Version::V1 {
        drop(group.try_write("freezer.state", "THAWED"));
    }
}

/// Ends all processes of the group `dir` and removes the groups in it.
fn clear(
    dir: BorrowedFd<'_>,
    path: &Path,
    version: Version,
    deadline: Instant,
) -> Result<(), CgroupError> {
    end_all(dir, path, version, deadline)?;
    let failed = |source| CgroupError::Remove { path: path.to_owned(), source };
    for entry in dir::entries(dir).map_err(failed)? {
        if let (FileType::Directory, Some(name)) = (entry.kind, entry.name.to_str()) {
            let below = path.join(name);
            let child = dir::open_at(dir, name).map_err(failed)?;
            clear(child.as_fd(), &below, version, deadline)?;
            insist(dir, name, &below, deadline)?;
        }
    }
    Ok(())
}

fn end_all(
    dir: BorrowedFd<'_>,
    path: &Path,
    version: Version,
    deadline: Instant,
) -> Result<(), CgroupError> {
    // Linux 5.14 and later kill a whole v2 tree at once, forks under way included.
    if version == Version::V2 && write_at(dir, "cgroup.kill", "1").is_ok() {
        return wait_empty(dir, path, deadline);
    }
    loop {
        let victims = open_pidfds(dir, path)?;
        if victims.is_empty() {
            return Ok(());
        }
        for (_, pidfd) in &victims {
            match pidfd_send_signal(pidfd, Signal::KILL) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(errno) => return Err(left(path, errno)),
            }
        }
        for (_, pidfd) in &victims {
            wait_for(pidfd.as_fd(), PollFlags::IN, path, deadline)?;
        }
    }
}

/// A pidfd of each process in the group. One whose pid is no longer listed once its pidfd is open
/// may be somebody else, who was given the number meanwhile, and is left out.
fn open_pidfds(dir: BorrowedFd<'_>, path: &Path) -> Result<Vec<(i32, OwnedFd)>, CgroupError> {
    let mut opened = Vec::new();
    for raw in pids(dir, path)? {
        let pid = Pid::from_raw(raw).ok_or_else(|| left(path, Errno::SRCH))?;
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => opened.push((raw, pidfd)),
            Err(Errno::SRCH) => {}
            Err(errno) => return Err(left(path, errno)),
        }
    }
    if !opened.is_empty() {
        let listed = pids(dir, path)?;
        opened.retain(|(raw, _)| listed.contains(raw));
    }
    Ok(opened)
}

/// Waits until `cgroup.events` says `populated 0`; the kernel announces changes as `POLLPRI`.
fn wait_empty(dir: BorrowedFd<'_>, path: &Path, deadline: Instant) -> Result<(), CgroupError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let events = match rfs::openat(dir, "cgroup.events", flags, rfs::Mode::empty()) {
        Ok(events) => events,
        Err(errno) if is_gone(errno) => return Ok(()),
        Err(errno) => return Err(left(path, errno)),
    };
    loop {
        let mut text = [0u8; 256];
        let n = match rustix::io::pread(&events, &mut text, 0) {
            Ok(n) => n,
            Err(errno) if is_gone(errno) => return Ok(()),
            Err(errno) => return Err(left(path, errno)),
        };
        let text = String::from_utf8_lossy(&text[..n]);
        if super::group::keyed(&text, "populated") == Some(0) {
            return Ok(());
        }
        wait_for(events.as_fd(), PollFlags::PRI, path, deadline)?;
    }
}

/// What the files of a group say that somebody else, such as systemd, has removed meanwhile.
fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NODEV)
}

fn wait_for(
    fd: BorrowedFd<'_>,
    flags: PollFlags,
    path: &Path,
    deadline: Instant,
) -> Result<(), CgroupError> {
    wait_on(fd, flags, deadline).map_err(|errno| left(path, errno))
}

/// Waits until `fd` is ready.
pub(super) fn wait_on(
    fd: BorrowedFd<'_>,
    flags: PollFlags,
    deadline: Instant,
) -> Result<(), Errno> {
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::from_borrowed_fd(fd, flags)];
        match poll(&mut fds, Some(&timespec(rest))) {
            Ok(0) => return Err(Errno::TIMEDOUT),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Removes a group whose processes have ended. For a moment after a process can be waited for it
/// still counts as one of its group (Linux 6.19 and later); v1 announces no end of that, so this
/// tries again until the deadline.
fn insist(
    parent: BorrowedFd<'_>,
    name: &str,
    path: &Path,
    deadline: Instant,
) -> Result<(), CgroupError> {
    loop {
        match remove_dir(parent, name) {
            Ok(()) => return Ok(()),
            Err(Errno::BUSY) if Instant::now() < deadline => {
                poll(&mut [], Some(&timespec(AGAIN))).map_err(|errno| left(path, errno))?;
            }
            Err(errno) => return Err(left(path, errno)),
        }
    }
}

fn remove_dir(parent: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    match rfs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        removed => removed,
    }
}

pub(super) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

fn left(path: &Path, errno: Errno) -> CgroupError {
    CgroupError::Remove { path: path.to_owned(), source: io::Error::from(errno) }
}
