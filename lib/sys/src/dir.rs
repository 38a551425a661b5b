//! Files and folders by directory fd: what is below an fd is named by one component, never by a path.
//!
//! These are for trees that coffer itself keeps. No symbolic link is followed.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{self as rfs, AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::path::Arg;

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When the disk has it: file and folder are fsynced.
    Disk,
    /// When every other process sees it; a power failure may lose it, or leave it empty.
    Process,
}

/// Whether a folder was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It was made now.
    New,
    /// There was a folder of this name already.
    Existing,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name: one component, any bytes but `/` and NUL.
    pub name: OsString,
    /// What it is. Some file systems do not say and leave it [`FileType::Unknown`].
    pub kind: FileType,
}

const OPEN_DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// How often a look-up is repeated that the kernel could not be sure of.
const LOOK_UPS: usize = 1000;

/// `openat2`, again while the kernel asks for that: it does wherever something is renamed or
/// mounted on the host while it follows a `..`, be it an attack or not. Source: man 2 openat2,
/// `EAGAIN`.
///
/// # Errors
/// What `openat2` says; `EAGAIN` where it said that a thousand times.
pub fn open_within(
    dir: impl AsFd,
    path: impl Arg + Copy,
    flags: OFlags,
    mode: Mode,
    resolve: ResolveFlags,
) -> rustix::io::Result<OwnedFd> {
    let mut opened = Err(Errno::AGAIN);
    for _ in 0..LOOK_UPS {
        opened = rfs::openat2(&dir, path, flags, mode, resolve);
        if !matches!(opened, Err(Errno::AGAIN)) {
            break;
        }
    }
    opened
}

/// Opens a folder of the caller's own by its path. Links in `path` are followed.
pub fn open(path: &Path) -> io::Result<OwnedFd> {
    Ok(rfs::open(path, OPEN_DIR, Mode::empty())?)
}

/// Opens the folder `name` in `dir`; a link is refused (`ENOTDIR` or `ELOOP`).
pub fn open_at(dir: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    Ok(rfs::openat(dir, name, OPEN_DIR | OFlags::NOFOLLOW, Mode::empty())?)
}

/// Makes the folder `name` in `dir` with `mode` (the umask applies), or finds it there.
pub fn make(dir: BorrowedFd<'_>, name: &str, mode: Mode) -> io::Result<Made> {
    match rfs::mkdirat(dir, name, mode) {
        Ok(()) => Ok(Made::New),
        Err(Errno::EXIST) => open_at(dir, name).map(|_| Made::Existing),
        Err(errno) => Err(errno.into()),
    }
}

/// Reads the file `name` in `dir`, or says `None` where there is none.
///
/// # Errors
/// `InvalidData` where it is longer than `limit` bytes or no ordinary file.
pub fn read(dir: BorrowedFd<'_>, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = match rfs::openat(dir, name, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    };
    read_open(fd, limit).map(Some).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => io::Error::new(error.kind(), format!("{name} is {error}")),
        _ => error,
    })
}

