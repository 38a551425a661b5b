//! Why a container could not be made, started or ended.

use std::io;

use coffer_confine::ConfinementError;
use coffer_confine::ids::{IdsError, InsideError};
use coffer_confine::user::UserError;
use coffer_rootfs::{LayersError, LookupError, UpperError};
use serde::{Deserialize, Serialize};

use super::JoinError;
use crate::cgroup::CgroupError;
use crate::label::LabelError;
use crate::launch::LaunchError;
use crate::plan::PlanError;
use crate::spec::{DeviceError, MissingError, SpecError};
use crate::state::{ContainerId, Name, StateError};
use crate::volume::VolumeError;

/// Why something could not be done with a container.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// The containers on disk.
    #[error(transparent)]
    State(#[from] StateError),
    /// Control groups.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// Ids on the host.
    #[error(transparent)]
    Ids(#[from] IdsError),
    /// Files that belong to those ids.
    #[error(transparent)]
    Inside(#[from] InsideError),
    /// Volumes.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// Another container cannot be joined.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The user to run as.
    #[error(transparent)]
    User(#[from] UserError),
    /// The fence.
    #[error(transparent)]
    Confinement(#[from] ConfinementError),
    /// What security modules call it.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// A device of the host.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The specification.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A folder that `-v` makes cannot be made.
    #[error(transparent)]
    Missing(#[from] MissingError),
    /// The image's unpacked layers.
    #[error(transparent)]
    Layers(#[from] LayersError),
    /// A file of the image.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The writable layer.
    #[error(transparent)]
    Upper(#[from] UpperError),
    /// The mount of the root file system.
    #[error(transparent)]
    Overlay(#[from] coffer_rootfs::PlanError),
    /// The plan of the start.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// What the monitor reported.
    #[error(transparent)]
    Reported(#[from] Reported),
    /// The data root cannot be used.
    #[error("the data root {} cannot be used", path.display())]
    Root {
        /// Where it is.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The configuration cannot be read or written.
    #[error("the configuration of container {} makes no sense", id.short())]
    Config {
        /// Whose.
        id: ContainerId,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A signal that there is not.
    #[error("{0:?} is no signal")]
    Signal(String),
    /// A layer of the image is gone, or nobody knows whether the disk had it whole when the host
    /// went down. Who has the store can unpack it again.
    #[error("a layer of the container's image is not unpacked")]
    LayerMissing {
        /// Whose.
        id: ContainerId,
    },
    /// It does not run.
    #[error("container {name} is not running")]
    NotRunning {
        /// Which.
        name: Name,
    },
    /// It runs.
    #[error("container {name} is running")]
    Running {
        /// Which.
        name: Name,
    },
    /// Its processes stand still.
    #[error("container {name} is paused")]
    Paused {
        /// Which.
        name: Name,
    },
    /// It has no control group that could be frozen.
    #[error("container {name} cannot be paused: it has no control group that could be frozen")]
    CannotPause {
        /// Which.
        name: Name,
    },
    /// Its processes do not stand still.
    #[error("container {name} is not paused")]
    NotPaused {
        /// Which.
        name: Name,
    },
    /// It is being made or removed, or what is left of it can only be removed.
    #[error("container {text} is being made or removed")]
    Unsettled {
        /// What it was looked up by.
        text: String,
    },
    /// Nobody can attach to it.
    #[error("container {name} was started in the foreground by another coffer")]
    Foreground {
        /// Which.
        name: Name,
    },
    /// Its input and output cannot be carried.
    #[error("the input and output of container {} cannot be carried", id.short())]
    Carry {
        /// Whose.
        id: ContainerId,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What it wrote went nowhere.
    #[error("what container {} wrote is lost in part: the output cannot be written", id.short())]
    Output {
        /// Whose.
        id: ContainerId,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its monitor cannot be made, or ended without a word.
    #[error("the monitor of container {} cannot be started", id.short())]
    Monitor {
        /// Whose.
        id: ContainerId,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its process cannot be waited for or signalled.
    #[error("the process of container {} cannot be reached", id.short())]
    Process {
        /// Whose.
        id: ContainerId,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl ContainerError {
    /// What to do about it, for a person.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Cgroup(error) => error.help().map(str::to_owned),
            Self::Ids(error) => error.help(),
            Self::Inside(error) => error.help(),
            Self::Device(error) => error.help(),
            Self::User(UserError::NoUser(_)) => {
                Some("--user takes numbers too, such as --user 1000:1000".to_owned())
            }
            Self::User(UserError::NoGroup(_)) => {
                Some("groups may be numbers too, such as --user 0:1000".to_owned())
            }
            Self::Join(error) => error.help(),
            Self::Label(error) => error.help(),
            Self::Confinement(error) => error.help().map(str::to_owned),
            Self::Plan(error) => error.hint().map(str::to_owned),
            Self::Launch(error) => error.hint(),
            Self::Reported(reported) => reported.help.clone(),
            Self::State(StateError::NameTaken { name, .. }) => {
                Some(format!("remove it with: coffer rm {name}, or choose another --name"))
            }
            Self::Running { name } => Some(format!("stop it first: coffer stop {name}")),
            Self::CannotPause { .. } => Some(
                "an ordinary user needs a group of his own, on cgroup v2: \
                 systemd-run --user --scope -p Delegate=yes coffer run …"
                    .to_owned(),
            ),
            Self::Paused { name } => Some(format!("let it go on: coffer unpause {name}")),
            Self::NotRunning { name } => Some(format!("start it: coffer start {name}")),
            _ => None,
        }
    }

    /// The exit code that stands for it: 126 and 127 where the program was at fault, else 125.
    pub fn status(&self) -> u8 {
        match self {
            Self::Launch(error) => error.status(),
            Self::Reported(reported) => reported.status,
            _ => 125,
        }
    }
}

/// An error that happened in the monitor, as it came over the pipe: the same words.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Reported {
    message: String,
    #[source]
    source: Option<Box<Reported>>,
    /// What to do about it.
    pub help: Option<String>,
    /// The exit code that stands for it.
    pub status: u8,
}

impl Reported {
    pub(crate) fn new(error: &ContainerError) -> Self {
        let cause = std::error::Error::source(error).map(|cause| Box::new(Self::cause(cause)));
        Self {
            message: error.to_string(),
            source: cause,
            help: error.help(),
            status: error.status(),
        }
    }

    fn cause(error: &(dyn std::error::Error + 'static)) -> Self {
        let source = error.source().map(|cause| Box::new(Self::cause(cause)));
        Self { message: error.to_string(), source, help: None, status: 125 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    #[test]
    fn a_reported_error_says_the_same() {
        let id = ContainerId::random().unwrap();
        let source = io::Error::from_raw_os_error(2);
        let words = source.to_string();
        let reported = Reported::new(&ContainerError::Monitor { id, source });
        let text = serde_json::to_vec(&reported).unwrap();
        let read: Reported = serde_json::from_slice(&text).unwrap();
        assert_eq!(read.to_string(), reported.to_string());
        assert_eq!(read.source().unwrap().to_string(), words);
        assert_eq!(read.status, 125);
    }
}
