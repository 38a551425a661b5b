//! A container whose parent was killed gets a new monitor, from the next command that meets it.
//!
//! The new monitor is no parent of the container's: the kernel tells it that the first process has
//! ended, and remembers how (Linux 6.15 and later; see [`crate::state::wait_status`]). It opens the
//! fifos in the container's folder again, so a program that waited at a full one goes on. What
//! cannot be had again: the pipes of a container in the foreground, and a terminal that nobody
//! else holds.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::userns;
use rustix::pipe::{PipeFlags, pipe_with};

use super::kept::{Kept, hear, leave_caller, report};
use super::ready::Kin;
use super::{ContainerError, DataRoot, Reported};
use crate::disk::Watch;
use crate::log::{Rotation, Writer};
use crate::monitor::{Outside, Pump, Server};
use crate::state::{ContainerId, Locked, Phase, ProcessId, Record};

/// A container that runs without anybody who waits for it, and its lock.
pub(super) struct Orphan<'r> {
    pub(super) root: &'r DataRoot,
    pub(super) locked: Locked,
    pub(super) record: Record,
    pub(super) init: OwnedFd,
}

/// Forks a monitor for `orphan`, and waits until it is at work and written down.
///
/// # Errors
/// Why there can be none; the container is as it was then.
pub(super) fn adopt(orphan: Orphan<'_>) -> Result<(), ContainerError> {
    let id = orphan.record.id.clone();
    let failed = |source: io::Error| ContainerError::Monitor { id: id.clone(), source };
    let (told, tell) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
    // Fork doubles all of these: each process takes its own half out and drops the other's.
    let mut childs = Some((orphan, tell));
    userns::fork(|| childs.take().map_or(1, |(orphan, tell)| keep(orphan, tell)))
        .map_err(failed)?;
    drop(childs.take());
    Ok(hear(told).map_err(failed)??)
}

/// The new monitor, from its first to its last line.
fn keep(orphan: Orphan<'_>, tell: OwnedFd) -> i32 {
    let id = orphan.record.id.clone();
    let left =
        leave_caller(&fds(&orphan, &tell)).map_err(|source| ContainerError::Monitor { id, source });
    match left.and_then(|()| begin(orphan)) {
        Ok(kept) => {
            // Where whoever asked has gone meanwhile, the container needs it all the same.
            report(tell, &Ok(()));
            i32::from(kept.stay().is_err())
        }
        Err(error) => report(tell, &Err(Reported::new(&error))),
    }
}

fn fds<'a>(orphan: &'a Orphan<'_>, tell: &'a OwnedFd) -> Vec<BorrowedFd<'a>> {
    let mut fds = vec![tell.as_fd(), orphan.locked.dir(), orphan.init.as_fd()];
    fds.extend(orphan.root.fds());
    fds
}

/// Takes the container over: from here on it is this process that others wait for.
fn begin(orphan: Orphan<'_>) -> Result<Kept<'_>, ContainerError> {
    let Orphan { root, locked, mut record, init } = orphan;
    let id = record.id.clone();
    let carry = |source| ContainerError::Carry { id: id.clone(), source };
    let audience = Server::new(locked.dir(), None).map_err(carry)?;
    let outside = Outside::again(locked.dir()).map_err(carry)?;
    let dir = locked.dir().try_clone_to_owned().map_err(carry)?;
    let cgroup = record.cgroup.open()?;
    let started = record.started().unwrap_or(record.created);
    let watch = Watch::again(locked.dir(), started).map_err(carry)?;
    let me = myself(root, &id)?;
    if let Phase::Running(running) = &mut record.phase {
        running.parent = me;
    }
    locked.save(&record)?;
    let folder = locked.unlock()?;
    let log = Some(Writer::new(dir, Rotation::default()));
    let pump = Pump { init, outside, log, audience };
    Ok(Kept { root, folder, record, cgroup, pump, kin: Kin::Adopted, watch })
}

fn myself(root: &DataRoot, id: &ContainerId) -> Result<ProcessId, ContainerError> {
    ProcessId::of(rustix::process::getpid(), root.containers().boot())
        .map_err(|source| ContainerError::Process { id: id.clone(), source })
}
