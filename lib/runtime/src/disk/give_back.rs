//! Gives room back that an ended container has taken without writing anything into it.
//!
//! man 2 fallocate takes a disk's room in a millisecond. What was taken so and never written reads
//! as zeros, as a hole does, and man 2 lseek calls it one: made a hole it reads the same, and takes
//! no room. What was written stays: it is somebody's.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    self as rfs, AtFlags, FallocateFlags, FileType, Mode, OFlags, SeekFrom, Timespec, Timestamps,
};
use rustix::io::Errno;

use super::walk::{Found, walk};

/// Files that have less than this beside what is written are left as they are: the file system's
/// own bookkeeping is counted too.
const WORTH: u64 = 1 << 20;

/// Gives back what the files of the container whose folder is `container`, and of the `volumes` that
/// are its alone, hold and do not use.
/// Nothing runs in it any more. What fails is left.
pub(super) fn give_back(container: BorrowedFd<'_>, volumes: &[OwnedFd]) {
    let walked = walk(container, volumes, &mut |found| {
        if FileType::from_raw_mode(found.about.st_mode) == FileType::RegularFile {
            // One that cannot be opened keeps what it has.
            empty(found).ok();
        }
        Ok(())
    });
    // What lies too deep keeps what it has, too.
    walked.ok();
}

fn empty(found: &Found<'_>) -> rustix::io::Result<()> {
    let held = u64::try_from(found.about.st_blocks).unwrap_or(0).saturating_mul(512);
    if held < WORTH {
        return Ok(());
    }
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rfs::openat(found.folder, found.name, flags, Mode::empty())?;
    let about = rfs::fstat(&file)?;
    if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile {
        return Ok(());
    }
    let size = u64::try_from(about.st_size).unwrap_or(0);
    let holes = holes(file.as_fd(), size)?;
    let used = size - holes.iter().map(|(_, length)| length).sum::<u64>();
    if held.saturating_sub(used) < WORTH {
        return Ok(());
    }
    for (start, length) in holes {
        rfs::fallocate(
            &file,
            FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
            start,
            length,
        )?;
    }
    // What was taken behind the end goes when the end is set, to where it is.
    rfs::ftruncate(&file, size)?;
    let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
    let nanoseconds = |count: u64| i64::try_from(count).unwrap_or(0);
    let times = Timestamps {
        last_access: time(about.st_atime, nanoseconds(about.st_atime_nsec)),
        last_modification: time(about.st_mtime, nanoseconds(about.st_mtime_nsec)),
    };
    rfs::utimensat(&file, c"", &times, AtFlags::EMPTY_PATH)
}

/// Where nothing is written in a file of `size` bytes: from where, how much. Source: man 2 lseek,
/// `SEEK_HOLE`.
fn holes(file: BorrowedFd<'_>, size: u64) -> rustix::io::Result<Vec<(u64, u64)>> {
    let (mut holes, mut at) = (Vec::new(), 0);
    while at < size {
        let start = rfs::seek(file, SeekFrom::Hole(at))?;
        if start >= size {
            break;
        }
        at = match rfs::seek(file, SeekFrom::Data(start)) {
            Ok(data) => data.min(size),
            Err(Errno::NXIO) => size,
            Err(errno) => return Err(errno),
        };
        holes.push((start, at - start));
    }
    Ok(holes)
}

#[cfg(test)]
mod tests {
    use coffer_sys::dir;

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_was_never_written_goes_and_what_was_stays() {
        let place = tempfile::tempdir().unwrap();
        let top = dir::open(place.path()).unwrap();
        dir::make(top.as_fd(), "upper", Mode::RWXU).unwrap();
        let upper = dir::open_at(top.as_fd(), "upper").unwrap();
        let flags = OFlags::RDWR | OFlags::CREATE;
        let file = rfs::openat(&upper, "file", flags, Mode::RUSR | Mode::WUSR).unwrap();
        rustix::io::pwrite(&file, &[7; 4096], 5 * MIB).unwrap();
        rfs::fallocate(&file, FallocateFlags::empty(), 0, 16 * MIB).unwrap();
        rfs::fallocate(&file, FallocateFlags::KEEP_SIZE, 16 * MIB, 16 * MIB).unwrap();
        rfs::fsync(&file).unwrap();
        let held = |about: rfs::Stat| u64::try_from(about.st_blocks).unwrap() * 512;
        let before = rfs::fstat(&file).unwrap();
        assert!(held(before) >= 32 * MIB);
        give_back(top.as_fd(), &[]);
        let after = rfs::fstat(&file).unwrap();
        assert!((4096..MIB).contains(&held(after)), "{} bytes", held(after));
        let known = |about: rfs::Stat| (about.st_size, about.st_mtime, about.st_mtime_nsec);
        assert_eq!(known(after), known(before));
        let mut byte = [0; 4096];
        rustix::io::pread(&file, &mut byte, 5 * MIB).unwrap();
        assert_eq!(byte, [7; 4096]);
    }
}
