//! Why a fence cannot be put up.

use crate::capability::{CapSet, CapabilityError};
use crate::ids::{ContainerGid, ContainerUid, IdMapError};
use crate::rlimit::LimitError;
use crate::seccomp::{CompileError, ProfileError};
use crate::sysctl::SysctlError;

/// Why a fence cannot be put up. [`ConfinementError::help`] says how to go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfinementError {
    /// `--cap-add` or `--cap-drop` names no capability.
    #[error(transparent)]
    Capability(#[from] CapabilityError),
    /// A capability is newer than the kernel.
    #[error("this kernel does not know capability {0}")]
    KernelLacks(CapSet),
    /// The system call filter cannot be had.
    #[error(transparent)]
    Filter(#[from] ProfileError),
    /// The system call filter makes no program.
    #[error(transparent)]
    Program(CompileError),
    /// A limit cannot be set.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A kernel parameter cannot be set.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// The map of ids is one that the kernel refuses.
    #[error(transparent)]
    Ids(#[from] IdMapError),
    /// There is a user namespace and no map.
    #[error("the container has its own user namespace and no ids in it")]
    NoIds,
    /// There is a map and no user namespace.
    #[error("the container has ids of its own and no user namespace to have them in")]
    NoUserNamespace,
    /// A capability is in one set and not in the one that bounds it.
    #[error("{over} is not among {among}")]
    NotAmong {
        /// What is too much.
        over: CapSet,
        /// The set that bounds it.
        among: &'static str,
    },
    /// Calls are handed to nobody.
    #[error("SCMP_ACT_NOTIFY needs the socket of a listener")]
    NoListener,
    /// One of these, at a place of a bundle's configuration.
    #[error("{path}: {why}")]
    At {
        /// The place: `process.rlimits[0]`.
        path: String,
        /// What is wrong there.
        why: Box<ConfinementError>,
    },
    /// The user has no id on the host.
    #[error("user {0} is not among the container's ids")]
    UnmappedUser(ContainerUid),
    /// A group has no id on the host.
    #[error("group {0} is not among the container's ids")]
    UnmappedGroup(ContainerGid),
}

impl ConfinementError {
    /// The error, at a place of a bundle's configuration.
    pub(super) fn at(self, path: &str) -> Self {
        Self::At { path: path.to_owned(), why: Box::new(self) }
    }

    /// What to do about it, where that is one thing.
    pub fn help(&self) -> Option<&'static str> {
        Some(match self {
            Self::UnmappedUser(_) | Self::UnmappedGroup(_) => {
                "choose a smaller id with --user; an ordinary user gets more ids with \
                 usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME, as root"
            }
            Self::Limit(LimitError::AboveHost { .. }) => {
                "ask for less, or raise the host's: ulimit -H in the shell that starts coffer"
            }
            Self::Sysctl(SysctlError::Shared { .. }) => {
                "leave the namespace to the container, or set the parameter on the host"
            }
            Self::Sysctl(SysctlError::Host(_)) => "set it on the host, with sysctl -w",
            _ => return None,
        })
    }
}
