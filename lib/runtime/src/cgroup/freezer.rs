//! Stops all processes of a container, and lets them go on.
//!
//! Sources: admin-guide/cgroup-v2.rst, `cgroup.freeze`; admin-guide/cgroup-v1/freezer-subsystem.rst.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFlags, poll};
use rustix::fs::{self as rfs, Mode, OFlags};
use rustix::io::Errno;

use super::group::{Group, keyed};
use super::kill::{timespec, wait_on};
use super::{Cgroup, CgroupError, Controller, GroupPath, Missing, Place, Version};

/// How long freezing may take. A process that the kernel will not interrupt never freezes.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long v1 is given before another look; it announces nothing.
const AGAIN: Duration = Duration::from_millis(1);
/// After so many looks the group goes on for a moment: v1 can be stuck half-way when processes
/// fork or end meanwhile, and a new beginning gets it out (the kernel's freezer-subsystem.rst
/// calls the state `FREEZING`).
const STUCK: u32 = 50;

impl Cgroup {
    /// Stops all processes and waits until they have stopped.
    ///
    /// # Errors
    /// [`CgroupError::Freeze`] after ten seconds; everything goes on then.
    pub fn freeze(&self) -> Result<(), CgroupError> {
        let group = self.freezer()?;
        let deadline = Instant::now() + PATIENCE;
        let frozen = match group.at.version {
            Version::V1 => freeze_v1(group, deadline),
            Version::V2 => set_v2(group, "1", deadline),
        };
        frozen.map_err(|source| {
            drop(self.thaw());
            CgroupError::Freeze { path: group.at.path(), what: "frozen", source }
        })
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// [`CgroupError::Freeze`].
    pub fn thaw(&self) -> Result<(), CgroupError> {
        let group = self.freezer()?;
        let thawed = match group.at.version {
            Version::V1 => group.try_write("freezer.state", "THAWED"),
            Version::V2 => set_v2(group, "0", Instant::now() + PATIENCE),
        };
        thawed.map_err(|source| CgroupError::Freeze {
            path: group.at.path(),
            what: "thawed",
            source,
        })
    }

    /// Whether somebody has stopped it. A container without groups runs.
    ///
    /// # Errors
    /// Where the kernel's file cannot be read.
    pub fn is_frozen(&self) -> Result<bool, CgroupError> {
        match self.freezer() {
            Ok(group) => group.is_frozen(),
            Err(_) => Ok(false),
        }
    }

    /// The group whose processes can be frozen, for those who know no descriptors.
    pub(crate) fn freezer_path(&self) -> Option<PathBuf> {
        self.freezer().ok().map(|group| group.at.path())
    }

    fn freezer(&self) -> Result<&Group, CgroupError> {
        let v2 = || self.groups.iter().find(|group| group.at.version == Version::V2);
        self.with(Controller::Freezer).or_else(v2).ok_or(CgroupError::NoController {
            flag: "pause",
            why: Missing::Controller(Controller::Freezer),
        })
    }
}

impl Place {
    /// The same as [`Cgroup::is_frozen`], without a look at any other group.
    ///
    /// # Errors
    /// Where the kernel's file cannot be read.
    pub fn is_frozen(&self) -> Result<bool, CgroupError> {
        let freezes = |at: &&GroupPath| at.controllers.contains(&Controller::Freezer);
        let v2 = || self.groups.iter().find(|at| at.version == Version::V2);
        match self.groups.iter().find(freezes).or_else(v2).map(Group::open).transpose()?.flatten() {
            Some(group) => group.is_frozen(),
            None => Ok(false),
        }
    }
}

impl Group {
    /// Whether it is frozen or about to be.
    pub(super) fn is_frozen(&self) -> Result<bool, CgroupError> {
        let (name, thawed) = match self.at.version {
            Version::V1 => ("freezer.state", "THAWED"),
            Version::V2 => ("cgroup.freeze", "0"),
        };
        Ok(self.try_read(name)?.is_some_and(|state| state.trim() != thawed))
    }
}

fn freeze_v1(group: &Group, deadline: Instant) -> io::Result<()> {
    for look in 1u32.. {
        if look % STUCK == 0 {
            group.try_write("freezer.state", "THAWED")?;
        }
        group.try_write("freezer.state", "FROZEN")?;
        let state = group.read("freezer.state").map_err(io::Error::other)?;
        if state.trim() == "FROZEN" {
            return Ok(());
        }
        if Instant::now() >= deadline {
            break;
        }
        poll(&mut [], Some(&timespec(AGAIN)))?;
    }
    Err(Errno::TIMEDOUT.into())
}

/// `cgroup.events` says when it is done, and announces the change.
fn set_v2(group: &Group, value: &str, deadline: Instant) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let events = rfs::openat(&group.dir, "cgroup.events", flags, Mode::empty())?;
    group.try_write("cgroup.freeze", value)?;
    let wanted = if value == "1" { 1 } else { 0 };
    loop {
        let mut text = [0u8; 256];
        let n = rustix::io::pread(&events, &mut text, 0)?;
        if keyed(&String::from_utf8_lossy(&text[..n]), "frozen") == Some(wanted) {
            return Ok(());
        }
        wait_on(events.as_fd(), PollFlags::PRI, deadline)?;
    }
}
