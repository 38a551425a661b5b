//! A container that its maker has started, and stays with: nothing of it is looked up again.

use super::delete::Deleted;
use super::hooks::{self, HookState};
use super::{BundleError, Folder, Home, HookError, State, Status};
use crate::cgroup::Cgroup;

/// A container whose program is executed.
#[derive(Debug)]
pub struct Running {
    pub(super) folder: Folder,
    pub(super) cgroup: Cgroup,
    pub(super) state: State,
    /// The `poststart` hooks that failed, which is only to be said.
    pub failed: Vec<HookError>,
}

impl Running {
    /// Removes it, after its process has ended and was waited for.
    ///
    /// # Errors
    /// What could not be removed. One that somebody else has removed is none.
    pub fn remove(self, home: &Home) -> Result<Deleted, BundleError> {
        let locked = match self.folder.lock() {
            Err(BundleError::NotFound(_)) => return Ok(Deleted { failed: Vec::new() }),
            locked => locked?,
        };
        self.cgroup.remove()?;
        home.remove(locked)?;
        let told = HookState::new(&self.state, Status::Stopped);
        Ok(Deleted { failed: hooks::run_all("poststop", &self.state.hooks.poststop, &told) })
    }
}
