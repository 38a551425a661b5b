//! `delete`: what a container was is removed.

use std::os::fd::AsFd;

use coffer_sys::pidfd::has_ended;
use rustix::event::Timespec;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};

use super::hooks::{self, HookState};
use super::{BundleError, BundleId, Home, HookError, Locked, State, Status};
use crate::cgroup::Cgroup;
use crate::rdt::Class;

/// How long a killed process may take before the rest of its groups is killed too.
const SHORTLY: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
/// How long it may take then.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

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
    let cgroup = state.cgroup.open()?;
    end(&locked, &state, status, &cgroup)?;
    cgroup.remove()?;
    state.rdt.as_ref().map_or(Ok(()), Class::remove)?;
    home.remove(locked)?;
    let told = HookState::new(&state, Status::Stopped);
    Ok(Deleted { failed: hooks::run_all("poststop", &state.hooks.poststop, &told) })
}

/// Kills the first process, and waits until it has gone and all of its namespace with it. One that
/// is paused dies when it is let go on. Source: the kernel's freezer-subsystem.rst.
///
/// A namespace ends when its last process was collected, by its tracer first where it has one: a
/// CRIU that was left alone in the middle of a restore waits for the first process, which waits for
/// those that CRIU has not collected. It is in the container's groups, and is killed there.
fn end(locked: &Locked, state: &State, status: Status, cgroup: &Cgroup) -> Result<(), BundleError> {
    let Some(init) = locked.init(state)? else { return Ok(()) };
    match pidfd_send_signal(&init, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(errno) => return Err(BundleError::signal(locked.id(), errno)),
    }
    if status == Status::Paused {
        cgroup.thaw()?;
    }
    let failed = |errno| BundleError::signal(locked.id(), errno);
    if has_ended(init.as_fd(), SHORTLY).map_err(failed)? {
        return Ok(());
    }
    // Who is left after that was waited for already, as long.
    let patience = if cgroup.kill().is_ok() { PATIENCE } else { Timespec::default() };
    if has_ended(init.as_fd(), patience).map_err(failed)? {
        return Ok(());
    }
    let pid = state.init.pid;
    let tracer = tracer(pid).map_or_else(String::new, |tracer| {
        format!(": process {tracer} traces it, and has to end or let it go first")
    });
    Err(BundleError::Unending { id: locked.id().clone(), pid, tracer })
}

/// Who traces a process. Source: man 5 proc_pid_status.
fn tracer(pid: i32) -> Option<i32> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(format!("/proc/{pid}/status"), flags, Mode::empty()).ok()?;
    let text = std::io::read_to_string(std::fs::File::from(file)).ok()?;
    let number = text.lines().find_map(|line| line.strip_prefix("TracerPid:"))?;
    number.trim().parse().ok().filter(|tracer| *tracer != 0)
}

/// Removes what a killed command left of a container that never was.
pub(super) fn clear(home: &Home, locked: Locked) -> Result<(), BundleError> {
    if let Some(saved) = locked.saved()? {
        saved.cgroup.open()?.remove()?;
        saved.rdt.as_ref().map_or(Ok(()), Class::remove)?;
    }
    home.remove(locked)
}
