//! What is kept of a container, and what it is doing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use coffer_confine::confinement::Confinement;
use coffer_oci::runtime::{Hooks, MemoryPolicy, Personality, Process};
use coffer_policy::Admission;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::BundleId;
use crate::cgroup::Place;
use crate::plan::Keyring;
use crate::rdt::Class;
use crate::state::ProcessId;

/// What a container is. Written once, before anything outside its folder is made; what later
/// verbs need is read here and never in the bundle again, which may have changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saved {
    /// Who answers for it.
    pub admission: Admission,
    /// Its control groups.
    pub cgroup: Place,
    /// What runs in it: the pattern for those that join.
    pub process: Process,
    /// The fence, also of those that join.
    pub confinement: Confinement,
    /// The execution domain of all its processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personality: Option<Personality>,
    /// Where their memory comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_policy: Option<MemoryPolicy>,
    /// Which session keyring they have.
    #[serde(default)]
    pub keyring: Keyring,
    /// Where something from outside is mounted: a checkpoint must not look for it inside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<String>,
    /// Its class of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rdt: Option<Class>,
    /// The JSON path of what a checkpoint would lose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}

/// Which process a container is, and what `state` prints. Source: runtime-spec runtime.md,
/// "State".
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// The version of the specification that this follows.
    pub oci_version: String,
    /// Its name.
    pub id: BundleId,
    /// Its first process.
    pub init: ProcessId,
    /// Its bundle, absolute.
    pub bundle: PathBuf,
    /// Its root file system, absolute.
    pub rootfs: PathBuf,
    /// When it was made.
    pub created: Timestamp,
    /// The bundle's free words.
    pub annotations: BTreeMap<String, String>,
    /// The user on the host who made it.
    pub owner: u32,
    /// Its control groups.
    pub cgroup: Place,
    /// Its class of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rdt: Option<Class>,
    /// What is run beside it. It stands here and not in [`Saved`], so that `start` and `delete`
    /// need not read a whole fence.
    #[serde(default)]
    pub hooks: Hooks,
}

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// A command makes it.
    Creating,
    /// It waits at its gate.
    Created,
    /// It runs.
    Running,
    /// It is frozen.
    Paused,
    /// Its process has ended.
    Stopped,
    /// Whoever made it was killed before it was a container.
    Wreck,
}

impl Status {
    /// Whether it has a process.
    pub fn lives(self) -> bool {
        matches!(self, Self::Created | Self::Running | Self::Paused)
    }
}

/// As runtime.md spells them; a wreck is stopped to everybody else.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped | Self::Wreck => "stopped",
        })
    }
}
