//! Layers and power failures.
//!
//! Writing a layer to the disk at once would cost more than unpacking it, and a file system that
//! loses power may keep a name whose content it never wrote. So a new layer carries a mark: a
//! symbolic link whose target is the boot in which the layer was made. In another boot, a layer
//! that still has its mark is unpacked again. Marks go when the disk has the layer: whoever
//! unpacks something later sees to that.
//!
//! The mark is made before the layer gets its name, and a link this short is stored with its
//! inode, so file systems that keep metadata in order never have the name without the mark.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coffer_sys::dir;
use rustix::fs::{self as rfs, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::{LayersError, TEMPORARY, folder_error};

/// The mark, in the layer's folder.
const MARK: &str = "unsynced";

/// How old a mark is before it is worth to wait for the disk: twice the time after which the
/// kernel writes by itself (`vm.dirty_expire_centisecs`, 30 s), so that there is little to wait for.
const SETTLED: Duration = Duration::from_secs(60);

/// Marks the layer in `folder`, which has no name yet.
pub(super) fn mark(folder: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rfs::symlinkat(boot()?, folder, MARK)?)
}

/// Whether the layer `name` was made in an earlier boot and may not be on the disk.
pub(super) fn is_doubtful(layers: BorrowedFd<'_>, name: &str) -> Result<bool, LayersError> {
    match read_mark(layers, name) {
        Ok(Some(made_in)) => Ok(made_in != boot().map_err(folder_error("judge", name))?),
        Ok(None) => Ok(false),
        Err(errno) => Err(folder_error("look at", name)(errno.into())),
    }
}

/// Takes the marks off the layers that have theirs for a while, once the disk has them.
pub(super) fn settle(layers: BorrowedFd<'_>) -> Result<(), LayersError> {
    let marked = old_marks(layers).map_err(folder_error("look at", ""))?;
    if marked.is_empty() {
        return Ok(());
    }
    rfs::syncfs(layers).map_err(|errno| folder_error("write", "")(errno.into()))?;
    for mark in marked {
        match rfs::unlinkat(layers, &mark, AtFlags::empty()) {
            // Somebody else has settled it, or removed the layer.
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(errno) => return Err(folder_error("settle", &mark)(errno.into())),
        }
    }
    Ok(())
}

fn old_marks(layers: BorrowedFd<'_>) -> io::Result<Vec<String>> {
    let this_boot = boot()?;
    let mut marked = Vec::new();
    for entry in dir::entries(layers)? {
        let Some(name) = entry.name.to_str().filter(|name| !name.starts_with(TEMPORARY)) else {
            continue;
        };
        if read_mark(layers, name)? == Some(this_boot.clone()) && is_old(layers, name)? {
            marked.push(format!("{name}/{MARK}"));
        }
    }
    Ok(marked)
}

fn is_old(layers: BorrowedFd<'_>, name: &str) -> Result<bool, Errno> {
    let mark = format!("{name}/{MARK}");
    let stat = match rfs::statat(layers, mark, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(false),
        Err(errno) => return Err(errno),
    };
    let made = UNIX_EPOCH + Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
    // A clock that was set back makes a mark stay longer, which does no harm.
    Ok(SystemTime::now().duration_since(made).is_ok_and(|age| age > SETTLED))
}

fn read_mark(layers: BorrowedFd<'_>, name: &str) -> Result<Option<Vec<u8>>, Errno> {
    match rfs::readlinkat(layers, format!("{name}/{MARK}"), Vec::new()) {
        Ok(target) => Ok(Some(target.into_bytes())),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// What the kernel calls this boot. man 4 random.
fn boot() -> io::Result<Vec<u8>> {
    let path = "/proc/sys/kernel/random/boot_id";
    let file = rfs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut id = [0_u8; 64];
    let length = rustix::io::read(file.as_fd(), &mut id)?;
    Ok(id[..length].trim_ascii().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer() -> (tempfile::TempDir, std::os::fd::OwnedFd, std::os::fd::OwnedFd) {
        let folder = tempfile::tempdir().unwrap();
        let layers = dir::open(folder.path()).unwrap();
        dir::make(layers.as_fd(), "a", Mode::RWXU).unwrap();
        let layer = dir::open_at(layers.as_fd(), "a").unwrap();
        (folder, layers, layer)
    }

    #[test]
    fn a_mark_is_good_for_its_boot() {
        let (_folder, layers, layer) = layer();
        mark(layer.as_fd()).unwrap();
        assert!(!is_doubtful(layers.as_fd(), "a").unwrap());
        rfs::unlinkat(&layer, MARK, AtFlags::empty()).unwrap();
        assert!(!is_doubtful(layers.as_fd(), "a").unwrap());
        rfs::symlinkat("another boot", &layer, MARK).unwrap();
        assert!(is_doubtful(layers.as_fd(), "a").unwrap());
    }

    #[test]
    fn old_marks_of_this_boot_go() {
        let (_folder, layers, layer) = layer();
        mark(layer.as_fd()).unwrap();
        settle(layers.as_fd()).unwrap();
        assert!(read_mark(layers.as_fd(), "a").unwrap().is_some(), "too young");
        let long_ago = rfs::Timespec { tv_sec: 5, tv_nsec: 0 };
        let times = rfs::Timestamps { last_access: long_ago, last_modification: long_ago };
        rfs::utimensat(&layer, MARK, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        settle(layers.as_fd()).unwrap();
        assert_eq!(read_mark(layers.as_fd(), "a").unwrap(), None);
    }
}
