//! Why a container gets no ids.

use std::io;
use std::path::PathBuf;

use super::{HostUid, IdMapError};

/// Why a container gets no ids. [`IdsError::help`] says what to type.
#[derive(Debug, thiserror::Error)]
pub enum IdsError {
    /// The container has no folder, so its range would be taken back at once.
    #[error("container {0} has no folder in the data root")]
    NoContainer(String),
    /// The name cannot be written into the pool.
    #[error("{0:?} cannot be a container's id")]
    Name(String),
    /// The pool's file cannot be read or written.
    #[error("cannot {what} {file} in the data root")]
    Pool {
        /// What was tried.
        what: &'static str,
        /// Which file.
        file: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The pool's file has a line that we did not write.
    #[error("line {0} of ids in the data root is malformed")]
    BadPool(usize),
    /// All ranges are taken.
    #[error("all {0} ranges of ids are taken by containers")]
    Exhausted(usize),
    /// A range that a container had went to another.
    #[error("the ids from {first} on belong to container {by} now")]
    TakenBy {
        /// The first id of the range.
        first: HostUid,
        /// Who has it.
        by: String,
    },
    /// The container's files belong to sub-ids that the caller had before.
    #[error("the sub-ids that this host lends you are not those that the container was made with")]
    Changed,
    /// A recorded range reaches beyond the last id.
    #[error("no range of ids begins at {0}")]
    NoRange(HostUid),
    /// What is lent for containers belongs to the host.
    #[error("the ids lent to containers begin at {0}, among the host's own users")]
    OfHost(HostUid),
    /// One file lends ids to containers, and the other does not.
    #[error("{0} lends no ids to containers, and the other of the two files does")]
    HalfLent(&'static str),
    /// What is lent for containers is not enough for one.
    #[error("the ids lent to containers have no 65536 in a row that are nobody else's")]
    TooFew,
    /// A file of the host cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The caller's line in a file of sub-ids is malformed.
    #[error("line {line} of {path} is malformed")]
    BadSubIds {
        /// Which file.
        path: &'static str,
        /// Which line, from 1.
        line: usize,
    },
    /// The caller has no sub-ids.
    #[error("{who} has no ids to lend to containers in {path}")]
    NoSubIds {
        /// The caller: its name, or its number where it has none.
        who: String,
        /// Which file.
        path: &'static str,
    },
    /// A map that the kernel would refuse, from what the host lends.
    #[error("the ids that the host lends cannot be used")]
    Map(#[from] IdMapError),
    /// The program that maps sub-ids is not installed.
    #[error("{0} is not installed, and without it an ordinary user has only one id")]
    NoHelper(&'static str),
    /// It could not be started.
    #[error("cannot start {}", .path.display())]
    StartHelper {
        /// Which program.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It refused.
    #[error("{} refused: {said}", .path.display())]
    Helper {
        /// Which program.
        path: PathBuf,
        /// What it said.
        said: String,
    },
    /// The kernel refused the map.
    #[error("cannot write {file} of process {pid}")]
    Write {
        /// Which file below `/proc/<pid>`.
        file: &'static str,
        /// Whose.
        pid: i32,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl IdsError {
    /// What to type, where something can be typed.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Exhausted(_) => "remove containers: coffer rm; or lend more: a line \
                                   containers:START:COUNT in /etc/subuid and /etc/subgid"
                .to_owned(),
            Self::OfHost(_) | Self::HalfLent(_) | Self::TooFew => {
                "correct the lines of containers in /etc/subuid and /etc/subgid, as \
                 containers:START:COUNT with a START above all users and a COUNT of 65536 or more; \
                 without such lines coffer has ids of its own"
                    .to_owned()
            }
            Self::TakenBy { .. } => {
                "make the container anew: coffer rm, then coffer create".to_owned()
            }
            Self::Changed => "put your lines in /etc/subuid and /etc/subgid back, or make the \
                              container anew"
                .to_owned(),
            Self::NoSubIds { who, .. } => format!(
                "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {who}"
            ),
            Self::NoHelper(_) => {
                "as root: apt install uidmap (Debian), dnf install shadow-utils (Fedora), \
                 apk add shadow-subids (Alpine)"
                    .to_owned()
            }
            Self::Helper { path, .. } => format!(
                "see that {} is setuid root or has file capabilities, and that the ids are the \
                 caller's in /etc/subuid and /etc/subgid",
                path.display()
            ),
            Self::Write { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "coffer runs in a user namespace or container that has not the ids that it wants \
                 to lend; run it as an ordinary user there"
                    .to_owned()
            }
            _ => return None,
        })
    }
}

/// A user in words, for errors.
pub(super) fn who(name: Option<&str>, uid: HostUid) -> String {
    name.map_or_else(|| uid.to_string(), ToOwned::to_owned)
}
