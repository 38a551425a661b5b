//! Making one entry. Each tries the call first and looks only when something is in its way.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::tree;
use rustix::fs::{self as rfs, AtFlags, FileType, Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::Errno;

use super::attributes::{Attributes, SPECIAL, apply_by_name, set_xattrs, timestamps};
use super::error::At as _;
use super::{LinkFault, UnpackError, Unpacker};
use crate::path;
use crate::stack::merged::is_whiteout;
use crate::{EntryPath, Flavour, Source};
use coffer_tar::{Entry, Kind, Reader};

const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// What was in the way of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cleared {
    Whiteout,
    Other,
}

impl Unpacker<'_> {
    pub(super) fn folder(&mut self, path: &[u8], entry: &mut Entry) -> Result<(), UnpackError> {
        let (parent, name) = path::split(path);
        let fd = self.parents.open(parent).at("open", parent)?;
        match rfs::mkdirat(fd, name, Mode::RWXU) {
            Ok(()) => {}
            Err(Errno::EXIST) if is_folder(fd, name).at("look at", path)? => {}
            Err(Errno::EXIST) => {
                let was = self.clear(path)?;
                self.make_folder(path)?;
                if was == Cleared::Whiteout {
                    self.folders.hide_below(path);
                }
            }
            Err(errno) => return Err(errno).at("make the folder", path),
        }
        self.folders.explicit(path, Attributes::of(entry));
        Ok(())
    }

    pub(super) fn file(
        &mut self,
        path: &[u8],
        entry: &Entry,
        reader: &mut Reader<Source<'_>>,
    ) -> Result<(), UnpackError> {
        let mode = Mode::from_raw_mode(entry.mode & !SPECIAL);
        let file = self.make(path, |fd, name| rfs::openat(fd, name, NEW_FILE, mode))?;
        match &entry.sparse {
            None => write_data(&file, reader, path)?,
            Some(_) => write_sparse(&file, entry, reader, path)?,
        }
        if (entry.uid, entry.gid) != self.own {
            let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
            owned(rfs::fchown(&file, Some(uid), Some(gid)), path, entry)?;
        }
        if entry.mode & SPECIAL != 0 {
            rfs::fchmod(&file, Mode::from_raw_mode(entry.mode)).at("set the mode of", path)?;
        }
        let left_out = set_xattrs(&entry.xattrs, |name, value| {
            rfs::fsetxattr(&file, name, value, XattrFlags::empty())
        });
        self.report.xattrs_left_out += left_out.at("set attributes of", path)?;
        rfs::futimens(&file, &timestamps(entry.mtime)).at("set the time of", path)
    }

    pub(super) fn symlink(&mut self, path: &[u8], entry: &Entry) -> Result<(), UnpackError> {
        self.make(path, |fd, name| rfs::symlinkat(entry.link.as_slice(), fd, name))?;
        self.attributes_by_name(path, entry)
    }

    /// Makes a named pipe or a device. As an ordinary user a device is left out, as podman does.
    pub(super) fn node(&mut self, path: &[u8], entry: &Entry) -> Result<(), UnpackError> {
        let kind = match entry.kind {
            Kind::CharDevice if entry.device == (0, 0) => {
                return Err(UnpackError::RawWhiteout { path: EntryPath::new(path) });
            }
            Kind::Fifo => FileType::Fifo,
            Kind::CharDevice | Kind::BlockDevice if self.flavour == Flavour::User => {
                self.report.devices_left_out += 1;
                return Ok(());
            }
            Kind::CharDevice => FileType::CharacterDevice,
            _ => FileType::BlockDevice,
        };
        let mode = Mode::from_raw_mode(entry.mode);
        let device = rfs::makedev(entry.device.0, entry.device.1);
        self.make(path, |fd, name| rfs::mknodat(fd, name, kind, mode, device))?;
        self.attributes_by_name(path, entry)?;
        if entry.mode & SPECIAL == 0 {
            return Ok(());
        }
        let (parent, name) = path::split(path);
        let fd = self.parents.open(parent).at("open", parent)?;
        rfs::chmodat(fd, name, mode, AtFlags::empty()).at("set the mode of", path)
    }

    pub(super) fn hard_link(&mut self, path: &[u8], entry: &Entry) -> Result<(), UnpackError> {
        let refused = |fault| UnpackError::Link {
            path: EntryPath::new(path),
            target: EntryPath::new(&entry.link),
            fault,
        };
        let mut target = Vec::new();
        let depth = path::clean(&entry.link, &mut target)
            .map_err(|fault| refused(LinkFault::Path(fault)))?;
        self.budget
            .check_path(target.len(), depth)
            .map_err(|source| UnpackError::Limit { path: EntryPath::new(&entry.link), source })?;
        if target.is_empty() {
            return Err(refused(LinkFault::Folder));
        }
        let source = match self.link_source(&mut target)? {
            Some(fd) => fd,
            None => self.copy_up(&mut target)?.ok_or_else(|| refused(LinkFault::Missing))?,
        };
        let name = path::split(&target).1;
        let stat = rfs::statat(&source, name, AtFlags::SYMLINK_NOFOLLOW).at("look at", &target)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            return Err(refused(LinkFault::Folder));
        }
        if target == path {
            return Ok(());
        }
        self.make(path, |fd, new| rfs::linkat(&source, name, fd, new, AtFlags::empty())).map_err(
            |error| match error {
                // What was in the way of the link was a folder with the target in it.
                UnpackError::System { source, .. }
                    if source.kind() == std::io::ErrorKind::NotFound =>
                {
                    refused(LinkFault::Missing)
                }
                other => other,
            },
        )
    }

    /// The folder of a link's target, where this layer has it. Links on the way are resolved.
    fn link_source(&mut self, target: &mut Vec<u8>) -> Result<Option<OwnedFd>, UnpackError> {
        if let Err(Errno::LOOP) = self.parents.open(path::split(target).0) {
            self.real_parent(target)?;
        }
        let (parent, name) = path::split(target);
        let fd = match self.parents.open(parent) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(errno) => return Err(errno).at("open", parent),
        };
        match rfs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if is_whiteout(&stat) => Ok(None),
            Ok(_) => fd.try_clone_to_owned().at("open", parent).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno).at("look at", target),
        }
    }

    fn attributes_by_name(&mut self, path: &[u8], entry: &Entry) -> Result<(), UnpackError> {
        let (parent, name) = path::split(path);
        let fd = self.parents.open(parent).at("open", parent)?;
        self.report.xattrs_left_out +=
            owned(apply_by_name(entry, fd, name, self.own), path, entry)?;
        Ok(())
    }

    /// Makes something new at `path`; what is there already goes.
    pub(super) fn make<T>(
        &mut self,
        path: &[u8],
        call: impl Fn(BorrowedFd<'_>, &[u8]) -> Result<T, Errno>,
    ) -> Result<T, UnpackError> {
        let (parent, name) = path::split(path);
        let fd = self.parents.open(parent).at("open", parent)?;
        match call(fd, name) {
            Err(Errno::EXIST) => {}
            done => return done.at("make", path),
        }
        self.clear(path)?;
        let fd = self.parents.open(parent).at("open", parent)?;
        call(fd, name).at("make", path)
    }

    /// Removes what is at `path`, which a later entry of the same layer replaces.
    fn clear(&mut self, path: &[u8]) -> Result<Cleared, UnpackError> {
        let (parent, name) = path::split(path);
        self.parents.forget(path);
        let fd = self.parents.open(parent).at("open", parent)?;
        let stat = rfs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW).at("look at", path)?;
        let name = std::os::unix::ffi::OsStrExt::from_bytes(name);
        tree::remove(fd.as_fd(), name).at("replace", path)?;
        self.folders.forget(path);
        Ok(if is_whiteout(&stat) { Cleared::Whiteout } else { Cleared::Other })
    }
}

