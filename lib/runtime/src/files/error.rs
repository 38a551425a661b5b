//! Why files cannot be carried.

use std::io;

use coffer_rootfs::EntryPath;
use coffer_tar::TarError;

/// Why something was not copied. Paths are those inside the tree.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The root of the tree cannot be held.
    #[error("cannot hold the root of the files")]
    Root(#[source] io::Error),
    /// Nothing is there.
    #[error("there is no {0}")]
    NotFound(EntryPath),
    /// A folder is wanted.
    #[error("{0} is no folder")]
    NotFolder(EntryPath),
    /// The folder that something is to be put into is not there.
    #[error("there is no folder {0}")]
    NoFolder(EntryPath),
    /// A folder cannot take a file's place.
    #[error("a folder cannot be copied over {0}, which is none")]
    FolderOverFile(EntryPath),
    /// A file cannot take a folder's place.
    #[error("{0} is a folder, and what is copied there is none")]
    FileOverFolder(EntryPath),
    /// A link leads to a link, and so on.
    #[error("too many symbolic links on the way to {0}")]
    Links(EntryPath),
    /// It is a file system of the kernel's.
    #[error("{0} is the kernel's own: it is no place for files")]
    Kernels(EntryPath),
    /// An entry of an archive that leads up.
    #[error("the archive names {0}, which leads out of the folder")]
    Up(EntryPath),
    /// A hard link to a file that the archive has not brought.
    #[error("the archive links {0} to a file that it has not brought")]
    Link(EntryPath),
    /// It lies too deep.
    #[error("{0} lies more than {max} folders deep", max = super::DEEPEST)]
    Deep(EntryPath),
    /// A file became shorter, or something else.
    #[error("{0} changed while it was copied")]
    Changed(EntryPath),
    /// An owner that there is not in the tree.
    #[error("{path} belongs to {uid}:{gid}, which are no ids here")]
    Owner {
        /// Whose owner.
        path: EntryPath,
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    },
    /// The archive makes no sense, or ends early.
    #[error(transparent)]
    Tar(#[from] TarError<io::Error>),
    /// The archive cannot be written.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
    /// The system refused.
    #[error("cannot {doing} {path}")]
    System {
        /// What.
        doing: &'static str,
        /// Where.
        path: EntryPath,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl FilesError {
    /// Whether this only says that the other side of a pipe has gone, who knows why.
    #[must_use]
    pub fn is_of_other_side(&self) -> bool {
        match self {
            Self::Tar(TarError::Truncated { .. }) => true,
            Self::Write(error) => error.kind() == io::ErrorKind::BrokenPipe,
            _ => false,
        }
    }
}

/// Adds what was done, and where.
pub(super) trait At<T> {
    fn at(self, doing: &'static str, path: &[u8]) -> Result<T, FilesError>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, doing: &'static str, path: &[u8]) -> Result<T, FilesError> {
        self.map_err(|source| FilesError::System {
            doing,
            path: EntryPath::new(path),
            source: source.into(),
        })
    }
}
