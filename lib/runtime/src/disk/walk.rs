//! A walk over a container's own folder, by directory fd, with bounded memory.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self as rfs, AtFlags, FileType, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;

/// How many files and folders are looked at. It takes some seconds.
const MOST: u32 = 1 << 20;
/// How deep: a descriptor and a buffer for each.
const DEEPEST: u32 = 128;
/// Bytes of names that are read at once: eight of the longest there are (man 2 getdents).
pub(super) const BUFFER: usize = 2048;

/// Why a walk ends before all was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Whoever looks has seen enough.
    Enough,
    /// There is more than can be looked at.
    Uncountable,
}

/// One file or folder.
pub(super) struct Found<'a> {
    pub(super) folder: BorrowedFd<'a>,
    pub(super) name: &'a CStr,
    pub(super) about: &'a Stat,
}

/// Whoever is shown what is found.
type Visit<'v> = &'v mut dyn FnMut(&Found<'_>) -> Result<(), Stopped>;

/// Shows what the container whose folder is `container` has written: the upper folder, overlay's
/// own, where files are made before they come into their place, and the folders of the `volumes`
/// that are its alone.
///
/// # Errors
/// Why it did not come to the end.
pub(super) fn walk(
    container: BorrowedFd<'_>,
    volumes: &[OwnedFd],
    visit: Visit<'_>,
) -> Result<(), Stopped> {
    let mut walk = Walk { visit, left: MOST, depth: 0 };
    [c"upper", c"work"].into_iter().try_for_each(|name| walk.entry(container, name))?;
    volumes.iter().try_for_each(|volume| walk.entry(volume.as_fd(), c"data"))
}

struct Walk<'v> {
    visit: Visit<'v>,
    left: u32,
    depth: u32,
}

impl Walk<'_> {
    fn entry(&mut self, folder: BorrowedFd<'_>, name: &CStr) -> Result<(), Stopped> {
        self.left = self.left.checked_sub(1).ok_or(Stopped::Uncountable)?;
        let about = match rfs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(about) => about,
            Err(errno) => return if_gone(errno),
        };
        (self.visit)(&Found { folder, name, about: &about })?;
        match FileType::from_raw_mode(about.st_mode) {
            FileType::Directory => self.folder(folder, name),
            _ => Ok(()),
        }
    }

    fn folder(&mut self, parent: BorrowedFd<'_>, name: &CStr) -> Result<(), Stopped> {
        if self.depth == DEEPEST {
            return Err(Stopped::Uncountable);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = match rfs::openat(parent, name, flags, Mode::empty()) {
            Ok(folder) => folder,
            Err(errno) => return if_gone(errno),
        };
        self.depth += 1;
        let mut buffer = vec![MaybeUninit::<u8>::uninit(); BUFFER];
        let mut names = RawDir::new(&folder, &mut buffer);
        while let Some(entry) = names.next() {
            let entry = entry.map_err(|_| Stopped::Uncountable)?;
            if entry.file_name() != c"." && entry.file_name() != c".." {
                self.entry(folder.as_fd(), entry.file_name())?;
            }
        }
        self.depth -= 1;
        Ok(())
    }
}

/// What has gone or been exchanged meanwhile is no matter; what cannot be looked at is.
fn if_gone(errno: Errno) -> Result<(), Stopped> {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP => Ok(()),
        _ => Err(Stopped::Uncountable),
    }
}

#[cfg(test)]
mod tests {
    use coffer_sys::dir;

    use super::*;

    #[test]
    fn all_is_seen_and_no_link_is_followed() {
        let place = tempfile::tempdir().unwrap();
        let top = dir::open(place.path()).unwrap();
        dir::make(top.as_fd(), "upper", Mode::RWXU).unwrap();
        let mut here = dir::open_at(top.as_fd(), "upper").unwrap();
        rfs::symlinkat("/", &here, "link").unwrap();
        for _ in 0..100 {
            dir::make(here.as_fd(), "d", Mode::RWXU).unwrap();
            here = dir::open_at(here.as_fd(), "d").unwrap();
        }
        let mut seen = 0;
        let walked = walk(top.as_fd(), &[], &mut |_| {
            seen += 1;
            Ok(())
        });
        assert_eq!((walked, seen), (Ok(()), 102));
        assert_eq!(walk(top.as_fd(), &[], &mut |_| Err(Stopped::Enough)), Err(Stopped::Enough));
        for _ in 0..100 {
            dir::make(here.as_fd(), "d", Mode::RWXU).unwrap();
            here = dir::open_at(here.as_fd(), "d").unwrap();
        }
        assert_eq!(walk(top.as_fd(), &[], &mut |_| Ok(())), Err(Stopped::Uncountable));
    }
}
