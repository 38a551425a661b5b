//! Owners, modes and times of what is made.

use std::os::fd::BorrowedFd;

use coffer_rootfs::EntryPath;
use coffer_tar::Entry;
use rustix::fs::{self as rfs, AtFlags, Gid, Mode, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::FilesError;
use super::error::At as _;

/// Whose files become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// Whoever makes them.
    Maker,
    /// Those that the archive names.
    Archived,
}

/// Which bits of a mode files get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modes {
    /// All but those by which others would get their owner's rights.
    Plain,
    /// All.
    Whole,
}

/// How files are made.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// Whose they become.
    pub owners: Owners,
    /// With which modes.
    pub modes: Modes,
}

impl How {
    /// Sets them on what is open. A change of the owner takes bits of the mode away (man 2 chown).
    pub(super) fn set(
        self,
        file: BorrowedFd<'_>,
        path: &[u8],
        entry: &Entry,
    ) -> Result<(), FilesError> {
        if let Some((uid, gid)) = self.owner(entry) {
            owned(rfs::fchown(file, Some(uid), Some(gid)), path, entry)?;
        }
        rfs::fchmod(file, self.mode(entry)).at("set the mode of", path)?;
        rfs::futimens(file, &times(entry)).at("set the time of", path)
    }

    /// The same for what cannot be opened; it has its mode.
    pub(super) fn set_by_name(
        self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        entry: &Entry,
    ) -> Result<(), FilesError> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        if let Some((uid, gid)) = self.owner(entry) {
            owned(rfs::chownat(parent, name, Some(uid), Some(gid), flags), path, entry)?;
        }
        rfs::utimensat(parent, name, &times(entry), flags).at("set the time of", path)
    }

    fn owner(self, entry: &Entry) -> Option<(Uid, Gid)> {
        let owner = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        (self.owners == Owners::Archived).then_some(owner)
    }

    pub(super) fn mode(self, entry: &Entry) -> Mode {
        let bits = match self.modes {
            Modes::Plain => 0o1777,
            Modes::Whole => 0o7777,
        };
        Mode::from_raw_mode(entry.mode & bits)
    }
}

fn owned(done: rustix::io::Result<()>, path: &[u8], entry: &Entry) -> Result<(), FilesError> {
    match done {
        Err(Errno::INVAL) => {
            let (uid, gid) = (entry.uid, entry.gid);
            Err(FilesError::Owner { path: EntryPath::new(path), uid, gid })
        }
        done => done.at("set the owner of", path),
    }
}

fn times(entry: &Entry) -> Timestamps {
    let time =
        Timespec { tv_sec: entry.mtime.seconds, tv_nsec: i64::from(entry.mtime.nanoseconds) };
    Timestamps { last_access: time, last_modification: time }
}
