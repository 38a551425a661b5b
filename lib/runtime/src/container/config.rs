//! What is written down once of a container: `config.json` in its folder.

use std::time::Duration;

use coffer_confine::Confinement;
use coffer_oci::Digest;
use coffer_oci::runtime::Spec;
use coffer_policy::Admission;
use serde::{Deserialize, Serialize};

use crate::cgroup::Limits;
use crate::hosts::OwnFile;
use crate::label::Relabel;
use crate::monitor::Stdin;
use crate::spec::{Init, Terminal};

/// How long a container may take to stop where nothing else is said. Source: docker stop.
const GRACE: Duration = Duration::from_secs(10);

/// All that is needed to start a container, again too, and to explain it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Who let it run.
    pub admission: Admission,
    /// What was asked for.
    pub spec: Spec,
    /// Files of coffer's own that it sees.
    #[serde(default)]
    pub files: Vec<OwnFile>,
    /// Its fence.
    pub confinement: Confinement,
    /// What of the host's gets another SELinux context as it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relabel: Vec<Relabel>,
    /// Whether others may join its System V objects, message queues and `/dev/shm`.
    #[serde(default)]
    pub ipc: Consent,
    /// What it may use.
    pub limits: Limits,
    /// The chain ids of the image's layers, lowest first.
    pub layers: Vec<Digest>,
    /// Who is process 1.
    pub init: Init,
    /// Whether it can be given input.
    pub stdin: Stdin,
    /// Whether it has a terminal.
    pub terminal: Terminal,
    /// The number of the signal that asks it to stop.
    pub stop_signal: i32,
    /// How long it may take to stop, in seconds, where the caller said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_timeout_seconds: Option<u64>,
}

/// Whether a container lets others have its namespace of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consent {
    /// It does not.
    #[default]
    Private,
    /// `--ipc shareable`.
    Shareable,
}

impl Config {
    /// How long the container may take to stop before it is killed.
    pub fn grace(&self) -> Duration {
        self.stop_timeout_seconds.map_or(GRACE, Duration::from_secs)
    }
}
