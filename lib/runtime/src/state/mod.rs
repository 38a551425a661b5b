//! What is known of containers on disk: one folder each, written whole, guarded by a lock.
//!
//! ```text
//! containers/<id>/state.json    the Record: small, rewritten at each change of phase
//! containers/<id>/config.json   the specification, the fence and the admission: written once
//! containers/<id>/…             logs, sockets and the writable layer
//! containers/names/<name>       a symbolic link whose text is the id
//! ```
//!
//! **Order.** Folder, lock, name, record, and only then anything outside the folder; removal goes
//! the other way round: what is outside, name, files, record, folder. So after kill -9 at any point
//! the folder is there as long as anything else is, and it says by its phase and its free lock that
//! it is a wreck ([`Status::Wreck`]), which the next command removes.
//!
//! **Locks.** One per folder, taken for one change of phase; the lock of `names` is taken inside it
//! and only to remove a stale name. Nothing waits for a container while it holds a lock.

mod containers;
mod folder;
mod id;
mod name;
mod process;
mod record;
mod rename;
mod watch;

use std::io;

pub use containers::{Containers, Listed};
pub use folder::{Folder, Locked};
pub use id::{ContainerId, IdError};
pub(crate) use name::is_name;
pub use name::{Name, NameError};
pub(crate) use process::wait_status;
pub use process::{BootId, ProcessId};
pub use record::{Draft, Exit, Outcome, Phase, Record, Removal, Running, Status};
pub use watch::Watch;

/// What can go wrong with the containers on disk.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The folder of all containers cannot be used.
    #[error("the folder of containers cannot be used")]
    Open {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No container is meant by this text.
    #[error("no such container: {text}")]
    NotFound {
        /// The text.
        text: String,
    },
    /// More than one id begins so.
    #[error("more than one container id begins with {text}")]
    Ambiguous {
        /// The text.
        text: String,
    },
    /// Another container has the name.
    #[error("the name {name} is in use by container {}", holder.short())]
    NameTaken {
        /// The name.
        name: Name,
        /// Who has it.
        holder: ContainerId,
    },
    /// It is called so already.
    #[error("the container is called {name} already")]
    SameName {
        /// How.
        name: Name,
    },
    /// The index cannot be read or changed for this name.
    #[error("the name {name} cannot be looked up or changed")]
    Name {
        /// The name.
        name: Name,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A container's folder cannot be used.
    #[error("the folder of container {} cannot be used", id.short())]
    Folder {
        /// Whose.
        id: ContainerId,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The container was removed by somebody else meanwhile.
    #[error("container {} was removed meanwhile", id.short())]
    Gone {
        /// Which.
        id: ContainerId,
    },
    /// Another command holds the lock.
    #[error("another command is at work on container {}", id.short())]
    Busy {
        /// Which.
        id: ContainerId,
    },
    /// Its record cannot be read.
    #[error("the record of container {} cannot be read", id.short())]
    Record {
        /// Whose.
        id: ContainerId,
        /// What the system or the parser said.
        #[source]
        source: io::Error,
    },
    /// Its record cannot be written.
    #[error("the record of container {} cannot be written", id.short())]
    Write {
        /// Whose.
        id: ContainerId,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its process cannot be asked for.
    #[error("the process of container {} cannot be looked at", id.short())]
    Process {
        /// Whose.
        id: ContainerId,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its folder cannot be watched.
    #[error("the folder of container {} cannot be watched", id.short())]
    Watch {
        /// Whose.
        id: ContainerId,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its folder cannot be removed.
    #[error("the folder of container {} cannot be removed", id.short())]
    Remove {
        /// Whose.
        id: ContainerId,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
