//! A container whose processes stand still: its control group is frozen, and nothing else is
//! remembered of it.

use super::{Container, ContainerError};
use crate::cgroup::{Cgroup, CgroupError};

impl Container<'_> {
    /// Stops all its processes where they are.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`], [`ContainerError::Paused`], and
    /// [`ContainerError::CannotPause`]: on v1 its groups are made for its limits, and freeze nothing.
    pub fn pause(&self) -> Result<(), ContainerError> {
        self.init()?;
        let cgroup = self.cgroup()?;
        self.refuse_paused(&cgroup)?;
        match cgroup.freeze() {
            Err(CgroupError::NoController { .. }) => {
                Err(ContainerError::CannotPause { name: self.record.name.clone() })
            }
            frozen => Ok(frozen?),
        }
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`], [`ContainerError::NotPaused`].
    pub fn unpause(&self) -> Result<(), ContainerError> {
        self.init()?;
        let cgroup = self.cgroup()?;
        if !cgroup.is_frozen()? {
            return Err(ContainerError::NotPaused { name: self.record.name.clone() });
        }
        Ok(cgroup.thaw()?)
    }

    /// Sends it a signal that it is meant to end by. What stands still gets it when it goes on, so
    /// it goes on.
    pub(super) fn end_by(&self, signal: i32) -> Result<(), ContainerError> {
        let cgroup = self.cgroup()?;
        let was_paused = cgroup.is_frozen()?;
        self.send(signal)?;
        match was_paused.then(|| cgroup.thaw()) {
            Some(Err(error)) if self.init().is_ok() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// [`ContainerError::Paused`] where it is.
    pub(super) fn refuse_paused(&self, cgroup: &Cgroup) -> Result<(), ContainerError> {
        match cgroup.is_frozen()? {
            true => Err(ContainerError::Paused { name: self.record.name.clone() }),
            false => Ok(()),
        }
    }
}
