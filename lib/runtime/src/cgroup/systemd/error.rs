//! What can go wrong between coffer and systemd.

use std::io;
use std::time::Duration;

/// Why systemd did not do what was asked. A bus is named with its address, a unit with its name.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// systemd's groups are only made where all controllers are in version 2.
    #[error("systemd's scopes are made on cgroup v2 alone, which this host does not have")]
    NoV2,
    /// None of a bus's addresses can be read.
    #[error("{bus} has no address of a socket on this host")]
    Address {
        /// The bus.
        bus: String,
    },
    /// Nobody answers at the bus's address.
    #[error("{bus} cannot be reached")]
    Connect {
        /// The bus.
        bus: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The bus does not let the caller in.
    #[error("{bus} does not let this user in: {said:?}")]
    Refused {
        /// The bus.
        bus: String,
        /// What it said.
        said: String,
    },
    /// The conversation broke off.
    #[error("{bus} broke off")]
    Broken {
        /// The bus.
        bus: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What the bus sent is no message of D-Bus, or has not the arguments that it must have.
    #[error("{bus} sent what makes no sense")]
    Message {
        /// The bus.
        bus: String,
    },
    /// systemd, or the bus for it, refuses a call.
    #[error("systemd refuses {member} for {unit}: {text} ({name})")]
    Call {
        /// Which method.
        member: &'static str,
        /// About which unit.
        unit: String,
        /// The error's name.
        name: String,
        /// What it says.
        text: String,
    },
    /// A unit is neither started nor stopped.
    #[error("systemd's job for {unit} ended as {result:?}")]
    Job {
        /// Which unit.
        unit: String,
        /// The result, by systemd's word.
        result: String,
    },
    /// systemd takes too long.
    #[error("{bus} did not answer within {} s", patience.as_secs())]
    Late {
        /// The bus.
        bus: String,
        /// How long was waited.
        patience: Duration,
    },
    /// The unit is started, and the process is not in it.
    #[error("systemd did not put process {pid} into {unit}")]
    NotMoved {
        /// Which process.
        pid: i32,
        /// Which unit.
        unit: String,
    },
}

impl SystemdError {
    /// What to do about it, for a person.
    pub(in super::super) fn help(&self) -> Option<&'static str> {
        match self {
            Self::NoV2 => Some("use --cgroup-manager cgroupfs"),
            Self::Address { .. } | Self::Connect { .. } => {
                Some("use --cgroup-manager cgroupfs, or start dbus (loginctl enable-linger USER)")
            }
            _ => None,
        }
    }
}
