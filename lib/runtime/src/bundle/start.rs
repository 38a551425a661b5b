//! `start`: the container's process may execute its program.

use super::{BundleError, Folder, Locked, Status};
use crate::gate::{self, GateError};

/// Lets the container go and waits until its program is executed.
///
/// # Errors
/// [`BundleError::Started`], [`BundleError::Stopped`], and why the program cannot be executed.
pub fn start(folder: Folder) -> Result<Locked, BundleError> {
    let locked = folder.lock()?;
    let (_, status) = locked.settled()?;
    match status {
        Status::Created => {}
        Status::Running | Status::Paused => return Err(BundleError::Started(locked.id().clone())),
        Status::Stopped | Status::Wreck | Status::Creating => {
            return Err(BundleError::Stopped(locked.id().clone()));
        }
    }
    match gate::open(locked.dir()) {
        Ok(()) => Ok(locked),
        Err(GateError::NobodyWaits) => Err(BundleError::Stopped(locked.id().clone())),
        Err(error) => Err(error.into()),
    }
}
