//! The open folders on the way to the current entry.
//!
//! Archives list a folder's content together, so the folder of an entry is nearly always the
//! folder of the one before, or close to it: opening it costs nothing, or one call.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::path::below;

/// The most folders that are kept open; the archive decides how deep it goes, not our fd limit.
const OPEN: usize = 32;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Stays below the tree, and follows no link of it.
const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

pub(super) struct Parents {
    root: OwnedFd,
    /// Folders that are open, each below the one before.
    open: Vec<(Vec<u8>, OwnedFd)>,
}

impl Parents {
    pub(super) fn new(root: OwnedFd) -> Self {
        Self { root, open: Vec::new() }
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens the folder at a clean path; the empty path is the root.
    ///
    /// # Errors
    /// `ENOENT` where it is missing, `ENOTDIR` where something on the way is no folder, `ELOOP`
    /// where it is a symbolic link. man 2 openat2.
    pub(super) fn open(&mut self, path: &[u8]) -> Result<BorrowedFd<'_>, Errno> {
        while self.open.last().is_some_and(|(folder, _)| below(path, folder).is_none()) {
            self.open.pop();
        }
        let (from, rest) = match self.open.last() {
            Some((folder, fd)) => (fd.as_fd(), below(path, folder).unwrap_or(path)),
            None => (self.root.as_fd(), path),
        };
        if !rest.is_empty() {
            let fd = coffer_sys::dir::open_within(from, rest, FOLDER, Mode::empty(), BENEATH)?;
            if self.open.len() == OPEN {
                self.open.remove(0);
            }
            self.open.push((path.to_vec(), fd));
        }
        Ok(self.open.last().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd()))
    }

    /// Forgets the folder at `path` and what is below it, because it goes away.
    pub(super) fn forget(&mut self, path: &[u8]) {
        self.open.retain(|(folder, _)| below(folder, path).is_none());
    }
}
