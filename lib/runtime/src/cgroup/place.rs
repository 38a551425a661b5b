//! Where a container's groups will be: decided, checked and recorded before they are made.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self as rfs, Access, AtFlags};
use serde::{Deserialize, Serialize};

use super::group::{open_mount, read_text};
use super::{
    CgroupError, Controller, Kind, Layout, Limits, Missing, Settings, Unit, V1, V2, v1, v2,
};
use crate::state::ContainerId;

/// The group below which all containers' groups are made.
const PARENT: &str = "coffer";
/// The controllers that are switched on for a container on v2 where they are at hand.
const V2_WANTED: [Controller; 4] =
    [Controller::Cpu, Controller::Memory, Controller::Pids, Controller::Io];

/// Decides where groups go.
#[derive(Clone, Debug)]
pub struct Manager {
    pub(super) layout: Layout,
    pub(super) parent: String,
    pub(super) caller: Caller,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
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

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
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
    /// The controllers that it has; on v2 `devices` is a filter.
    pub controllers: Vec<Controller>,
    /// Whose the group is that it is made in.
    #[serde(default)]
    pub above: Owner,
}

/// All groups of a container; part of its record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// None where the caller may make none.
    pub groups: Vec<GroupPath>,
    /// What holds nothing back here, for `explain`.
    pub missing: Vec<Controller>,
    /// What happens to groups that are there already.
    #[serde(default)]
    pub existing: Existing,
    /// The scope, where systemd makes the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
}

/// What happens to groups that are there before the container is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Existing {
    /// They bear a name that nobody else uses, and were left by a command that was killed.
    #[default]
    Replaced,
    /// Somebody else chose the name.
    UsedIfEmpty,
}

/// Whose a group is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// Somebody else's, who takes it away.
    #[default]
    Other,
    /// Coffer's own: it goes with the last container in it.
    Coffer,
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
        let settings = limits.settings()?;
        let groups = match (self.layout.kind(), &self.layout.v2) {
            (Kind::V2, Some(v2)) => self.plan_v2(v2, id)?.into_iter().collect(),
            (Kind::V1 | Kind::Hybrid, _) if self.caller == Caller::Root => {
                self.plan_v1(id, &settings)
            }
            _ => Vec::new(),
        };
        self.check(&groups, &settings)?;
        Ok(Place { missing: missing(&groups), groups, ..Place::default() })
    }

    /// Refuses settings that these groups cannot hold.
    pub(super) fn check(
        &self,
        groups: &[GroupPath],
        settings: &Settings,
    ) -> Result<(), CgroupError> {
        let has = |c: Controller| groups.iter().any(|g| g.controllers.contains(&c));
        let asked = match self.layout.kind() {
            Kind::V2 => v2::asked(settings),
            Kind::V1 | Kind::Hybrid | Kind::None => v1::asked(settings),
        };
        // The core's own files of v2 are filed under perf_event.
        let lacks = |c: Controller| !has(c) && c != Controller::PerfEvent;
        match asked.into_iter().find(|(c, _)| lacks(*c)) {
            Some((controller, flag)) => {
                Err(CgroupError::NoController { flag, why: self.why_not(controller) })
            }
            None => Ok(()),
        }
    }

    fn plan_v1(&self, id: &ContainerId, settings: &Settings) -> Vec<GroupPath> {
        let mut needed = vec![Controller::Devices];
        needed.extend(v1::asked(settings).into_iter().map(|(controller, _)| controller));
        if settings.resources.pids.is_some() {
            needed.push(Controller::Pids);
        }
        if settings.resources.memory.as_ref().is_some_and(|memory| memory.limit.is_some()) {
            needed.push(Controller::Memory);
        }
        let with_any = |v1: &&V1| v1.controllers.iter().any(|c| needed.contains(c));
        let group = |v1: &V1| GroupPath {
            version: Version::V1,
            mount: v1.mount.clone(),
            parent: PathBuf::from(&self.parent),
            name: id.as_str().to_owned(),
            controllers: v1.controllers.clone(),
            above: Owner::Coffer,
        };
        self.layout.v1.iter().filter(with_any).map(group).collect()
    }

    fn plan_v2(&self, v2: &V2, id: &ContainerId) -> Result<Option<GroupPath>, CgroupError> {
        let Some((above, controllers)) = self.at_hand(v2)? else { return Ok(None) };
        Ok(Some(GroupPath {
            version: Version::V2,
            mount: v2.mount.clone(),
            parent: above.join(&self.parent),
            name: id.as_str().to_owned(),
            controllers,
            above: Owner::Coffer,
        }))
    }

    /// The group below which the caller may make groups, and the controllers that these can have.
    pub(super) fn at_hand(
        &self,
        v2: &V2,
    ) -> Result<Option<(PathBuf, Vec<Controller>)>, CgroupError> {
        let mount = open_mount(&v2.mount, Version::V2)?;
        let above = match self.caller {
            Caller::Root => Some(PathBuf::new()),
            Caller::User => highest_writable(&mount, &v2.own),
        };
        let Some(above) = above else { return Ok(None) };
        let mut controllers = self.controllers_in(v2, &mount, &above)?;
        if self.caller == Caller::User {
            let on = read_text(mount.as_fd(), &v2.mount, &above.join("cgroup.subtree_control"))?;
            let on = Controller::parse_v2(&on);
            // Only a group without processes of its own can switch controllers on.
            controllers.retain(|c| above != v2.own || on.contains(c));
        }
        Ok(Some((above, controllers)))
    }

    /// The controllers that groups in `above` can have. Only root can filter devices.
    pub(super) fn controllers_in(
        &self,
        v2: &V2,
        mount: &OwnedFd,
        above: &Path,
    ) -> Result<Vec<Controller>, CgroupError> {
        let at_hand = read_text(mount.as_fd(), &v2.mount, &above.join("cgroup.controllers"))?;
        let mut controllers = Controller::parse_v2(&at_hand);
        if self.caller == Caller::Root {
            controllers.push(Controller::Devices);
        }
        Ok(controllers)
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
    pub(super) fn wanted(&self, settings: &Settings) -> Vec<Controller> {
        let asked = v2::asked(settings);
        let is_wanted =
            |c: &&Controller| V2_WANTED.contains(c) || asked.iter().any(|(a, _)| a == *c);
        self.controllers.iter().filter(is_wanted).copied().collect()
    }
}

/// What `explain` speaks of.
pub(super) fn missing(groups: &[GroupPath]) -> Vec<Controller> {
    let has = |c: &Controller| groups.iter().any(|g| g.controllers.contains(c));
    [Controller::Devices, Controller::Pids, Controller::Memory]
        .into_iter()
        .filter(|c| !has(c))
        .collect()
}

/// The group nearest to the top, from the caller's own upwards without a gap, in which the caller
/// may make groups and move processes. Source: the kernel's cgroup-v2.rst, "Delegation
/// Containment": a process moves only where the caller may write the common ancestor's
/// `cgroup.procs`.
fn highest_writable(mount: &OwnedFd, own: &Path) -> Option<PathBuf> {
    own.ancestors().take_while(|group| may_write(mount, group)).last().map(Path::to_owned)
}

/// Whether the caller may make groups in `group` and move processes into them.
pub(super) fn may_write(mount: &OwnedFd, group: &Path) -> bool {
    let may = |path: &Path| rfs::accessat(mount, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok();
    let here = if group.as_os_str().is_empty() { Path::new(".") } else { group };
    may(here) && may(&group.join("cgroup.procs"))
}
