//! `delete`: what a container was is removed.

use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, pidfd_send_signal};

use super::hooks::{self, HookState};
use crate::rdt::Class;

use super::{BundleError, BundleId, Home, HookError, Locked, State, Status};

/// Whether a container that lives is killed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It is an error.
    No,
    /// It is (`--force`).
    Kill,
}

/// A container that was removed.
#[derive(Debug)]
pub struct Deleted {
    /// The `poststop` hooks that failed, which is only to be said.
    pub failed: Vec<HookError>,
}

/// Removes the container `id` with its groups.
///
/// # Errors
/// [`BundleError::NotStopped`] where it lives and may not be killed, [`BundleError::NotFound`].
pub fn delete(home: &Home, id: &BundleId, force: Force) -> Result<Deleted, BundleError> {
    let folder = home.find(id)?;
    // A container that is being made holds its lock, for as long as its hooks may take.
    let (_, status) = folder.status()?;
    if status == Status::Creating && folder.lock_soon()?.is_none() {
        return Err(BundleError::Busy(id.clone()));
    }
    let locked = folder.lock()?;
    let (state, status) = locked.status_now()?;
    // A created container does nothing yet: it may be deleted as it is, as runc allows.
    if matches!(status, Status::Running | Status::Paused) && force == Force::No {
        return Err(BundleError::NotStopped { id: id.clone(), status });
    }
    let Some(state) = state else {
        clear(home, locked)?;
        return Ok(Deleted { failed: Vec::new() });
    };
    end(&locked, &state, status)?;
    state.cgroup.open()?.remove()?;
    state.rdt.as_ref().map_or(Ok(()), Class::remove)?;
    home.remove(locked)?;
    let told = HookState::new(&state, Status::Stopped);
    Ok(Deleted { failed: hooks::run_all("poststop", &state.hooks.poststop, &told) })
}

/// Kills the first process, and waits until it has gone and all of its namespace with it. One that
/// is paused dies when it is let go on. Source: the kernel's freezer-subsystem.rst.
fn end(locked: &Locked, state: &State, status: Status) -> Result<(), BundleError> {
    let Some(init) = locked.init(state)? else { return Ok(()) };
    match pidfd_send_signal(&init, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(errno) => return Err(BundleError::signal(locked.id(), errno)),
    }
    if status == Status::Paused {
        state.cgroup.open()?.thaw()?;
    }
    let mut ended = [PollFd::from_borrowed_fd(init.as_fd(), PollFlags::IN)];
    rustix::io::retry_on_intr(|| poll(&mut ended, None))
        .map(|_| ())
        .map_err(|errno| BundleError::signal(locked.id(), errno))
}

/// Removes what a killed command left of a container that never was.
pub(super) fn clear(home: &Home, locked: Locked) -> Result<(), BundleError> {
    if let Some(saved) = locked.saved()? {
        saved.cgroup.open()?.remove()?;
        saved.rdt.as_ref().map_or(Ok(()), Class::remove)?;
    }
    home.remove(locked)
}
