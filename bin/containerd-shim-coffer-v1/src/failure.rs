//! Why a request of containerd's was not done.

use thiserror::Error;

use crate::bundle::BundleError;
use crate::io::IoError;
use crate::journal::chain;
use crate::rootfs::RootfsError;
use crate::runtime::RuntimeError;
use crate::wire::call::{Code, Status};

/// What is answered instead of a result. containerd and its clients act upon the code.
#[derive(Debug, Error)]
pub enum Failure {
    /// The container is not here.
    #[error("container {0}: not found")]
    NoContainer(String),
    /// The exec is not here.
    #[error("exec {exec} in container {container}: not found")]
    NoExec {
        /// The container.
        container: String,
        /// The exec.
        exec: String,
    },
    /// The id is taken.
    #[error("{0}: already exists")]
    Exists(String),
    /// Clients take exactly these words for "nothing to kill".
    #[error("process already finished: {0}: not found")]
    Finished(String),
    /// It is in a state in which this cannot be done.
    #[error("{subject} is {state}: cannot {verb}")]
    State {
        /// The container or exec.
        subject: String,
        /// How it is.
        state: &'static str,
        /// What was asked for.
        verb: &'static str,
    },
    /// The shim does not do this.
    #[error("{0} is not implemented")]
    Unimplemented(String),
    /// The request makes no sense.
    #[error("{field}: {reason}")]
    Invalid {
        /// What is wrong, by its name in the message.
        field: &'static str,
        /// Why.
        reason: String,
    },
    /// The request is no message of the kind that the method takes.
    #[error("the request cannot be read")]
    Message(#[from] prost::DecodeError),
    /// The bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Input or output cannot be set up.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The root cannot be mounted.
    #[error(transparent)]
    Rootfs(#[from] RootfsError),
    /// The OCI runtime failed.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A system call on a process failed.
    #[error("{what} of process {pid}")]
    Process {
        /// What was tried.
        what: &'static str,
        /// The process.
        pid: i32,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The container's control group cannot be read.
    #[error("the control group of {container} cannot be read")]
    Group {
        /// The container.
        container: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

impl Failure {
    /// The failure as ttrpc carries it.
    #[must_use]
    pub fn status(&self) -> Status {
        Status { code: self.code().into(), message: chain(self) }
    }

    const fn code(&self) -> Code {
        match self {
            Self::NoContainer(_) | Self::NoExec { .. } | Self::Finished(_) => Code::NotFound,
            Self::Exists(_) => Code::AlreadyExists,
            Self::State { .. } => Code::FailedPrecondition,
            Self::Unimplemented(_) => Code::Unimplemented,
            Self::Invalid { .. } | Self::Message(_) => Code::InvalidArgument,
            Self::Bundle(_)
            | Self::Io(_)
            | Self::Rootfs(_)
            | Self::Runtime(_)
            | Self::Process { .. }
            | Self::Group { .. } => Code::Unknown,
        }
    }
}
