//! Why a fence cannot be put up.

use crate::capability::{CapSet, CapWord, CapabilityError};
use crate::ids::{ContainerGid, ContainerUid, IdMapError};
use crate::landlock::LandlockError;
use crate::rlimit::LimitError;
use crate::seccomp::{self, CompileError, ProfileError};
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
    /// A capability holds on the host, and the caller has not got it.
    #[error("{0} cannot be given on the host's ids: coffer was started without")]
    CallerLacks(CapSet),
    /// A capability is both added and dropped.
    #[error("{0} is both added (--cap-add) and dropped (--cap-drop)")]
    BothWays(CapWord),
    /// A profile of the caller's has a rule for something that is no system call.
    #[error(
        "the system call filter has a rule for {call:?}, which is no system call on any machine{}",
        nearest_call(call)
    )]
    UnknownCall {
        /// Its name for it.
        call: String,
    },
    /// Set-id programs would work with the host's ids.
    #[error("set-id programs would take on users of the host: the container has no ids of its own")]
    SetIdOnHost,
    /// The Landlock policy cannot be had.
    #[error(transparent)]
    Landlock(#[from] LandlockError),
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

/// `, did you mean …?`
fn nearest_call(name: &str) -> String {
    seccomp::nearest(name).map_or_else(String::new, |near| format!("; did you mean {near}?"))
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
                "choose a smaller id; an ordinary user gets more ids with \
                 usermod --add-subuids 100000-165535 --add-subgids 100000-165535 NAME, as root"
            }
            Self::Landlock(error) => return error.help(),
            Self::BothWays(_) => "leave one of the two flags out",
            Self::UnknownCall { .. } => {
                "correct the name in the profile, or take it out; coffer seccomp calls lists all"
            }
            Self::Filter(ProfileError::NoListener(_)) => {
                "name the listener's socket in the profile, as \"listenerPath\": \
                 \"/run/listener.sock\", or choose another action for the call"
            }
            Self::CallerLacks(_) => "leave out --userns host, or the capability",
            Self::SetIdOnHost => "leave out --allow-setuid, or --userns host",
            Self::NoUserNamespace => {
                "leave out --userns host: an ordinary user's container has ids of its own"
            }
            Self::Limit(LimitError::AboveHost { .. }) => {
                "ask for less, or raise the host's: ulimit -H in the shell that starts coffer"
            }
            Self::Sysctl(SysctlError::Shared { .. }) => {
                "leave the namespace to the container, or set the parameter on the host"
            }
            Self::Sysctl(SysctlError::Hostname) => "name it with --hostname",
            Self::Sysctl(SysctlError::Host(_)) => "set it on the host, with sysctl -w",
            _ => return None,
        })
    }
}
