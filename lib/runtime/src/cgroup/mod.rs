//! Control groups: what a container may use, and a handle on all of its processes.
//!
//! Three kinds of host: v1 (each controller under a mount of its own), v2 (one tree), and hybrid
//! (v1 for the controllers, v2 beside it, used for nothing here). [`Layout`] tells which, from
//! /proc alone; [`Manager::plan`] decides where a container's groups will be and whether what was
//! asked for can be enforced there, and changes nothing; [`Place`] is that decision, recorded
//! before anything is made; [`Cgroup`] is the groups themselves.
//!
//! **How a process gets in.** On v2 it is born there (`CLONE_INTO_CGROUP`). On v1 it writes `0`
//! into the `tasks` files itself, through fds that its parent opened: when the parent writes the
//! child's pid instead, the kernel first waits for an RCU grace period to hold all forks and exits
//! (`cgroup_threadgroup_rwsem`), 5 to 14 ms measured here against 0.04 ms. Either way it must be
//! in before it unshares its cgroup namespace, whose root is the group that it is in at that time.
//!
//! **Which groups.** On v1 one for each controller that is needed, since each costs time: devices
//! always, the others for the limits that are set, and the freezer once it is paused. On v2 one. A bundle has one in every hierarchy
//! of v1, for its clients read the counters there: [`Manager::of_bundle`].

mod bundle;
mod controller;
mod device;
mod events;
mod freezer;
mod group;
mod join;
mod kill;
mod late;
mod layout;
mod limits;
mod place;
mod pressure;
mod scope;
mod settings;
mod stats;
mod systemd;
mod v1;
mod v2;

use std::fmt::Display;
use std::io;
use std::path::PathBuf;

pub use bundle::{Driver, OfBundle};
pub use controller::Controller;
pub use events::OomEvents;
pub use group::{Cgroup, Entry};
pub(crate) use layout::unescape;
pub use layout::{Kind, Layout, V1, V2};
pub use limits::{Asker, CpuQuota, Limits, Pids, Swap, of_host};
pub use place::{GroupPath, Manager, Owner, Place, Version};
pub use pressure::{Pressure, Waited};
pub use settings::Settings;
pub use stats::{
    Count, Cpuset, DeviceCount, HugePages, Misc, OneCpu, Rdma, Share, Stats, Throttling,
};
pub use systemd::{Bus, ServiceManager, SystemdError, Unit};

/// What can go wrong with control groups.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A file of /proc or of a control group cannot be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file of a control group cannot be written.
    #[error("{value:?} cannot be written to {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What was to be written.
        value: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A line of the kernel's tables does not have its documented form.
    #[error("a line about control groups makes no sense: {line:?}")]
    Table {
        /// The line.
        line: String,
    },
    /// A file holds what its manual does not allow.
    #[error("{} does not hold what its manual says", path.display())]
    Content {
        /// Which.
        path: PathBuf,
    },
    /// A limit makes no sense or is not implemented.
    #[error("the limit on {what} cannot be set: {why}")]
    Limit {
        /// On what.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// A value in a bundle's configuration makes no sense.
    #[error("{path}: {why}")]
    Invalid {
        /// Its JSON path.
        path: String,
        /// Why not.
        why: String,
    },
    /// A group that a process is to join is not there.
    #[error("error adding pid to cgroup {}", path.display())]
    Enter {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A bundle's group is in use.
    #[error("container's cgroup is not empty: {} has processes in it ({count})", path.display())]
    Populated {
        /// Which.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// A bundle's group was there already and is frozen: whatever started in it would hang.
    #[error("container's cgroup unexpectedly frozen: {}", path.display())]
    Frozen {
        /// Which.
        path: PathBuf,
    },
    /// A group does not stop or go on.
    #[error("the control group {} cannot be {what}", path.display())]
    Freeze {
        /// Which.
        path: PathBuf,
        /// `frozen` or `thawed`.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The device filter is refused.
    #[error("the device filter of {} cannot be set", path.display())]
    Filter {
        /// The group.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A limit was asked for, and the host has nothing to enforce it with.
    #[error("{flag} cannot be enforced: {why}")]
    NoController {
        /// The flag that asked.
        flag: &'static str,
        /// What is not there.
        why: Missing,
    },
    /// What is mounted there is no control group.
    #[error("{} is not a mounted hierarchy of control groups", path.display())]
    NotCgroup {
        /// Where.
        path: PathBuf,
    },
    /// A group cannot be made.
    #[error("the control group {} cannot be made", path.display())]
    Make {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// systemd does not do its part.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// A group cannot be emptied or removed.
    #[error("the control group {} cannot be removed", path.display())]
    Remove {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why a limit cannot be enforced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// No hierarchy has the controller.
    #[error("this host has no {0} controller")]
    Controller(Controller),
    /// The hierarchy has it, but not for this user.
    #[error("the {0} controller is not delegated to this user")]
    Delegation(Controller),
    /// v1 hierarchies belong to root.
    #[error("the {0} controller is a v1 hierarchy, which only root can use")]
    Root(Controller),
    /// The kernel has no such file.
    #[error("this kernel has no {0}")]
    File(String),
    /// Nothing here is the caller's to make groups in.
    #[error("this user can make no control groups")]
    Groups,
    /// The memory controller counts no swap here.
    #[error("this host's memory controller does not count swap")]
    SwapAccounting,
}

impl CgroupError {
    /// A value below `linux.resources`.
    fn invalid(path: &str, why: impl Display) -> Self {
        Self::Invalid { path: format!("linux.resources.{path}"), why: why.to_string() }
    }

    /// What to do about it, for a person.
    pub fn help(&self) -> Option<&'static str> {
        let why = match self {
            Self::NoController { why, .. } => why,
            Self::Systemd(error) => return error.help(),
            _ => return None,
        };
        Some(match why {
            Missing::File(_) => return None,
            Missing::Controller(_) => "run without the limit, or enable the controller at boot",
            Missing::Delegation(_) | Missing::Groups => {
                "run it as: systemd-run --user --scope -p Delegate=yes coffer …"
            }
            Missing::Root(_) => "run as root, without the limit, or boot the host with cgroup v2",
            Missing::SwapAccounting => "leave --memory-swap out, or boot with swapaccount=1",
        })
    }
}
