//! Where a container's groups will be: decided, checked and recorded before they are made.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self as rfs, Access, AtFlags};
use serde::{Deserialize, Serialize};

use super::group::{open_mount, read_text};
use super::{CgroupError, Controller, Kind, Layout, Limits, Missing, V2};
use crate::state::ContainerId;

/// The group below which all containers' groups are made.
const PARENT: &str = "coffer";
/// The controllers that are switched on for a container on v2 where they are at hand.
const V2_WANTED: [Controller; 3] = [Controller::Cpu, Controller::Memory, Controller::Pids];

/// Decides where groups go.
#[derive(Clone, Debug)]
pub struct Manager {
    layout: Layout,
    parent: String,
    caller: Caller,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Root,
    User,
}

/// Which interface a group has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Version {
    /// Control groups version 1.
    V1,
    /// Control groups version 2.
    V2,
}

/// One group of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPath {
    /// Its interface.
    pub version: Version,
    /// Where its hierarchy is mounted.
    pub mount: PathBuf,
    /// The group that it is made in, below the mount.
    pub parent: PathBuf,
    /// Its own name in there.
    pub name: String,
    /// The controllers that it has.
    pub controllers: Vec<Controller>,
}

/// All groups of a container; part of its record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// None where the caller may make none.
    pub groups: Vec<GroupPath>,
    /// What holds nothing back here, for `explain`.
    pub missing: Vec<Controller>,
}

impl Manager {
    /// For this host and this caller.
    ///
    /// # Errors
    /// As [`Layout::discover`].
    pub fn discover() -> Result<Self, CgroupError> {
        let is_root = rustix::process::geteuid().is_root();
        let caller = if is_root { Caller::Root } else { Caller::User };
        Ok(Self { layout: Layout::discover()?, parent: PARENT.to_owned(), caller })
    }

    /// The same, with another group than `coffer` above all containers' groups.
    #[must_use]
    pub fn below(self, parent: &str) -> Self {
        Self { parent: parent.to_owned(), ..self }
    }

    /// The hierarchies of this host.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Decides where the groups of container `id` go. Makes nothing.
    ///
    /// # Errors
    /// [`CgroupError::NoController`] where a limit was asked for that nothing can enforce.
    pub fn plan(&self, id: &ContainerId, limits: &Limits) -> Result<Place, CgroupError> {
        let groups = match (self.layout.kind(), &self.layout.v2) {
            (Kind::V2, Some(v2)) => self.plan_v2(v2, id)?.into_iter().collect(),
            (Kind::V1 | Kind::Hybrid, _) if self.caller == Caller::Root => self.plan_v1(id, limits),
            _ => Vec::new(),
        };
        let has = |c: Controller| groups.iter().any(|g| g.controllers.contains(&c));
        if let Some((controller, flag)) = limits.asked().into_iter().find(|(c, _)| !has(*c)) {
            return Err(CgroupError::NoController { flag, why: self.why_not(controller) });
        }
        let watched = [Controller::Devices, Controller::Pids];
        let missing = watched.into_iter().filter(|c| !has(*c)).collect();
        Ok(Place { groups, missing })
    }

    fn plan_v1(&self, id: &ContainerId, limits: &Limits) -> Vec<GroupPath> {
        let mut needed = vec![Controller::Devices];
        needed.extend(limits.asked().into_iter().map(|(controller, _)| controller));
        if limits.pids.is_some() {
            needed.push(Controller::Pids);
        }
        let with_any = |v1: &&super::V1| v1.controllers.iter().any(|c| needed.contains(c));
        let group = |v1: &super::V1| GroupPath {
            version: Version::V1,
            mount: v1.mount.clone(),
            parent: PathBuf::from(&self.parent),
            name: id.as_str().to_owned(),
            controllers: v1.controllers.clone(),
        };
        self.layout.v1.iter().filter(with_any).map(group).collect()
    }

    fn plan_v2(&self, v2: &V2, id: &ContainerId) -> Result<Option<GroupPath>, CgroupError> {
        let mount = open_mount(&v2.mount, Version::V2)?;
        let above = match self.caller {
            Caller::Root => Some(PathBuf::new()),
            Caller::User => highest_writable(&mount, &v2.own),
        };
        let Some(above) = above else { return Ok(None) };
        let at_hand = read_text(mount.as_fd(), &v2.mount, &above.join("cgroup.controllers"))?;
        let mut controllers = Controller::parse_v2(&at_hand);
        if self.caller == Caller::User {
            let on = read_text(mount.as_fd(), &v2.mount, &above.join("cgroup.subtree_control"))?;
            let on = Controller::parse_v2(&on);
            // Only a group without processes of its own can switch controllers on.
            controllers.retain(|c| above != v2.own || on.contains(c));
        }
        Ok(Some(GroupPath {
            version: Version::V2,
            mount: v2.mount.clone(),
            parent: above.join(&self.parent),
            name: id.as_str().to_owned(),
            controllers,
        }))
    }

    fn why_not(&self, controller: Controller) -> Missing {
        match (self.caller, &self.layout.v2) {
            (Caller::User, _) if self.layout.v1_with(controller).is_some() => {
                Missing::Root(controller)
            }
            (Caller::User, Some(_)) => Missing::Delegation(controller),
            _ => Missing::Controller(controller),
        }
    }
}

impl GroupPath {
    /// The whole path, for messages.
    pub fn path(&self) -> PathBuf {
        self.mount.join(&self.parent).join(&self.name)
    }

    /// The controllers to switch on above it.
    pub(super) fn wanted(&self, limits: &Limits) -> Vec<Controller> {
        let asked = limits.asked();
        let is_wanted =
            |c: &&Controller| V2_WANTED.contains(c) || asked.iter().any(|(a, _)| a == *c);
        self.controllers.iter().filter(is_wanted).copied().collect()
    }
}

/// The group nearest to the top, from the caller's own upwards without a gap, in which the caller
/// may make groups and move processes. Source: the kernel's cgroup-v2.rst, "Delegation
/// Containment": a process moves only where the caller may write the common ancestor's
/// `cgroup.procs`.
fn highest_writable(mount: &OwnedFd, own: &Path) -> Option<PathBuf> {
    let may_write =
        |path: &Path| rfs::accessat(mount, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok();
    own.ancestors()
        .take_while(|group| {
            let here = if group.as_os_str().is_empty() { Path::new(".") } else { group };
            may_write(here) && may_write(&group.join("cgroup.procs"))
        })
        .last()
        .map(Path::to_owned)
}
