//! Filling a new tmpfs with what it covers (`tmpcopyup`). Source: runtime-spec config.md, "Linux
//! mount options".
//!
//! Folders, files, links and nodes are copied with their owners and modes, by directory fd; no
//! link is followed. Extended attributes and times are not.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::dir::{self, Entry};
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;

use crate::launch::report::Fault;
use crate::plan::Filesystem;

/// How deep folders are copied: a tree that is deeper is one that was made to be.
const DEEPEST: usize = 64;

/// Copies what is in the folder `from` into the folder `to`, the root of `made`, and makes that
/// look like it but for what its options say. Both may be open as paths only.
pub(super) fn copy_up(from: &OwnedFd, to: &OwnedFd, made: &Filesystem) -> Result<(), Fault> {
    let from = open_folder(from.as_fd(), b".")?;
    let to = open_folder(to.as_fd(), b".")?;
    copy_folder(from.as_fd(), to.as_fd(), DEEPEST)?;
    let stat = fs::fstat(&from)?;
    let said = |key: &CStr| made.options.iter().any(|(option, _)| option.as_c_str() == key);
    let (uid, gid) = owner(&stat);
    fs::fchown(&to, uid.filter(|_| !said(c"uid")), gid.filter(|_| !said(c"gid")))?;
    if !said(c"mode") {
        fs::fchmod(&to, Mode::from_raw_mode(stat.st_mode))?;
    }
    Ok(())
}

fn copy_folder(from: BorrowedFd<'_>, to: BorrowedFd<'_>, deeper: usize) -> Result<(), Fault> {
    let deeper = deeper.checked_sub(1).ok_or(Errno::LOOP)?;
    for entry in dir::entries(from)? {
        copy_entry(from, to, &entry, deeper)?;
    }
    Ok(())
}

fn copy_entry(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    entry: &Entry,
    deeper: usize,
) -> Result<(), Fault> {
    let name = entry.name.as_os_str();
    let stat = fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    match kind {
        FileType::Directory => {
            fs::mkdirat(to, name, Mode::RWXU)?;
            let (inner, made) = (
                open_folder(from, name.as_encoded_bytes())?,
                open_folder(to, name.as_encoded_bytes())?,
            );
            copy_folder(inner.as_fd(), made.as_fd(), deeper)?;
            dress(made.as_fd(), &stat)
        }
        FileType::Symlink => {
            fs::symlinkat(fs::readlinkat(from, name, Vec::new())?, to, name)?;
            let (uid, gid) = owner(&stat);
            Ok(fs::chownat(to, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?)
        }
        FileType::RegularFile => copy_file(from, to, name.as_encoded_bytes(), &stat),
        _ => {
            fs::mknodat(to, name, kind, Mode::from_raw_mode(stat.st_mode), stat.st_rdev)?;
            let (uid, gid) = owner(&stat);
            Ok(fs::chownat(to, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?)
        }
    }
}

fn copy_file(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    name: &[u8],
    stat: &Stat,
) -> Result<(), Fault> {
    let plain = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let source = fs::openat(from, name, OFlags::RDONLY | OFlags::NONBLOCK | plain, Mode::empty())?;
    let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | plain;
    let copy = fs::openat(to, name, new, Mode::RUSR | Mode::WUSR)?;
    while fs::sendfile(&copy, &source, None, 1 << 20)? > 0 {}
    dress(copy.as_fd(), stat)
}

/// Gives a copy the owner and mode of what it was made from.
fn dress(copy: BorrowedFd<'_>, stat: &Stat) -> Result<(), Fault> {
    let (uid, gid) = owner(stat);
    fs::fchown(copy, uid, gid)?;
    Ok(fs::fchmod(copy, Mode::from_raw_mode(stat.st_mode))?)
}

fn owner(stat: &Stat) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))
}

fn open_folder(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Fault> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(fs::openat(parent, name, flags, Mode::empty())?)
}
