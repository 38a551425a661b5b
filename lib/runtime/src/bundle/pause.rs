//! `pause`, `resume`, `update`: what is done to the groups of a container that lives.

use coffer_oci::runtime::IntelRdt;

use super::{BundleError, Folder, State, Status};
use crate::cgroup::{Cgroup, Place, Settings, Stats};

/// Whether the container's groups are frozen.
pub(super) fn is_frozen(place: &Place) -> Result<bool, BundleError> {
    Ok(place.is_frozen()?)
}

/// Stops all processes of the container.
///
/// # Errors
/// [`BundleError::NotRunning`], [`BundleError::WrongStatus`] where it is paused already, and where
/// it has no group that could be frozen.
pub fn pause(folder: Folder) -> Result<(), BundleError> {
    let locked = folder.lock()?;
    let (cgroup, status) = living(&locked)?;
    if status == Status::Paused {
        let (id, verb, needed) = (locked.id().clone(), "pause", "running");
        return Err(BundleError::WrongStatus { id, status, verb, needed });
    }
    Ok(cgroup.freeze()?)
}

/// Lets the processes of a paused container go on.
///
/// # Errors
/// [`BundleError::WrongStatus`] where it is not paused.
pub fn resume(folder: Folder) -> Result<(), BundleError> {
    let locked = folder.lock()?;
    let (cgroup, status) = living(&locked)?;
    if status != Status::Paused {
        let (id, verb, needed) = (locked.id().clone(), "resume", "paused");
        return Err(BundleError::WrongStatus { id, status, verb, needed });
    }
    Ok(cgroup.thaw()?)
}

/// Sets what `settings` name, and leaves the container's other limits as they are.
///
/// # Errors
/// [`BundleError::NotRunning`], and what the kernel refuses.
pub fn update(folder: Folder, settings: &Settings) -> Result<(), BundleError> {
    let locked = folder.lock()?;
    let (cgroup, _) = living(&locked)?;
    Ok(cgroup.update(settings)?)
}

/// Sets what the container's class of service gives, of which `change` names the lines.
///
/// # Errors
/// [`BundleError::NotRunning`], [`BundleError::NoClass`], and what the kernel refuses.
pub fn update_class(folder: &Folder, change: &IntelRdt) -> Result<(), BundleError> {
    match folder.status_now()? {
        (Some(state), status) if status.lives() => match state.rdt {
            Some(class) => Ok(class.update(change)?),
            None => Err(BundleError::NoClass(folder.id().clone())),
        },
        _ => Err(BundleError::NotRunning(folder.id().clone())),
    }
}

/// What the container uses.
///
/// # Errors
/// [`BundleError::NotRunning`].
pub fn stats(folder: &Folder) -> Result<Stats, BundleError> {
    let (cgroup, _) = living(folder)?;
    Ok(cgroup.stats()?)
}

/// The groups of a container that has a process.
fn living(folder: &Folder) -> Result<(Cgroup, Status), BundleError> {
    match folder.status_now()? {
        (Some(State { cgroup, .. }), status) if status.lives() => Ok((cgroup.open()?, status)),
        _ => Err(BundleError::NotRunning(folder.id().clone())),
    }
}
