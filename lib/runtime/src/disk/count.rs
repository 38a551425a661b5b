//! How much a container's own files have grown by.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Stat};
use serde::{Deserialize, Serialize};

use super::reserve::Amounts;
use super::walk::{Stopped, walk};

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// Files that the kernel has changed since then, in seconds and nanoseconds since 1970. The
    /// time of a change (`st_ctime`) is the kernel's: nobody can set it.
    pub(super) since: (i64, u64),
    /// No more is counted once there is so much of either.
    pub(super) enough: Amounts,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grown {
    pub(super) by: Amounts,
    /// Whether there may be more that cannot be counted.
    pub(super) hides_more: bool,
}

impl Grown {
    pub(super) const NOTHING: Self = Self { by: Amounts::NONE, hides_more: false };
    pub(super) const UNKNOWN: Self = Self { by: Amounts::NONE, hides_more: true };

    /// Adds a file, as far as that is asked for.
    pub(super) fn add(&mut self, about: &Stat, question: &Question) {
        if (about.st_ctime, about.st_ctime_nsec) < question.since {
            return;
        }
        // Each name of a file that has several is met on the way. man 2 stat: blocks are of 512
        // bytes, whatever the file system's are.
        let names = match FileType::from_raw_mode(about.st_mode) {
            FileType::RegularFile => usize::try_from(about.st_nlink).unwrap_or(1).max(1),
            _ => 1,
        };
        let blocks = usize::try_from(about.st_blocks).unwrap_or(0) / names;
        self.by.bytes = self.by.bytes.saturating_add((blocks as u64).saturating_mul(512));
        self.by.inodes += 1;
    }

    pub(super) fn is_enough(&self, question: &Question) -> bool {
        self.by.bytes >= question.enough.bytes || self.by.inodes >= question.enough.inodes
    }
}

/// What has a name in the container's folder, and in the volumes that are its alone.
pub(super) fn named(container: BorrowedFd<'_>, volumes: &[OwnedFd], question: &Question) -> Grown {
    let mut grown = Grown::NOTHING;
    let walked = walk(container, volumes, &mut |found| {
        grown.add(found.about, question);
        if grown.is_enough(question) { Err(Stopped::Enough) } else { Ok(()) }
    });
    grown.hides_more = walked == Err(Stopped::Uncountable);
    grown
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use coffer_sys::dir;
    use rustix::fs::{self as rfs, Mode, OFlags};

    use super::*;

    #[test]
    fn what_was_written_since_counts() {
        let place = tempfile::tempdir().unwrap();
        let top = dir::open(place.path()).unwrap();
        dir::make(top.as_fd(), "upper", Mode::RWXU).unwrap();
        let upper = dir::open_at(top.as_fd(), "upper").unwrap();
        let flags = OFlags::RDWR | OFlags::CREATE;
        let file = rfs::openat(&upper, "file", flags, Mode::RUSR | Mode::WUSR).unwrap();
        rustix::io::write(&file, &[1; 100_000]).unwrap();
        rfs::fsync(&file).unwrap();
        rfs::linkat(&upper, "file", &upper, "again", rfs::AtFlags::empty()).unwrap();
        let about = rfs::fstat(&file).unwrap();
        let enough = Amounts { bytes: u64::MAX, inodes: u64::MAX };
        let count = |since, enough| named(top.as_fd(), &[], &Question { since, enough });
        let all = count((0, 0), enough);
        assert!((100_000..200_000).contains(&all.by.bytes), "once, by whatever name: {all:?}");
        assert_eq!((all.by.inodes, all.hides_more), (3, false));
        let later = (about.st_ctime + 60, 0);
        assert_eq!(count(later, enough), Grown::NOTHING);
        assert_eq!(count((0, 0), Amounts { inodes: 2, ..enough }).by.inodes, 2);
        assert!(named(upper.as_fd(), &[], &Question { since: later, enough }) == Grown::NOTHING);
    }
}
