//! What goes wrong with the store itself.

use std::io;
use std::path::PathBuf;

use coffer_oci::Digest;

/// Why the store could not do something with a file of its own.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data root could not be made or opened.
    #[error("cannot use the data root {}", path.display())]
    Root {
        /// The data root.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The data root is somebody else's, or others may write to it.
    #[error("data root {} belongs to user {owner} with mode {mode:o}; it must be yours, with mode 700", path.display())]
    NotOurs {
        /// The data root.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// A lock could not be taken.
    #[error("cannot lock {name} in the data root")]
    Lock {
        /// Which lock.
        name: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file or folder below the root could not be used.
    #[error("cannot use {name} in the data root")]
    File {
        /// Its name from the root.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no such blob.
    #[error("blob {0} is not in the store")]
    Missing(Digest),
    /// A blob is longer than the caller can take.
    #[error("blob {digest} has {size} bytes; at most {limit} are read here")]
    TooLong {
        /// Which blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A blob on disk has another size than its descriptor says.
    #[error("blob {digest} should have {expected} bytes and has {found}")]
    Size {
        /// Which blob.
        digest: Digest,
        /// What its descriptor says, in bytes.
        expected: u64,
        /// What the file has, in bytes.
        found: u64,
    },
    /// A blob on disk is not what its name says.
    #[error("blob {digest} is corrupt: its bytes hash to {found}")]
    Corrupt {
        /// Which blob.
        digest: Digest,
        /// What its bytes hash to.
        found: Digest,
    },
    /// A blob could not be put.
    #[error(transparent)]
    Write(#[from] crate::WriteError),
}

impl StoreError {
    /// What to do about it, for a person.
    pub fn help(&self) -> Option<String> {
        let Self::NotOurs { path, .. } = self else { return None };
        let shown = path.display();
        Some(format!("where it is nobody else's: chmod 700 {shown}; or another folder: --root DIR"))
    }

    /// For `map_err` on a file below the root.
    pub(crate) fn file(name: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let name = name.into();
        move |source| Self::File { name, source }
    }
}
