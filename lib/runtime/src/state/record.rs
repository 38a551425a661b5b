//! What is written down of a container: `state.json` in its folder.

use std::collections::BTreeMap;

use coffer_oci::Digest;
use coffer_sys::dir::Durability;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ContainerId, Name, ProcessId};
use crate::cgroup::{CgroupError, Place};
use crate::disk::Scarce;
use crate::volume::Use;

/// The version of the format that this build writes and reads.
const VERSION: u32 = 1;

/// What must be at hand to list containers and to tell how each one is.
///
/// Everything else (the whole specification, the fence, the admission) stands in `config.json`
/// beside it, which is written once and read by those who need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    version: Version,
    /// Its identity.
    pub id: ContainerId,
    /// What people call it.
    pub name: Name,
    /// A name that may lead to it too, while it is renamed and where that was not finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also: Option<Name>,
    /// The image as the caller named it.
    pub image: String,
    /// The digest of the image's manifest; none for a bare bundle.
    pub manifest: Option<Digest>,
    /// The command line inside.
    pub command: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// The caller's labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The volumes that it uses; written down before they are made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Use>,
    /// The flags that have opened its fence, as `explain` says them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub opened: Vec<String>,
    /// What becomes of it when it stops.
    pub removal: Removal,
    /// Where its control groups are, written down before they are made.
    #[serde(default)]
    pub cgroup: Place,
    /// How far it has come.
    pub phase: Phase,
}

/// What `create` is told about a container; the store adds the id and the time.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The name that the caller chose; none generates one.
    pub name: Option<Name>,
    /// The image as the caller named it.
    pub image: String,
    /// The digest of the image's manifest; none for a bare bundle.
    pub manifest: Option<Digest>,
    /// The command line inside.
    pub command: Vec<String>,
    /// The caller's labels.
    pub labels: BTreeMap<String, String>,
    /// What becomes of it when it stops.
    pub removal: Removal,
}

/// What becomes of a container when it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Removal {
    /// It stays until `rm`.
    Keep,
    /// It goes (`run --rm`).
    AtExit,
}

impl Removal {
    /// What a power failure may take: nothing of a container that is kept, since its files are
    /// somebody's; all of one that would be gone at its end anyway.
    pub fn durability(self) -> Durability {
        match self {
            Self::Keep => Durability::Disk,
            Self::AtExit => Durability::Process,
        }
    }
}

/// How far a container has come, as its record says. [`Status`] is what is true now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It is being made. Where nobody holds its lock, whoever made it was killed.
    Creating,
    /// It can be started.
    Created,
    /// Its process was started.
    Running(Running),
    /// Its process has ended.
    Stopped(Exit),
    /// It is being removed. Where nobody holds its lock, whoever removed it was killed.
    Removing,
}

/// A container whose process was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its first process.
    pub init: ProcessId,
    /// Who waits for it: coffer in the foreground, or the monitor.
    pub parent: ProcessId,
    /// When it was started.
    pub started: Timestamp,
}

/// How a container's process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// What it returned.
    pub outcome: Outcome,
    /// When it was started, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended; where nobody saw it end, when that was found out.
    pub finished: Timestamp,
    /// Whether the kernel killed something in it for want of memory.
    pub oom_killed: bool,
    /// What of the disk it was about to take the last of, where it was ended for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_for: Option<Scarce>,
}

/// What a process returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It called exit with this status.
    Exited(u8),
    /// A signal with this number ended it.
    Killed(u8),
    /// Nobody was there to see: its monitor was killed, or the host went down.
    Unknown,
}

/// How a container is at the moment of asking: its record held against the processes there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Somebody is making it.
    Creating,
    /// It can be started.
    Created,
    /// Its first process is alive.
    Running(Running),
    /// Its process has ended.
    Stopped(Exit),
    /// Somebody is removing it.
    Removing,
    /// Whoever made or removed it was killed on the way; what is left of it can only be removed.
    Wreck,
}

/// Reads as any number but this build's as an error, so that a newer record is never misread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
struct Version;

impl TryFrom<u32> for Version {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        match number {
            VERSION => Ok(Self),
            _ => Err(format!("version {number} of the record; this coffer reads {VERSION}")),
        }
    }
}

impl From<Version> for u32 {
    fn from(_: Version) -> Self {
        VERSION
    }
}

impl Record {
    /// The record of a container that is about to be made.
    pub(super) fn new(id: ContainerId, name: Name, draft: Draft) -> Self {
        let Draft { name: _, image, manifest, command, labels, removal } = draft;
        Self {
            version: Version,
            id,
            name,
            also: None,
            image,
            manifest,
            command,
            created: Timestamp::now(),
            labels,
            volumes: Vec::new(),
            opened: Vec::new(),
            removal,
            cgroup: Place::default(),
            phase: Phase::Creating,
        }
    }
}

impl Record {
    /// Its first process, while it runs.
    pub(crate) fn init(&self) -> Option<&ProcessId> {
        match &self.phase {
            Phase::Running(running) => Some(&running.init),
            _ => None,
        }
    }

    /// When its process was started, whether it runs or has ended.
    pub fn started(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Running(running) => Some(running.started),
            Phase::Stopped(exit) => exit.started,
            _ => None,
        }
    }

    /// Whether its processes stand still: the kernel knows, and nobody else.
    ///
    /// # Errors
    /// Where its control groups cannot be read.
    pub fn is_paused(&self) -> Result<bool, CgroupError> {
        match self.phase {
            Phase::Running(_) => self.cgroup.is_frozen(),
            _ => Ok(false),
        }
    }

    /// When it counts as written. A container that is half made or half removed is a wreck after a
    /// power failure, whatever is left of its record.
    pub(super) fn durability(&self) -> Durability {
        match self.phase {
            Phase::Creating | Phase::Removing => Durability::Process,
            Phase::Created | Phase::Running(_) | Phase::Stopped(_) => self.removal.durability(),
        }
    }
}

impl Outcome {
    /// The exit code that a shell would show: 128 + the signal's number for one that was killed,
    /// and 137 (as for SIGKILL) where nobody knows.
    pub fn code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Killed(signal) => signal.saturating_add(128),
            Self::Unknown => 137,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn record() -> Record {
        let draft = Draft {
            name: None,
            image: "busybox".to_owned(),
            manifest: Some(Digest::of(b"m")),
            command: vec!["sh".to_owned()],
            labels: BTreeMap::new(),
            removal: Removal::Keep,
        };
        Record::new(ContainerId::random().unwrap(), "web".parse().unwrap(), draft)
    }

    #[test]
    fn a_record_reads_back() {
        let mut record = record();
        record.phase = Phase::Stopped(Exit {
            outcome: Outcome::Killed(9),
            started: Some(Timestamp::UNIX_EPOCH),
            finished: Timestamp::UNIX_EPOCH,
            oom_killed: true,
            ended_for: Some(Scarce::Bytes),
        });
        let text = serde_json::to_vec(&record).unwrap();
        assert_eq!(serde_json::from_slice::<Record>(&text).unwrap(), record);
    }

    #[test]
    fn another_version_is_refused() {
        let text = serde_json::to_string(&record()).unwrap();
        let newer = text.replace("\"version\":1", "\"version\":2");
        assert!(serde_json::from_str::<Record>(&newer).is_err());
    }

    #[test]
    fn codes_are_the_shells() {
        assert_eq!(Outcome::Exited(3).code(), 3);
        assert_eq!(Outcome::Killed(15).code(), 143);
        assert_eq!(Outcome::Unknown.code(), 137);
    }
}
