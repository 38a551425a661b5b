//! A container whose groups systemd makes: entered by its first process, then set.

use std::path::Path;

use rustix::process::Pid;

use super::systemd::{SystemdError, Unit};
use super::{Cgroup, CgroupError, GroupPath, Place, ServiceManager, Settings};

/// The scope of a container.
#[derive(Debug)]
pub(super) struct Scope {
    unit: Unit,
    /// What is to be done when there is a process to be put into it; nothing once it is made.
    waiting: Option<Waiting>,
    /// The group below the scope that processes join; empty for its own.
    below: String,
}

/// A scope that is not made yet.
#[derive(Debug)]
struct Waiting {
    group: GroupPath,
    settings: Settings,
}

impl Place {
    /// The scope, to be made when its first process is there; `None` where coffer makes groups.
    pub(super) fn future_scope(&self, settings: &Settings) -> Option<Scope> {
        let (unit, group) = self.unit.as_ref().zip(self.groups.first())?;
        let waiting = Waiting { group: group.clone(), settings: settings.clone() };
        Some(Scope { unit: unit.clone(), waiting: Some(waiting), below: String::new() })
    }

    /// The scope that was made.
    pub(super) fn scope(&self) -> Option<Scope> {
        self.unit.clone().map(|unit| Scope { unit, waiting: None, below: String::new() })
    }
}

impl Scope {
    /// Has processes join the group `path` below.
    pub(super) fn narrow(&mut self, path: &Path) {
        self.below = format!("{}/{}", self.below, path.display());
    }

    /// Whether a process gets in by systemd's doing only: an ordinary user may not move one out
    /// of a login session.
    pub(super) fn takes_in(&self) -> bool {
        self.waiting.is_some() || self.unit.bus.manager == ServiceManager::User
    }

    /// Tells systemd of other settings.
    pub(super) fn set(&self, settings: &Settings) -> Result<(), SystemdError> {
        self.unit.set(settings)
    }

    /// Stops the scope. Whether somebody could be asked to is another question: without groups
    /// there is nothing to be stopped.
    pub(super) fn stop(&self) -> Result<(), SystemdError> {
        match self.unit.stop() {
            Err(SystemdError::Connect { .. }) => Ok(()),
            stopped => stopped,
        }
    }
}

impl Cgroup {
    /// Lets in a process that waits and could not get in by itself: systemd puts it into the
    /// scope, which is made now where it is the first. To be called for every new process before
    /// it does anything; where [`Cgroup::entry`] sufficed it does nothing.
    ///
    /// # Errors
    /// [`CgroupError::Systemd`], and what the kernel refuses of the settings.
    pub fn enter(&mut self, pid: Pid) -> Result<(), CgroupError> {
        let Some(scope) = &mut self.scope else { return Ok(()) };
        if let Some(Waiting { group, settings }) = scope.waiting.take() {
            if let Err(error) = scope.unit.start(pid, &settings) {
                // One that systemd refuses to start is another container's, or nobody's.
                self.scope.take_if(|_| matches!(error, SystemdError::Call { .. }));
                return Err(error.into());
            }
            self.groups = super::group::made_by_systemd(&group, pid, &scope.unit.name, &settings)?;
        } else if scope.takes_in() {
            scope.unit.attach(pid, &scope.below)?;
        }
        Ok(())
    }
}