/// In a user namespace, an id that is not mapped is `EINVAL` (man 2 chown).
fn owned<T>(done: Result<T, Errno>, path: &[u8], entry: &Entry) -> Result<T, UnpackError> {
    match done {
        Err(Errno::INVAL) => Err(UnpackError::ids(path, entry.uid, entry.gid)),
        other => other.at("set attributes of", path),
    }
}

fn is_folder(parent: BorrowedFd<'_>, name: &[u8]) -> Result<bool, Errno> {
    let stat = rfs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

fn write_data(
    file: &OwnedFd,
    reader: &mut Reader<Source<'_>>,
    path: &[u8],
) -> Result<(), UnpackError> {
    loop {
        let chunk = reader.chunk()?;
        if chunk.is_empty() {
            return Ok(());
        }
        let count = rustix::io::write(file, chunk).at("write", path)?;
        reader.advance(count);
    }
}

/// Writes the extents where they belong; what lies between stays a hole.
fn write_sparse(
    file: &OwnedFd,
    entry: &Entry,
    reader: &mut Reader<Source<'_>>,
    path: &[u8],
) -> Result<(), UnpackError> {
    rfs::ftruncate(file, entry.size).at("set the size of", path)?;
    for extent in entry.sparse.iter().flatten() {
        let mut done = 0;
        while done < extent.length {
            let chunk = reader.chunk()?;
            let left = usize::try_from(extent.length - done).unwrap_or(usize::MAX);
            let chunk = &chunk[..chunk.len().min(left)];
            let count = rustix::io::pwrite(file, chunk, extent.offset + done).at("write", path)?;
            reader.advance(count);
            done += count as u64;
        }
    }
    Ok(())
}
