//! Removes and measures whole trees that somebody else may have made, by directory fd.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self as rfs, AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::dir::{self, Entry};

/// How deep a tree is walked with one open fd per level. What lies deeper is first moved up, so
/// that neither the stack nor the fds of this process grow with a tree that was made to be deep.
const DEEPEST: usize = 48;

/// Removes `name` in `parent` with all that is below it. Says whether there was something.
///
/// Symbolic links are removed, never followed. Running it again after it was killed removes the
/// rest.
///
/// # Errors
/// `EBUSY` where something is mounted below, `EACCES` where the files are another user's, and
/// what else man 2 unlinkat lists.
pub fn remove(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<bool> {
    match rfs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) => return Ok(true),
        Err(Errno::NOENT) => return Ok(false),
        // Linux says EISDIR for a folder, POSIX and some file systems EPERM.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    let top = open(parent, name)?;
    empty(top.as_fd(), &|_| false)?;
    rfs::unlinkat(parent, name, AtFlags::REMOVEDIR)?;
    Ok(true)
}

/// Removes what is in `top`, except the names directly in it that `keep` says yes to.
///
/// # Errors
/// As [`remove`].
pub fn empty(top: BorrowedFd<'_>, keep: &dyn Fn(&OsStr) -> bool) -> io::Result<()> {
    let mut moved = 0;
    loop {
        let mut entries = dir::entries(top)?;
        entries.retain(|entry| !keep(&entry.name));
        let before = moved;
        for entry in entries {
            remove_entry(top, &entry, &mut Walk { top, depth: 0, moved: &mut moved })?;
        }
        if moved == before {
            return Ok(());
        }
    }
}

struct Walk<'a> {
    top: BorrowedFd<'a>,
    depth: usize,
    moved: &'a mut u64,
}

fn remove_entry(parent: BorrowedFd<'_>, entry: &Entry, walk: &mut Walk<'_>) -> io::Result<()> {
    let name = entry.name.as_os_str();
    match unlink(parent, entry) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // A folder of unknown kind: EISDIR, on some file systems EPERM. One that is not empty:
        // ENOTEMPTY, on some file systems EEXIST.
        Err(Errno::ISDIR | Errno::PERM | Errno::NOTEMPTY | Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    if walk.depth == DEEPEST {
        return move_up(parent, name, walk);
    }
    let folder = open(parent, name)?;
    walk.depth += 1;
    for entry in dir::entries(folder.as_fd())? {
        remove_entry(folder.as_fd(), &entry, walk)?;
    }
    walk.depth -= 1;
    Ok(rfs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

/// The bytes that `name` in `parent` takes on its disk, with all that is below it: what one file
/// has by several names once, nothing that is mounted there, and nothing below 48 levels, so that
/// a tree that was made to be deep costs nobody his fds. What goes meanwhile is nothing.
///
/// # Errors
/// What man 2 openat and man 2 getdents64 list.
pub fn size(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<u64> {
    measure(parent, name, &mut Measure { device: None, several: HashSet::new(), depth: 0 })
}

struct Measure {
    /// The file system of the top.
    device: Option<u64>,
    /// Files that have several names.
    several: HashSet<u64>,
    depth: usize,
}

fn measure(parent: BorrowedFd<'_>, name: &OsStr, seen: &mut Measure) -> io::Result<u64> {
    let stat = match rfs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(0),
        stat => stat?,
    };
    let is_folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    let is_elsewhere = *seen.device.get_or_insert(stat.st_dev) != stat.st_dev;
    if is_elsewhere || (!is_folder && stat.st_nlink > 1 && !seen.several.insert(stat.st_ino)) {
        return Ok(0);
    }
    // Blocks of 512 bytes, whatever the file system's are (man 3 stat).
    let mut bytes = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
    if is_folder && seen.depth < DEEPEST {
        let folder = match open(parent, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(bytes),
            folder => folder?,
        };
        seen.depth += 1;
        for entry in dir::entries(folder.as_fd())? {
            bytes = bytes.saturating_add(measure(folder.as_fd(), &entry.name, seen)?);
        }
        seen.depth -= 1;
    }
    Ok(bytes)
}

/// Removes what goes with one call: anything but a folder, and a folder that is empty.
fn unlink(parent: BorrowedFd<'_>, entry: &Entry) -> rustix::io::Result<()> {
    let flags = match entry.kind {
        FileType::Directory => AtFlags::REMOVEDIR,
        _ => AtFlags::empty(),
    };
    rfs::unlinkat(parent, &entry.name, flags)
}

/// Moves a folder that lies too deep to the top, where the next round of [`empty`] finds it.
fn move_up(parent: BorrowedFd<'_>, name: &OsStr, walk: &mut Walk<'_>) -> io::Result<()> {
    loop {
        *walk.moved += 1;
        let here = format!(".deep-{}", walk.moved);
        match rfs::renameat_with(parent, name, walk.top, here, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn open(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rfs::openat(parent, name, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes folders below each other, deeper than any path may be long.
    fn deep(top: &OwnedFd, depth: usize) {
        let mut here = top.try_clone().unwrap();
        for _ in 0..depth {
            dir::make(here.as_fd(), "d", Mode::RWXU).unwrap();
            rfs::symlinkat("/", &here, "link").unwrap();
            here = dir::open_at(here.as_fd(), "d").unwrap();
        }
    }

    #[test]
    fn a_tree_of_any_depth_goes_and_what_it_points_to_stays() {
        let folder = tempfile::tempdir().unwrap();
        let top = dir::open(folder.path()).unwrap();
        dir::make(top.as_fd(), "a", Mode::RWXU).unwrap();
        deep(&dir::open_at(top.as_fd(), "a").unwrap(), 3000);
        assert!(remove(top.as_fd(), OsStr::new("a")).unwrap());
        assert!(!remove(top.as_fd(), OsStr::new("a")).unwrap());
        assert!(dir::entries(top.as_fd()).unwrap().is_empty());
        assert!(dir::open("/etc".as_ref()).is_ok());
    }

    #[test]
    fn a_tree_is_measured_without_what_it_points_to() {
        let folder = tempfile::tempdir().unwrap();
        let top = dir::open(folder.path()).unwrap();
        let tree = folder.path().join("a");
        dir::make(top.as_fd(), "a", Mode::RWXU).unwrap();
        let empty = size(top.as_fd(), OsStr::new("a")).unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
        std::fs::write(tree.join("file"), vec![1; 100_000]).unwrap();
        let one = size(top.as_fd(), OsStr::new("a")).unwrap();
        assert!(one >= empty + 100_000, "{empty} {one}");
        let inside = dir::open_at(top.as_fd(), "a").unwrap();
        rfs::linkat(&inside, "file", &inside, "again", AtFlags::empty()).unwrap();
        rfs::symlinkat("/", &inside, "away").unwrap();
        assert!(size(top.as_fd(), OsStr::new("a")).unwrap() < one + 100_000);
        deep(&inside, 3000);
        size(top.as_fd(), OsStr::new("a")).unwrap();
        assert_eq!(size(top.as_fd(), OsStr::new("none")).unwrap(), 0);
    }

    #[test]
    fn what_is_kept_stays() {
        let folder = tempfile::tempdir().unwrap();
        let top = dir::open(folder.path()).unwrap();
        for name in ["a", "b"] {
            dir::make(top.as_fd(), name, Mode::RWXU).unwrap();
        }
        empty(top.as_fd(), &|name| name == "a").unwrap();
        let names: Vec<_> =
            dir::entries(top.as_fd()).unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["a"]);
    }
}
