//! Why something cannot be done with a volume.

use std::io;

use coffer_confine::ids::{IdsError, InsideError};
use coffer_rootfs::PlanError;

use super::VolumeName;
use crate::files::FilesError;

/// Why something cannot be done with a volume.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// There is none of that name.
    #[error("no such volume: {0}")]
    NotFound(VolumeName),
    /// Containers have it.
    #[error("volume {name} is in use by {}", by.join(", "))]
    InUse {
        /// Which.
        name: VolumeName,
        /// The names of the containers.
        by: Vec<String>,
    },
    /// What is written down of it makes no sense.
    #[error("what is written down of volume {name} makes no sense")]
    About {
        /// Which.
        name: VolumeName,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// What the image has for it cannot be copied.
    #[error("cannot copy into the volume what the image has at its place")]
    Fill(#[from] FilesError),
    /// The image cannot be looked at.
    #[error("cannot look at the image's files for the volume")]
    Image(#[from] PlanError),
    /// Ids on the host.
    #[error(transparent)]
    Ids(#[from] IdsError),
    /// Files that belong to those ids.
    #[error(transparent)]
    Inside(#[from] InsideError),
    /// The system refused.
    #[error("cannot {doing} {what} among the volumes")]
    System {
        /// What was to be done.
        doing: &'static str,
        /// To what.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl VolumeError {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NotFound(_) => Some("coffer volume ls lists those that are".to_owned()),
            Self::InUse { by, .. } => Some(format!("coffer rm {}", by.join(" "))),
            _ => None,
        }
    }
}

/// Adds what was done, and to what.
pub(super) trait At<T> {
    fn at(self, doing: &'static str, what: &str) -> Result<T, VolumeError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, doing: &'static str, what: &str) -> Result<T, VolumeError> {
        let what = what.to_owned();
        self.map_err(|error| VolumeError::System { doing, what, source: error.into() })
    }
}
