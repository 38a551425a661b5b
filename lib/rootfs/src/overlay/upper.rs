//! A container's own folder: what it writes, above the layers.

use std::ffi::{CString, NulError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::dir;
use rustix::fs::{Mode, OFlags};

use super::Paths;
use crate::unpack::copy_folder;
use crate::{Layer, Stack};

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

/// A container's own folders, to be made when they are mounted.
#[derive(Debug)]
pub struct LaterUpper {
    container: OwnedFd,
    /// The tree of the topmost layer, where there is one.
    top: Option<OwnedFd>,
}

impl LaterUpper {
    pub(super) fn make(&self) -> io::Result<()> {
        make_in(self.container.as_fd(), self.top.as_ref().map(AsFd::as_fd))
    }
}

fn make_in(container: BorrowedFd<'_>, top: Option<BorrowedFd<'_>>) -> io::Result<()> {
    dir::make(container, WORK, Mode::RWXU)?;
    let Some(top) = top else { return Ok(()) };
    if dir::make(container, UPPER, Mode::RWXU)? == dir::Made::New {
        let upper = dir::open_at(container, UPPER)?;
        let root = rustix::fs::openat(top, c".", READ_FOLDER, Mode::empty())?;
        copy_folder(root.as_fd(), upper.as_fd())?;
    }
    Ok(())
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
        make_in(container, stack.layers().last().map(Layer::tree)).map_err(failed)
    }

    /// Opens what [`Self::make`] needs, to be made later, from within the user namespace: see
    /// [`super::OverlayPlan::making`].
    ///
    /// # Errors
    /// Where a descriptor cannot be had.
    pub fn later(
        &self,
        container: BorrowedFd<'_>,
        stack: &Stack,
    ) -> Result<LaterUpper, UpperError> {
        let own = |fd: BorrowedFd<'_>| fd.try_clone_to_owned();
        let failed = |source| UpperError { folder: self.folder.clone(), source };
        let top = stack.layers().last().map(|top| own(top.tree())).transpose();
        Ok(LaterUpper { container: own(container).map_err(failed)?, top: top.map_err(failed)? })
    }

    pub(super) fn paths(&self) -> Result<Paths, NulError> {
        Ok(Paths {
            folder: CString::new(self.folder.as_str())?,
            upper: CString::new(UPPER)?,
            work: CString::new(WORK)?,
        })
    }
}
