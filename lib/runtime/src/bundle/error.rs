//! Why something could not be done with a bundle or its container.
//!
//! Where a caller is known to look for runc's words (containerd's `go-runc`, podman's `oci_util`),
//! they are runc's.

use std::io;
use std::path::PathBuf;

use coffer_confine::ConfinementError;
use rustix::io::Errno;

use super::{BundleId, BundleIdError, Status};
use crate::cgroup::CgroupError;
use crate::criu::CriuError;
use crate::gate::GateError;
use crate::launch::LaunchError;
use crate::plan::PlanError;
use crate::rdt::RdtError;

/// Why something could not be done with a bundle or its container.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The text is no id.
    #[error(transparent)]
    Id(#[from] BundleIdError),
    /// The bundle's folder cannot be opened.
    #[error("cannot open the bundle {}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no configuration.
    #[error("JSON specification file {} not found", path.display())]
    NoConfig {
        /// Where it should be.
        path: PathBuf,
    },
    /// The configuration cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The configuration makes no sense.
    #[error("{}: {at} cannot be understood", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where in it: a JSON path.
        at: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// The configuration names no root file system.
    #[error("{}: root.path is missing", path.display())]
    NoRoot {
        /// Which file.
        path: PathBuf,
    },
    /// Values of the configuration do not fit together.
    #[error("{at} {why}")]
    Config {
        /// Where: a JSON path.
        at: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// The folder of states cannot be used.
    #[error("the state folder {} cannot be used", path.display())]
    Home {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The container's folder cannot be used.
    #[error("the state of container {id} cannot be used")]
    Folder {
        /// Whose.
        id: BundleId,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What is written there is none of ours.
    #[error("the state of container {id} cannot be understood")]
    Saved {
        /// Whose.
        id: BundleId,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// There is no such container.
    #[error("container {id:?} does not exist", id = .0.as_str())]
    NotFound(BundleId),
    /// There is such a container.
    #[error("container with given ID already exists: {0}")]
    Exists(BundleId),
    /// Another command is at work on it.
    #[error("another command is at work on container {0}")]
    Busy(BundleId),
    /// It was started before.
    #[error("cannot start an already running container: {0}")]
    Started(BundleId),
    /// It has ended.
    #[error("cannot start a container that has stopped: {0}")]
    Stopped(BundleId),
    /// It does not run.
    #[error("container not running: {0}")]
    NotRunning(BundleId),
    /// It runs.
    #[error("cannot delete container {id} that is not stopped: {status}")]
    NotStopped {
        /// Which.
        id: BundleId,
        /// What it does.
        status: Status,
    },
    /// It is paused.
    #[error("cannot exec in a paused container (use --ignore-paused to override): {0}")]
    Paused(BundleId),
    /// It does something else than the verb needs.
    #[error("container {id} is {status}, and {verb} needs one that is {needed}")]
    WrongStatus {
        /// Which.
        id: BundleId,
        /// What it does.
        status: Status,
        /// Which verb.
        verb: &'static str,
        /// What it should do.
        needed: &'static str,
    },
    /// The fence.
    #[error(transparent)]
    Confinement(#[from] ConfinementError),
    /// The plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Control groups.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// The start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The gate.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// Its class of service.
    #[error(transparent)]
    Rdt(#[from] RdtError),
    /// It has no class of service that could be changed.
    #[error("container {0} has no class of service: its config.json has no linux.intelRdt")]
    NoClass(BundleId),
    /// Checkpoint or restore.
    #[error(transparent)]
    Criu(#[from] CriuError),
    /// The new process failed behind the gate.
    #[error("{0}")]
    Behind(String),
    /// The terminal cannot be given away.
    #[error("cannot send the terminal to {}", path.display())]
    Console {
        /// Where the socket is.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The process cannot be given away.
    #[error("cannot send the pidfd to {}", path.display())]
    PidfdSocket {
        /// Where the socket is.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The pid cannot be written down.
    #[error("cannot write the pid to {}", path.display())]
    PidFile {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It was killed, and does not go.
    #[error("process {pid} of container {id} does not end{tracer}")]
    Unending {
        /// Whose.
        id: BundleId,
        /// The first process.
        pid: i32,
        /// Who holds it, with the way on; or nothing.
        tracer: String,
    },
    /// The process cannot be looked at or signalled.
    #[error("the process of container {id} cannot be reached")]
    Process {
        /// Whose.
        id: BundleId,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl BundleError {
    /// The status that a program's caller expects: 126 and 127 where the program was at fault.
    pub fn status(&self) -> u8 {
        match self {
            Self::Launch(error) => error.status(),
            _ => 1,
        }
    }

    pub(super) fn folder(id: &BundleId) -> impl Fn(io::Error) -> Self + '_ {
        |source| Self::Folder { id: id.clone(), source }
    }

    pub(super) fn process(id: &BundleId) -> impl Fn(io::Error) -> Self + '_ {
        |source| Self::Process { id: id.clone(), source }
    }

    /// That a signal could not be sent: to a process that has gone is a word of its own.
    pub(super) fn signal(id: &BundleId, errno: Errno) -> Self {
        match errno {
            Errno::SRCH => Self::NotRunning(id.clone()),
            errno => Self::Process { id: id.clone(), source: errno.into() },
        }
    }
}
