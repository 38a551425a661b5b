//! Why a layer cannot be unpacked.

use std::io;

use coffer_oci::Digest;
use rustix::io::Errno;

use crate::limits::LimitError;
use crate::path::PathFault;
use crate::stack::merged::LookupError;
use crate::{EntryPath, SourceError};
use coffer_tar::{Kind, TarError};

/// What is wrong with a hard link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkFault {
    /// Nothing is there.
    #[error("there is no such file in this layer or below")]
    Missing,
    /// It is a folder.
    #[error("it is a folder")]
    Folder,
    /// The path of the target cannot be used.
    #[error(transparent)]
    Path(PathFault),
}

/// Why a layer cannot be unpacked. Nothing of it is left then.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The bytes are no archive, or cannot be had.
    #[error(transparent)]
    Tar(#[from] TarError<SourceError>),
    /// The uncompressed archive is not the one that the image's configuration names.
    #[error("the layer unpacks to {found}, but the image's configuration says {expected}")]
    DiffId {
        /// What the configuration says.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// A limit was met.
    #[error("entry {path}")]
    Limit {
        /// The entry.
        path: EntryPath,
        /// Which limit.
        #[source]
        source: LimitError,
    },
    /// A path that cannot be used.
    #[error("entry {path} is refused: {fault}")]
    Path {
        /// The entry.
        path: EntryPath,
        /// What is wrong with it.
        fault: PathFault,
    },
    /// The root of the tree is said to be something else than a folder.
    #[error("an entry makes the root a {kind:?}")]
    Root {
        /// What it would be.
        kind: Kind,
    },
    /// A parent is a file, a pipe or a device.
    #[error("entry {path} lies below something that is no folder")]
    ParentNotFolder {
        /// The entry.
        path: EntryPath,
    },
    /// A parent is a symbolic link that leads to no folder of the same layer.
    #[error("entry {path} lies behind a symbolic link that leads to no folder of its layer")]
    ParentLink {
        /// The entry.
        path: EntryPath,
    },
    /// A hard link that cannot be made.
    #[error("entry {path} is refused: a hard link to {target}: {fault}")]
    Link {
        /// The entry.
        path: EntryPath,
        /// What it links to.
        target: EntryPath,
        /// What is wrong with that.
        fault: LinkFault,
    },
    /// A character device 0:0, which overlay would take for a whiteout.
    #[error("entry {path} is refused: a character device 0:0 is overlay's mark of a whiteout")]
    RawWhiteout {
        /// The entry.
        path: EntryPath,
    },
    /// An id that is not mapped into the user namespace.
    #[error("entry {path} belongs to user {uid} and group {gid}, and your ids do not reach so far")]
    Ids {
        /// The entry.
        path: EntryPath,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// A lower layer cannot be looked up.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// A lower layer, which this one needs, was not unpacked.
    #[error("a layer below was not unpacked")]
    Below,
    /// The system refused.
    #[error("cannot {action} {path}")]
    System {
        /// What was tried.
        action: &'static str,
        /// On what, from the root of the tree.
        path: EntryPath,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl UnpackError {
    pub(super) fn ids(path: &[u8], uid: u32, gid: u32) -> Self {
        Self::Ids { path: EntryPath::new(path), uid, gid }
    }
}

/// Says what was tried, and on what.
pub(super) trait At<T> {
    fn at(self, action: &'static str, path: &[u8]) -> Result<T, UnpackError>;
}

impl<T> At<T> for Result<T, Errno> {
    fn at(self, action: &'static str, path: &[u8]) -> Result<T, UnpackError> {
        self.map_err(io::Error::from).at(action, path)
    }
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &[u8]) -> Result<T, UnpackError> {
        self.map_err(|source| UnpackError::System { action, path: EntryPath::new(path), source })
    }
}
