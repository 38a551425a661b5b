//! Why a container cannot have its labels.

use std::io;
use std::path::PathBuf;

use coffer_confine::ids::{IdsError, InsideError};
use coffer_confine::selinux::Changes;

/// Why a container cannot have its labels. [`LabelError::help`] says how to go on.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// A profile is asked for by name.
    #[error("this host has no AppArmor, and no profile {0:?}")]
    NoAppArmor(String),
    /// No profile of this name.
    #[error("no AppArmor profile {0:?} is loaded")]
    NotLoaded(String),
    /// A context is asked for.
    #[error("this host has no SELinux, and no {0}")]
    NoSelinux(Changes),
    /// A context is asked for by an ordinary user who may not enter it.
    #[error("the SELinux policy of this host does not let this user enter {0}")]
    NotLet(String),
    /// The policy does not know a context.
    #[error("the SELinux policy of this host has no context {0}")]
    NoContext(String),
    /// No categories can be had.
    #[error(transparent)]
    Categories(#[from] IdsError),
    /// A folder that is not to be relabelled.
    #[error("{} is the host's own, and is not given to a container by its label", .0.display())]
    OfHost(PathBuf),
    /// A volume, or the layers.
    #[error("the files of {} cannot be relabelled", path.display())]
    Relabel {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The layers of an ordinary user's images.
    #[error("the layers cannot be relabelled")]
    Inside(#[from] InsideError),
    /// The program that makes profiles is missing.
    #[error("this host has AppArmor, and no apparmor_parser to make the container's profile with")]
    NoParser,
    /// It cannot be run.
    #[error("{} cannot be run", path.display())]
    Run {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It refuses what coffer wrote.
    #[error("apparmor_parser refuses the container's profile: {0}")]
    Refused(String),
    /// A file of the kernel's or of the container's.
    #[error("{what} cannot be {done}")]
    File {
        /// Which.
        what: String,
        /// What was tried.
        done: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl LabelError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::Categories(error) => return error.help(),
            Self::Inside(error) => return error.help(),
            Self::NoSelinux(_) | Self::NotLet(_) => "leave --security-opt label= out",
            Self::NoContext(_) => {
                "install a policy for containers (container-selinux), choose another with \
                 --security-opt label=type:, or go without: --security-opt label=disable"
            }
            Self::OfHost(_) => "choose a folder below it, or leave :z and :Z out",
            Self::Relabel { .. } => "leave :z and :Z out",
            Self::NoAppArmor(_) => "leave --security-opt apparmor= out",
            Self::NotLoaded(_) => {
                "load it: apparmor_parser --replace FILE; aa-status lists those that are loaded"
            }
            Self::NoParser | Self::Run { .. } => {
                "install it (apt install apparmor), or go without AppArmor: --security-opt \
                 apparmor=unconfined"
            }
            Self::Refused(_) => {
                "coffer needs AppArmor 3.0 or later; to go without it: --security-opt \
                 apparmor=unconfined"
            }
            Self::File { .. } => return None,
        };
        Some(help.to_owned())
    }
}