/// Reads a file that was opened without waiting for anybody (`O_NONBLOCK`).
///
/// # Errors
/// `InvalidData` where it is longer than `limit` bytes or no ordinary file.
pub fn read_open(file: OwnedFd, limit: u64) -> io::Result<Vec<u8>> {
    let stat = rfs::fstat(&file)?;
    let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || size > limit {
        let why = format!("no ordinary file of at most {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    File::from(file).take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file of one page is written by one step of the kernel's: no signal ends it in the middle.
const PAGE: usize = 4096;

/// Writes the file `name` in `dir` whole: under the name `.NAME.tmp`, then renamed over `name`.
///
/// Whoever reads `name` meanwhile sees the old or the new content. Two writers of one name must
/// hold a common lock, since they share the temporary name; that a crash leaves one behind does
/// no harm, because the next writer truncates it. On any error the temporary file is removed.
pub fn write_whole(
    dir: BorrowedFd<'_>,
    name: &str,
    bytes: &[u8],
    mode: Mode,
    durability: Durability,
) -> io::Result<()> {
    let temporary = format!(".{name}.tmp");
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let written = rfs::openat(dir, temporary.as_str(), flags, mode)
        .map_err(io::Error::from)
        .and_then(|fd| fill(fd, bytes, durability))
        .and_then(|()| Ok(rfs::renameat(dir, temporary.as_str(), dir, name)?));
    if let Err(error) = written {
        return Err(match remove_file(dir, &temporary) {
            Ok(_) => error,
            Err(second) => io::Error::new(error.kind(), format!("{error}; then {second}")),
        });
    }
    if durability == Durability::Disk {
        rfs::fsync(dir)?;
    }
    Ok(())
}

/// The same for a text that line ends behind it do not change, such as JSON. Where the disk is
/// full, a text that needs no more room is written over the old one: what frees room, or says how
/// something ended, must not wait for room. That is one write within a page, which a kill comes
/// before or after (a power failure, or a reader at that moment, may see parts of both).
pub fn write_whole_or_over(
    dir: BorrowedFd<'_>,
    name: &str,
    bytes: &[u8],
    mode: Mode,
    durability: Durability,
) -> io::Result<()> {
    let written = write_whole(dir, name, bytes, mode, durability);
    match &written {
        Err(error) if is_full(error) => match write_over(dir, name, bytes, durability) {
            Ok(true) => Ok(()),
            _ => written,
        },
        _ => written,
    }
}

/// Whether there is no room, or none for this user.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Writes `bytes` and line ends over the file `name`, if it is no shorter and one page at most.
fn write_over(
    dir: BorrowedFd<'_>,
    name: &str,
    bytes: &[u8],
    durability: Durability,
) -> io::Result<bool> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = rfs::openat(dir, name, flags, Mode::empty())?;
    let size = usize::try_from(rfs::fstat(&fd)?.st_size).unwrap_or(usize::MAX);
    if bytes.len() > size || size > PAGE {
        return Ok(false);
    }
    let mut padded = bytes.to_vec();
    padded.resize(size, b'\n');
    let whole = rustix::io::pwrite(&fd, &padded, 0)? == size;
    if durability == Durability::Disk {
        rfs::fsync(&fd)?;
    }
    Ok(whole)
}

fn fill(fd: OwnedFd, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let mut file = File::from(fd);
    file.write_all(bytes)?;
    if durability == Durability::Disk {
        rfs::fsync(&file)?;
    }
    Ok(())
}

/// Removes the file or link `name` in `dir`. Says whether there was one.
pub fn remove_file(dir: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    match rfs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// What is in `dir`, in no order, without `.` and `..`.
pub fn entries(dir: BorrowedFd<'_>) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in rfs::Dir::read_from(dir.as_fd())? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            let name = OsString::from_vec(name.to_vec());
            found.push(Entry { name, kind: entry.file_type() });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, OwnedFd) {
        let folder = tempfile::tempdir().unwrap();
        let fd = open(folder.path()).unwrap();
        (folder, fd)
    }

    #[test]
    fn a_file_is_written_whole_and_read_within_its_limit() {
        let (_folder, dir) = scratch();
        let mode = Mode::RUSR | Mode::WUSR;
        assert_eq!(read(dir.as_fd(), "a", 9).unwrap(), None);
        write_whole(dir.as_fd(), "a", b"one", mode, Durability::Disk).unwrap();
        write_whole(dir.as_fd(), "a", b"two", mode, Durability::Process).unwrap();
        assert_eq!(read(dir.as_fd(), "a", 3).unwrap().as_deref(), Some(&b"two"[..]));
        assert!(read(dir.as_fd(), "a", 2).is_err());
        let names: Vec<_> = entries(dir.as_fd()).unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names, ["a"]);
        assert!(remove_file(dir.as_fd(), "a").unwrap());
        assert!(!remove_file(dir.as_fd(), "a").unwrap());
    }

    /// On a file system of its own, which is full.
    #[test]
    fn root_on_a_full_disk_a_text_is_written_over_the_old_one() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let tmpfs = rustix::mount::fsopen("tmpfs", rustix::mount::FsOpenFlags::FSOPEN_CLOEXEC);
        let tmpfs = tmpfs.unwrap();
        rustix::mount::fsconfig_set_string(&tmpfs, "size", "16k").unwrap();
        rustix::mount::fsconfig_create(&tmpfs).unwrap();
        let (mount, none) =
            (rustix::mount::FsMountFlags::FSMOUNT_CLOEXEC, rustix::mount::MountAttrFlags::empty());
        let dir = rustix::mount::fsmount(&tmpfs, mount, none).unwrap();
        let dir = open_at(dir.as_fd(), ".").unwrap();
        let (mode, process) = (Mode::RUSR | Mode::WUSR, Durability::Process);
        let put =
            |name: &str, bytes: &[u8]| write_whole_or_over(dir.as_fd(), name, bytes, mode, process);
        put("a", b"[1, 2]").unwrap();
        put("big", &[b' '; 5000]).unwrap();
        // More than there is room for: all of it is taken.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
        let filler = rfs::openat(&dir, "filler", flags, mode).unwrap();
        File::from(filler).write_all(&[0; 20_000]).unwrap_err();
        put("a", b"[3]").unwrap();
        assert_eq!(read(dir.as_fd(), "a", 99).unwrap().unwrap(), b"[3]\n\n\n");
        for (name, bytes) in [("a", &b"[4, 5, 6]"[..]), ("new", b"x"), ("big", b"x")] {
            let error = put(name, bytes).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{name}");
        }
        assert_eq!(read(dir.as_fd(), "a", 99).unwrap().unwrap(), b"[3]\n\n\n");
        assert_eq!(entries(dir.as_fd()).unwrap().len(), 3);
    }

    #[test]
    fn links_are_not_followed() {
        let (_folder, dir) = scratch();
        rfs::symlinkat("/etc", dir.as_fd(), "link").unwrap();
        assert!(open_at(dir.as_fd(), "link").is_err());
        assert!(make(dir.as_fd(), "link", Mode::RWXU).is_err());
        assert!(read(dir.as_fd(), "link", 9).is_err());
        assert_eq!(make(dir.as_fd(), "new", Mode::RWXU).unwrap(), Made::New);
        assert_eq!(make(dir.as_fd(), "new", Mode::RWXU).unwrap(), Made::Existing);
    }

    #[test]
    fn a_look_up_succeeds_while_others_rename() {
        let (_folder, dir) = scratch();
        for name in ["a", "b"] {
            make(dir.as_fd(), name, Mode::RWXU).unwrap();
        }
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    rfs::renameat(&dir, "b", &dir, "c").unwrap();
                    rfs::renameat(&dir, "c", &dir, "b").unwrap();
                }
            });
            let path = "a/../a/../a/../a/../a/../a/../a/../a";
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let look = |_| open_within(&dir, path, flags, Mode::empty(), ResolveFlags::IN_ROOT);
            let failed = (0..10_000).map(look).find_map(Result::err);
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(failed, None);
        });
    }

    #[test]
    fn a_write_that_fails_leaves_nothing() {
        let (_folder, dir) = scratch();
        make(dir.as_fd(), "a", Mode::RWXU).unwrap();
        assert!(write_whole(dir.as_fd(), "a", b"x", Mode::RUSR, Durability::Process).is_err());
        assert_eq!(entries(dir.as_fd()).unwrap().len(), 1);
    }
}
