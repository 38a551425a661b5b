//! A freezer for a container whose groups were made without one.
//!
//! On v1 a container of coffer's own has groups for its limits alone: one more costs each start a
//! tenth of a millisecond, and few are ever paused. So the group that can be frozen is made when it
//! is wanted, and all processes are moved there. They stop as they come in, so that nobody forks
//! faster than he is moved.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::io::Errno;

use super::freezer::PATIENCE;
use super::group::{Group, pids};
use super::place::Existing;
use super::{Cgroup, CgroupError, Controller, GroupPath, Layout, Place, Settings, Version};

impl Place {
    /// Whether a group that can be frozen is made when it is wanted.
    pub fn freezes_late(&self) -> bool {
        self.groups.first().is_some_and(|at| at.version == Version::V1)
    }

    /// The same groups and one that can be frozen; `None` where the host has no such hierarchy.
    pub fn with_freezer(&self, layout: &Layout) -> Option<Self> {
        if self.freezer_path().is_some() {
            return Some(self.clone());
        }
        let like = self.groups.first()?;
        let v1 = layout.v1_with(Controller::Freezer)?;
        let (mount, controllers) = (v1.mount.clone(), v1.controllers.clone());
        let mut place = self.clone();
        place.groups.push(GroupPath { mount, controllers, ..like.clone() });
        Some(place)
    }

    /// Opens the groups, and makes the one that can be frozen if it is not there.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn open_with_freezer(&self) -> Result<Cgroup, CgroupError> {
        let mut cgroup = self.open()?;
        if cgroup.with(Controller::Freezer).is_none()
            && let Some(at) = self.freezer_path()
        {
            let (groups, existing) = (vec![at.clone()], Existing::UsedIfEmpty);
            let freezer = Self { groups, existing, ..Self::default() };
            cgroup.groups.extend(freezer.create(&Settings::default())?.groups);
        }
        Ok(cgroup)
    }

    fn freezer_path(&self) -> Option<&GroupPath> {
        self.groups.iter().find(|at| at.controllers.contains(&Controller::Freezer))
    }
}

impl Cgroup {
    /// Stops all processes, those too that are not in the group that can be frozen.
    ///
    /// # Errors
    /// As [`Cgroup::freeze`]; everything goes on then.
    pub fn freeze_all(&self) -> Result<(), CgroupError> {
        let gathered = match self.with(Controller::Freezer) {
            Some(freezer) if freezer.at.version == Version::V1 => self.gather(freezer),
            _ => Ok(()),
        };
        match gathered {
            Ok(()) => self.freeze(),
            Err(error) => {
                self.thaw()?;
                Err(error)
            }
        }
    }

    /// Moves whoever is not there into `freezer`, until nobody is left that can be moved.
    fn gather(&self, freezer: &Group) -> Result<(), CgroupError> {
        let failed =
            |source| CgroupError::Freeze { path: freezer.at.path(), what: "frozen", source };
        freezer.try_write("freezer.state", "FROZEN").map_err(failed)?;
        let deadline = Instant::now() + PATIENCE;
        let mut before = BTreeSet::new();
        loop {
            let there = pids(freezer.dir.as_fd(), &freezer.at.path())?;
            let there: BTreeSet<i32> = there.into_iter().collect();
            let all: BTreeSet<i32> = self.pids()?.into_iter().collect();
            let outside: BTreeSet<i32> = all.difference(&there).copied().collect();
            // Who ends is listed for a moment, and cannot be moved.
            if outside.is_subset(&before) {
                return Ok(());
            }
            for pid in &outside {
                match freezer.try_write("cgroup.procs", &pid.to_string()) {
                    Err(error) if error.raw_os_error() != Some(Errno::SRCH.raw_os_error()) => {
                        return Err(failed(error));
                    }
                    _ => {}
                }
            }
            if Instant::now() >= deadline {
                return Err(failed(Errno::TIMEDOUT.into()));
            }
            before = outside;
        }
    }
}
