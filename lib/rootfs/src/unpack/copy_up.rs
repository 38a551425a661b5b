//! A file of a lower layer, copied into this one so that it can have another name.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{self as rfs, AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid};

use super::attributes::{Attributes, timestamps};
use super::error::At as _;
use super::{UnpackError, Unpacker};
use crate::path;
use crate::stack::merged::{LastLink, Leaf, Node};
use coffer_tar::Time;

impl Unpacker<'_> {
    /// Copies what the lower layers have at `target` to the same path in this layer, as overlay
    /// does before it makes a link to it. Gives its folder here, or `None` where they have none.
    ///
    /// `target` becomes the path without links.
    pub(super) fn copy_up(&mut self, target: &mut Vec<u8>) -> Result<Option<OwnedFd>, UnpackError> {
        let Some(lower) = self.lower()? else { return Ok(None) };
        let Some((real, node)) = lower.resolve(target, LastLink::Keep)? else { return Ok(None) };
        if self.hidden(&real)? {
            return Ok(None);
        }
        *target = real;
        self.real_parent(target)?;
        match node {
            Node::Folder(_) => return Ok(None),
            Node::Symlink { leaf, target: link } => {
                self.make(target, |fd, name| rfs::symlinkat(link.as_slice(), fd, name))?;
                self.copy_owner_and_time(target, leaf.stat())?;
            }
            Node::Leaf(leaf) => self.copy_leaf(target, &leaf)?,
        }
        let parent = path::split(target).0;
        self.parents
            .open(parent)
            .at("open", parent)?
            .try_clone_to_owned()
            .at("open", parent)
            .map(Some)
    }

    /// Whether this layer hides what the lower ones have at a path: by an opaque folder above it,
    /// or by something of its own on the way.
    fn hidden(&mut self, path: &[u8]) -> Result<bool, UnpackError> {
        if self.folders.hides(path) {
            return Ok(true);
        }
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            let (parent, name) = path::split(&path[..end]);
            let Ok(fd) = self.parents.open(parent) else { return Ok(false) };
            match rfs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {}
                Ok(_) => return Ok(true),
                Err(rustix::io::Errno::NOENT) => return Ok(false),
                Err(errno) => return Err(errno).at("look at", path),
            }
        }
        Ok(true)
    }

    fn copy_leaf(&mut self, path: &[u8], leaf: &Leaf) -> Result<(), UnpackError> {
        let stat = leaf.stat();
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::RegularFile {
            let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
            self.make(path, |fd, name| rfs::mknodat(fd, name, kind, mode, stat.st_rdev))?;
            return self.copy_owner_and_time(path, stat);
        }
        let from = leaf.open().at("open", path)?;
        let attributes = Attributes::read(from.as_fd()).at("read attributes of", path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let to = self.make(path, |fd, name| rfs::openat(fd, name, flags, Mode::RUSR))?;
        let to = File::from(to);
        std::io::copy(&mut &from, &mut &to).at("copy up", path)?;
        attributes.apply(to.as_fd()).at("set attributes of", path)?;
        Ok(())
    }

    /// Gives a symbolic link, pipe or device the owner and time that it has below.
    fn copy_owner_and_time(&mut self, path: &[u8], stat: &Stat) -> Result<(), UnpackError> {
        let (parent, name) = path::split(path);
        let fd = self.parents.open(parent).at("open", parent)?;
        let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
        rfs::chownat(fd, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .at("set the owner of", path)?;
        let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
        let time = Time { seconds: stat.st_mtime, nanoseconds };
        rfs::utimensat(fd, name, &timestamps(time), AtFlags::SYMLINK_NOFOLLOW)
            .at("set the time of", path)
    }
}
