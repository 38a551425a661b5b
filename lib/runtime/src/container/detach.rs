//! Starts a container with a monitor: a copy of this process that becomes the container's parent.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_rootfs::Layer;
use coffer_sys::userns;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use super::kept::{Kept, hear, leave_caller, report};
use super::ready::{Kin, screen_or};
use super::start::{self, Started};
use super::{Container, ContainerError, DataRoot, Ready, Reported};
use crate::cgroup::Cgroup;
use crate::disk::Watch;
use crate::monitor::{Attach, Attached, Feed, Pump, Server, attach, fifos};
use crate::spec::Terminal;
use crate::state::{Phase, Record};

/// A place at the monitor's table from the container's first byte on.
#[derive(Debug)]
pub(super) struct Seat {
    ours: OwnedFd,
    theirs: OwnedFd,
}

impl Seat {
    pub(super) fn new() -> io::Result<Self> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok(Self { ours, theirs })
    }
}

/// Makes the monitor, waits until it has started the container, and attaches where that is asked
/// for.
pub(super) fn detach(
    ready: Ready<'_>,
    seat: Option<(Seat, &Attach<'_>)>,
) -> Result<Option<Attached>, ContainerError> {
    let id = ready.record.id.clone();
    let failed = |source: io::Error| ContainerError::Monitor { id: id.clone(), source };
    let (told, tell) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
    let (ours, theirs) = match seat {
        Some((Seat { ours, theirs }, how)) => (Some((ours, how)), Some(theirs)),
        None => (None, None),
    };
    let root = ready.root;
    // Fork doubles all of these: each process takes its own half out and drops the other's.
    let mut childs = Some((ready, tell, theirs));
    userns::fork(|| childs.take().map_or(1, |(ready, tell, theirs)| keep(ready, tell, theirs)))
        .map_err(failed)?;
    drop(childs.take());
    hear(told).map_err(failed)??;
    let Some((ours, how)) = ours else { return Ok(None) };
    let init = init_of(root, &id)?;
    let mut terminal = None;
    let end = attach(&ours, how, init.as_ref().map(AsFd::as_fd), &mut terminal)
        .map_err(|source| ContainerError::Carry { id: id.clone(), source })?;
    match end {
        Attached::Lost => Container::attach_again(root, &id, how, terminal).map(Some),
        end => Ok(Some(end)),
    }
}

/// The container's first process, if it has not ended already.
fn init_of(
    root: &DataRoot,
    id: &crate::state::ContainerId,
) -> Result<Option<OwnedFd>, ContainerError> {
    let Ok(folder) = root.containers().find(id.as_str()) else { return Ok(None) };
    match folder.record()? {
        Some(Record { phase: Phase::Running(running), .. }) => running
            .init
            .open(root.containers().boot())
            .map_err(|source| ContainerError::Process { id: id.clone(), source }),
        _ => Ok(None),
    }
}

/// The monitor, from its first to its last line. What it cannot report any more it can only leave
/// to the next command, which finds the record.
fn keep(ready: Ready<'_>, tell: OwnedFd, seat: Option<OwnedFd>) -> i32 {
    if let Err(error) = become_monitor(&ready, &tell, seat.as_ref()) {
        let id = ready.record.id.clone();
        let error = ready.undo(ContainerError::Monitor { id, source: error });
        return report(tell, &Err(Reported::new(&error)));
    }
    let kept = match begin(ready, seat) {
        Ok(kept) => kept,
        Err(error) => return report(tell, &Err(Reported::new(&error))),
    };
    // Where whoever asked has gone meanwhile, the container was asked for all the same.
    report(tell, &Ok(()));
    i32::from(kept.stay().is_err())
}

/// Leaves the caller, with what the start needs.
fn become_monitor(ready: &Ready<'_>, tell: &OwnedFd, seat: Option<&OwnedFd>) -> io::Result<()> {
    let mut keep: Vec<BorrowedFd<'_>> = vec![tell.as_fd(), ready.locked.dir()];
    keep.extend(ready.root.fds());
    keep.extend(ready.stack.layers().iter().map(Layer::tree));
    keep.extend(seat.map(AsFd::as_fd));
    leave_caller(&keep)
}

/// Starts the container. Everything that only the start needed is dropped here.
fn begin(mut ready: Ready<'_>, seat: Option<OwnedFd>) -> Result<Kept<'_>, ContainerError> {
    match begin_with(&mut ready, seat) {
        Ok((pump, cgroup, watch)) => {
            let Ready { root, locked, record, .. } = ready;
            let folder = locked.unlock()?;
            Ok(Kept { root, folder, record, cgroup, pump, kin: Kin::Child, watch })
        }
        Err(error) => Err(ready.undo(error)),
    }
}

fn begin_with(
    ready: &mut Ready<'_>,
    seat: Option<OwnedFd>,
) -> Result<(Pump<Server>, Cgroup, Watch), ContainerError> {
    let id = ready.record.id.clone();
    let carry = |source| ContainerError::Carry { id: id.clone(), source };
    let feed = Feed::of(ready.config.stdin, seat.as_ref());
    let mut audience = Server::new(ready.locked.dir(), seat).map_err(carry)?;
    let (inside, outside) = match ready.config.terminal {
        Terminal::Pty(_) => (None, None),
        Terminal::None => {
            let (inside, outside) = fifos(ready.locked.dir(), feed).map_err(carry)?;
            (Some(inside), Some(outside))
        }
    };
    let log = ready.log()?;
    let watch = Watch::at_start(ready.locked.dir()).map_err(carry)?;
    let Started { init, terminal, cgroup } = start::start(ready, inside)?;
    // Without a copy to lend, the terminal ends with this process and not before.
    if let Some(Ok(copy)) = terminal.as_ref().map(OwnedFd::try_clone) {
        audience.lend(copy);
    }
    let outside = screen_or(&id, terminal, outside)?;
    Ok((Pump { init, outside, log: Some(log), audience }, cgroup, watch))
}
