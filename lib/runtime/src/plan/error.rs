//! Why a container cannot be started as it was asked for.

use std::ffi::NulError;
use std::path::PathBuf;

use coffer_confine::confinement::ConfinementError;
use coffer_confine::ids::{ContainerGid, ContainerUid};
use coffer_confine::rlimit::LimitError;
use rustix::io::Errno;

use super::{OptionError, TargetError};

/// Why a container cannot be started as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A part of the specification that every container needs.
    #[error("the specification has no {0}")]
    Missing(&'static str),
    /// Something that coffer does not do. It is not left out silently.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// An ordinary user cannot do without a user namespace.
    #[error("only root can run a container without a user namespace")]
    NotRoot,
    /// The fence cannot be put up.
    #[error("the fence cannot be put up")]
    Confinement(#[from] ConfinementError),
    /// The process's user is nobody in the container.
    #[error("user {uid}:{gid} is outside the container's range of ids")]
    UnmappedUser {
        /// The user.
        uid: ContainerUid,
        /// The group.
        gid: ContainerGid,
    },
    /// Something cannot be mounted where it should be.
    #[error("nothing can be mounted there")]
    Target(#[from] TargetError),
    /// A mount has options that make no sense.
    #[error("the mount on {target} has an option that is not understood")]
    Options {
        /// Where it should be mounted.
        target: String,
        /// Which option.
        #[source]
        source: OptionError,
    },
    /// What should be mounted cannot be opened.
    #[error("cannot open {} to mount it", path.display())]
    Source {
        /// Its path on the host.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// A value of a bundle's configuration that cannot be had.
    #[error("{path}: {why}")]
    Field {
        /// Its place: `linux.devices[0].type`.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// One of these, at a place of a bundle's configuration.
    #[error("{path}: {why}")]
    At {
        /// The place.
        path: String,
        /// What is wrong there.
        why: Box<PlanError>,
    },
    /// A namespace that is to be joined cannot be opened.
    #[error("cannot open the namespace {path}")]
    Namespace {
        /// Its path.
        path: String,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// The ids of a user namespace that is to be joined cannot be read.
    #[error("cannot read the ids of the user namespace")]
    Ids(#[source] std::io::Error),
    /// The user namespace by which a mount's owners are mapped cannot be made.
    #[error("cannot make a user namespace to map a mount's owners by")]
    Mapping(#[source] std::io::Error),
    /// A memory policy that takes no nodes has some.
    #[error("{mode} mode requires 0 nodes but got {got}")]
    Nodes {
        /// Its mode.
        mode: String,
        /// How many it has.
        got: usize,
    },
    /// The listener of the system call filter cannot be reached.
    #[error("failed to connect with seccomp agent at {path}")]
    Listener {
        /// Its socket.
        path: String,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// The state for hooks cannot be written down.
    #[error("cannot write the container's state for a hook")]
    State(#[source] serde_json::Error),
    /// Coffer cannot look at its own namespaces.
    #[error("cannot look at coffer's own namespaces in /proc")]
    OwnNamespaces(#[source] Errno),
    /// A file of the host's that is made up for the container cannot be read.
    #[error("cannot read /proc/{name}")]
    HostFile {
        /// Its name.
        name: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// There are no random numbers.
    #[error("cannot get random numbers")]
    Random(#[source] Errno),
    /// Coffer cannot look at its own binary.
    #[error("cannot look at coffer's own binary in /proc")]
    OwnBinary(#[source] Errno),
    /// The descriptor of the container's process cannot be kept.
    #[error("cannot keep the container's process open")]
    Keep(#[source] Errno),
    /// More mounts than can be handed over.
    #[error("{0} volumes are too many; the most is {max}", max = crate::launch::MAX_FDS)]
    TooManyMounts(usize),
    /// A limit that there is not.
    #[error("a resource limit cannot be set")]
    Limit(#[source] LimitError),
    /// There is nothing to execute.
    #[error("process.args names no program to execute")]
    NoProgram,
    /// A string that cannot be passed to the kernel.
    #[error("{subject} contains a null byte")]
    NullByte {
        /// What it belongs to.
        subject: &'static str,
        /// Where.
        #[source]
        source: NulError,
    },
}

impl PlanError {
    /// That the value at `path` cannot be had.
    pub(crate) fn field(path: &str, why: &'static str) -> Self {
        Self::Field { path: path.to_owned(), why }
    }

    /// The error, below the place `above` of a bundle's configuration.
    pub(super) fn at(self, above: &str) -> Self {
        match self {
            Self::Field { path, why } => Self::Field { path: format!("{above}.{path}"), why },
            Self::At { path, why } => Self::At { path: format!("{above}.{path}"), why },
            other => Self::At { path: above.to_owned(), why: Box::new(other) },
        }
    }

    /// What would help, in the words of flags.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Confinement(error) => error.help(),
            Self::NoProgram => Some("name a program after the image, or --entrypoint"),
            Self::UnmappedUser { .. } => Some("choose another with --user"),
            Self::Source { source: Errno::NOENT, .. } => {
                Some("-v makes a folder where there is none; --mount does not")
            }
            _ => None,
        }
    }
}
