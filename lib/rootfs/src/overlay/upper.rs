//! A container's own folder: what it writes, above the layers.

use std::ffi::{CString, NulError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use coffer_sys::dir;
use rustix::fs::{Mode, OFlags};

use super::Paths;
use crate::Stack;
use crate::unpack::copy_folder;

const READ_FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// What the container writes.
const UPPER: &str = "upper";
/// overlay's own, on the same file system.
const WORK: &str = "work";

/// Where a container's own folders are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upper {
    /// The container's folder from the data root, such as `containers/<id>`.
    folder: String,
}

/// Why a container's own folder cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the writable layer in {folder}")]
pub struct UpperError {
    folder: String,
    #[source]
    source: io::Error,
}

impl Upper {
    /// The folders in `folder`, a path from the data root such as `containers/<id>`.
    pub fn new(folder: &str) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Makes the folders in `container`, which is open; they may be there already. The root of the
    /// container looks like that of the image: owner, mode, attributes, time.
    ///
    /// For an ordinary user this runs inside the user namespace with the container's ids.
    pub fn make(&self, container: BorrowedFd<'_>, stack: &Stack) -> Result<(), UpperError> {
        let failed = |source| UpperError { folder: self.folder.clone(), source };
        dir::make(container, WORK, Mode::RWXU).map_err(failed)?;
        let Some(top) = stack.layers().last() else { return Ok(()) };
        if dir::make(container, UPPER, Mode::RWXU).map_err(failed)? == dir::Made::New {
            let upper = dir::open_at(container, UPPER).map_err(failed)?;
            let root = rustix::fs::openat(top.tree(), c".", READ_FOLDER, Mode::empty());
            root.and_then(|root| copy_folder(root.as_fd(), upper.as_fd()))
                .map_err(|errno| failed(errno.into()))?;
        }
        Ok(())
    }

    pub(super) fn paths(&self) -> Result<Paths, NulError> {
        Ok(Paths {
            folder: CString::new(self.folder.as_str())?,
            upper: CString::new(UPPER)?,
            work: CString::new(WORK)?,
        })
    }
}
