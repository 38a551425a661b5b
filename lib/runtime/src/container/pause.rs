//! A container whose processes stand still: its control group is frozen, and nothing else is
//! remembered of it.

use super::{Container, ContainerError};
use crate::cgroup::{Cgroup, CgroupError, Layout};
use crate::state::Phase;

impl Container<'_> {
    /// Stops all its processes where they are.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`], [`ContainerError::Paused`], and
    /// [`ContainerError::CannotPause`].
    pub fn pause(&self) -> Result<(), ContainerError> {
        self.init()?;
        let cgroup = match self.record.cgroup.freezes_late() {
            true => self.with_freezer()?,
            false => self.cgroup()?,
        };
        self.refuse_paused(&cgroup)?;
        match cgroup.freeze_all() {
            Err(CgroupError::NoController { .. }) => {
                Err(ContainerError::CannotPause { name: self.record.name.clone() })
            }
            frozen => Ok(frozen?),
        }
    }

    /// Its groups with one that can be frozen, which is recorded before it is made.
    fn with_freezer(&self) -> Result<Cgroup, ContainerError> {
        let locked = self.folder.lock()?;
        let not_running = || ContainerError::NotRunning { name: self.record.name.clone() };
        let mut record = locked.record()?.ok_or_else(not_running)?;
        if !matches!(record.phase, Phase::Running(_)) {
            return Err(not_running());
        }
        let cannot = || ContainerError::CannotPause { name: self.record.name.clone() };
        let place = record.cgroup.with_freezer(&Layout::discover()?).ok_or_else(cannot)?;
        if place != record.cgroup {
            record.cgroup = place;
            locked.save(&record)?;
        }
        Ok(record.cgroup.open_with_freezer()?)
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
