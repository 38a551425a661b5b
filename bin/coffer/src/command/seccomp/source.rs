//! Where a filter comes from.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use coffer_confine::ConfinementError;
use coffer_confine::capability::{CapSet, words};
use coffer_confine::confinement::Host;
use coffer_confine::seccomp::{Profile, default, docker};

use crate::failure::Failure;
use crate::flags;

/// A filter as it is named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Coffer's own.
    Default,
    /// A file.
    File(PathBuf),
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "default" { Self::Default } else { Self::File(text.into()) })
    }
}

/// What the container is granted: filters open calls by it.
#[derive(Debug, clap::Args)]
pub(super) struct Granted {
    /// For a container that has this capability beside the default ones
    #[arg(long, value_name = "NAME")]
    cap_add: Vec<String>,
}

impl Granted {
    /// The capabilities.
    pub(super) fn set(&self) -> Result<CapSet, Failure> {
        let add = words(&self.cap_add).map_err(ConfinementError::from)?;
        let known = Host::read().capabilities;
        Ok(coffer_confine::capability::tweak(CapSet::DEFAULT, known, &add, &[]))
    }
}

impl Source {
    /// The filter of a container that is granted `granted`.
    pub(super) fn read(&self, granted: CapSet) -> Result<Profile, Failure> {
        match self {
            Self::Default => Ok(default::profile(granted)),
            Self::File(path) => {
                let filter = flags::profile(path, granted, docker::Host::read())?;
                let mut profile = Profile::from_oci(&filter)
                    .map_err(|error| Failure::from(error).at(path.display().to_string()))?;
                match profile.drop_unknown().into_iter().next() {
                    None => Ok(profile),
                    Some(call) => {
                        let error = ConfinementError::UnknownCall { call };
                        let failure = Failure::new(error.to_string());
                        let failure = failure.at(path.display().to_string());
                        Err(error.help().into_iter().fold(failure, Failure::help))
                    }
                }
            }
        }
    }
}
