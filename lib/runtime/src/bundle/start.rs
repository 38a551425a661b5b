//! `start`: the container's process may execute its program.

use super::hooks::{self, HookState};
use super::{BundleError, Folder, HookError, Status};
use crate::gate::{self, GateError};

/// A container that was let go.
#[derive(Debug)]
pub struct Started {
    /// Its folder.
    pub folder: Folder,
    /// The `poststart` hooks that failed, which is only to be said.
    pub failed: Vec<HookError>,
}

/// Lets the container go, waits until its program is executed, and runs the hooks that follow.
///
/// # Errors
/// [`BundleError::Started`], [`BundleError::Stopped`], and why the program cannot be executed.
pub fn start(folder: Folder) -> Result<Started, BundleError> {
    let locked = folder.lock()?;
    let (state, status) = locked.status_now()?;
    match status {
        Status::Created => {}
        Status::Running => return Err(BundleError::Started(locked.id().clone())),
        Status::Paused => {
            let (id, verb, needed) = (locked.id().clone(), "start", "created");
            return Err(BundleError::WrongStatus { id, status, verb, needed });
        }
        Status::Stopped | Status::Wreck | Status::Creating => {
            return Err(BundleError::Stopped(locked.id().clone()));
        }
    }
    match gate::open(locked.dir()) {
        Ok(()) => {}
        Err(GateError::NobodyWaits) => return Err(BundleError::Stopped(locked.id().clone())),
        Err(error) => return Err(error.into()),
    }
    let failed = state.map_or_else(Vec::new, |state| {
        let told = HookState::new(&state, Status::Running);
        hooks::run_all("poststart", &state.hooks.poststart, &told)
    });
    Ok(Started { folder: locked.unlock()?, failed })
}
