//! Owner, mode, times and extended attributes.
//!
//! Setting the owner clears setuid, setgid and file capabilities (man 2 chown, man 7
//! capabilities), so the order is always: owner, mode, extended attributes, time.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::{self as rfs, AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use coffer_tar::{Entry, Time, Xattrs};

/// What an inode has beside its content.
#[derive(Clone, Debug)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Time,
    pub(super) xattrs: Xattrs,
}

impl Default for Attributes {
    /// What a folder has that no layer describes.
    fn default() -> Self {
        Self { mode: 0o755, uid: 0, gid: 0, mtime: Time::default(), xattrs: Vec::new() }
    }
}

impl Attributes {
    /// Those of an entry, without the extended attributes that a layer may not set.
    pub(super) fn of(entry: &mut Entry) -> Self {
        let mut xattrs = std::mem::take(&mut entry.xattrs);
        xattrs.retain(|(name, _)| may_be_set(name));
        let (mode, uid, gid, mtime) = (entry.mode, entry.uid, entry.gid, entry.mtime);
        Self { mode, uid, gid, mtime, xattrs }
    }

    /// Those of something that is open for reading.
    pub(super) fn read(fd: BorrowedFd<'_>) -> Result<Self, Errno> {
        let stat = rfs::fstat(fd)?;
        let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
        Ok(Self {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: Time { seconds: stat.st_mtime, nanoseconds },
            xattrs: read_xattrs(fd)?,
        })
    }

    /// Sets all of them on an open file or folder, and counts the extended attributes that it does not take.
    pub(super) fn apply(&self, fd: BorrowedFd<'_>) -> Result<u64, Errno> {
        rfs::fchown(fd, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))?;
        rfs::fchmod(fd, Mode::from_raw_mode(self.mode))?;
        let left_out = set_xattrs(&self.xattrs, |name, value| {
            rfs::fsetxattr(fd, name, value, XattrFlags::empty())
        })?;
        rfs::futimens(fd, &timestamps(self.mtime))?;
        Ok(left_out)
    }
}

/// The mode bits that making a file with an owner of its own, or writing to it, may clear.
pub(super) const SPECIAL: u32 = 0o7000;

/// Both times: layers carry no time of access.
pub(super) fn timestamps(time: Time) -> Timestamps {
    let time = Timespec { tv_sec: time.seconds, tv_nsec: i64::from(time.nanoseconds) };
    Timestamps { last_access: time, last_modification: time }
}

/// Whether a layer may set this attribute. overlay would follow its own marks wherever they come
/// from, `security.selinux` is the host's to give (containers/storage leaves it out too), and
/// `security.evm` is signed for one inode.
pub(super) fn may_be_set(name: &[u8]) -> bool {
    let marks: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];
    let host: [&[u8]; 2] = [b"security.selinux", b"security.evm"];
    !marks.iter().any(|mark| name.starts_with(mark)) && !host.contains(&name)
}

/// Sets those that may be set, and counts those that the file system or the user namespace does
/// not take: both are no fault of the image.
pub(super) fn set_xattrs(
    xattrs: &[(Vec<u8>, Vec<u8>)],
    mut set: impl FnMut(&[u8], &[u8]) -> Result<(), Errno>,
) -> Result<u64, Errno> {
    let mut left_out = 0;
    for (name, value) in xattrs.iter().filter(|(name, _)| may_be_set(name)) {
        match set(name, value) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP | Errno::PERM) => left_out += 1,
            Err(errno) => return Err(errno),
        }
    }
    Ok(left_out)
}

/// The name of something in an open folder for the calls that take paths alone: the magic link
/// is followed to the folder, the name is not followed.
pub(super) fn proc_path(folder: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    [format!("/proc/self/fd/{}/", folder.as_raw_fd()).as_bytes(), name].concat()
}

/// Sets the attributes of what is no file and no folder, by its folder and name.
pub(super) fn apply_by_name(
    entry: &Entry,
    folder: BorrowedFd<'_>,
    name: &[u8],
    own: (u32, u32),
) -> Result<u64, Errno> {
    if (entry.uid, entry.gid) != own {
        let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
        rfs::chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    let left_out = if entry.xattrs.is_empty() {
        0
    } else {
        let path = proc_path(folder, name);
        set_xattrs(&entry.xattrs, |xattr, value| {
            rfs::lsetxattr(&path, xattr, value, XattrFlags::empty())
        })?
    };
    rfs::utimensat(folder, name, &timestamps(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(left_out)
}

/// The extended attributes of an open file or folder, without those that a layer may not set.
fn read_xattrs(fd: BorrowedFd<'_>) -> Result<Xattrs, Errno> {
    let mut names = vec![0_u8; rfs::flistxattr_query(fd)?];
    let length = rfs::flistxattr(fd, &mut names[..])?;
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let mut xattrs = Vec::new();
    for name in names.filter(|name| may_be_set(name)) {
        let mut value = vec![0_u8; rfs::fgetxattr_query(fd, name)?];
        let length = rfs::fgetxattr(fd, name, &mut value[..])?;
        value.truncate(length);
        xattrs.push((name.to_vec(), value));
    }
    Ok(xattrs)
}
