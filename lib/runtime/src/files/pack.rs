//! From a tree to an archive.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_rootfs::EntryPath;
use coffer_tar::{Entry, Kind, Time, header_of};
use rustix::fs::{self as rfs, AtFlags, FileType, Mode, OFlags, RawDir, Stat, major, minor};
use rustix::io::Errno;
use rustix::path::Arg;

use super::error::At as _;
use super::names::join;
use super::place::{FOLDER, Found, is_kernels};
use super::{DEEPEST, FilesError};

/// Files with several names of which the first is remembered. Others are copied once for each.
const REMEMBERED: usize = 1 << 20;

/// Bytes of names that are read at once: 30 of the longest there are (man 2 getdents).
const NAMES: usize = 8 << 10;

/// Never waits and takes no terminal, whatever stands at the name by now.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// Writes what was found, and all below it, as an archive in which it is called `name`. Sockets are
/// left out, and so is what lies below a file system of the kernel's.
///
/// # Errors
/// A [`FilesError`]; the archive then ends early.
pub fn pack(found: &Found, name: &[u8], out: &mut dyn Write) -> Result<(), FilesError> {
    let mut packer = Packer { out, names: HashMap::new(), depth: 0 };
    match found {
        Found::Folder(folder) => packer.folder(folder, name)?,
        Found::Other(parent, there) => packer.entry(parent.as_fd(), there.as_slice(), name)?,
        Found::Missing(_, there) => return Err(FilesError::NotFound(EntryPath::new(there))),
    }
    out.write_all(&coffer_tar::END).and_then(|()| out.flush()).map_err(FilesError::Write)
}

struct Packer<'a> {
    out: &'a mut dyn Write,
    /// Device and inode of files that have several names, and what they are called here.
    names: HashMap<(u64, u64), Vec<u8>>,
    depth: usize,
}

impl Packer<'_> {
    fn entry<N: Arg + Copy>(
        &mut self,
        parent: BorrowedFd<'_>,
        there: N,
        path: &[u8],
    ) -> Result<(), FilesError> {
        let stat = match rfs::statat(parent, there, AtFlags::SYMLINK_NOFOLLOW) {
            // It has gone since its name was read.
            Err(Errno::NOENT) if self.depth > 0 => return Ok(()),
            stat => stat.at("look at", path)?,
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => match rfs::openat(parent, there, FOLDER, Mode::empty()) {
                Err(Errno::NOTDIR | Errno::LOOP) => Err(FilesError::Changed(EntryPath::new(path))),
                folder => self.folder(&folder.at("open", path)?, path),
            },
            FileType::RegularFile => self.file(parent, there, &stat, path),
            FileType::Symlink => {
                let target = rfs::readlinkat(parent, there, Vec::new()).at("read", path)?;
                self.header(&Entry { link: target.into_bytes(), ..of(&stat, Kind::Symlink, path) })
            }
            FileType::Fifo => self.header(&of(&stat, Kind::Fifo, path)),
            FileType::CharacterDevice => self.header(&of(&stat, Kind::CharDevice, path)),
            FileType::BlockDevice => self.header(&of(&stat, Kind::BlockDevice, path)),
            _ => Ok(()),
        }
    }

    fn folder(&mut self, folder: &OwnedFd, path: &[u8]) -> Result<(), FilesError> {
        let stat = rfs::fstat(folder).at("look at", path)?;
        self.header(&of(&stat, Kind::Folder, path))?;
        if is_kernels(folder.as_fd()).at("look at", path)? {
            return Ok(());
        }
        if self.depth == DEEPEST {
            return Err(FilesError::Deep(EntryPath::new(path)));
        }
        self.depth += 1;
        let mut buffer = vec![MaybeUninit::<u8>::uninit(); NAMES];
        let mut names = RawDir::new(folder, &mut buffer);
        while let Some(entry) = names.next() {
            let entry = entry.at("read", path)?;
            let name: &CStr = entry.file_name();
            if name != c"." && name != c".." {
                self.entry(folder.as_fd(), name, &join(path, name.to_bytes()))?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn file<N: Arg + Copy>(
        &mut self,
        parent: BorrowedFd<'_>,
        there: N,
        seen: &Stat,
        path: &[u8],
    ) -> Result<(), FilesError> {
        let identity = (seen.st_dev, seen.st_ino);
        if seen.st_nlink > 1
            && let Some(first) = self.names.get(&identity)
        {
            let (link, size) = (first.clone(), 0);
            return self.header(&Entry { link, size, ..of(seen, Kind::HardLink, path) });
        }
        let changed = || FilesError::Changed(EntryPath::new(path));
        let file = match rfs::openat(parent, there, FILE, Mode::empty()) {
            Err(Errno::LOOP | Errno::NXIO) => return Err(changed()),
            file => File::from(file.at("open", path)?),
        };
        let stat = rfs::fstat(&file).at("look at", path)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(changed());
        }
        let entry = of(&stat, Kind::File, path);
        self.header(&entry)?;
        self.content(file, entry.size, path)?;
        if stat.st_nlink > 1 && self.names.len() < REMEMBERED {
            self.names.insert((stat.st_dev, stat.st_ino), path.to_vec());
        }
        Ok(())
    }

    /// As many bytes as the header has promised, and zeros up to the next block.
    fn content(&mut self, file: File, size: u64, path: &[u8]) -> Result<(), FilesError> {
        let mut file = file.take(size);
        let mut left = size;
        let mut buffer = vec![0; 128 << 10];
        while left > 0 {
            let count = match file.read(&mut buffer) {
                Ok(0) => return Err(FilesError::Changed(EntryPath::new(path))),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                count => count.at("read", path)?,
            };
            self.out.write_all(&buffer[..count]).map_err(FilesError::Write)?;
            left -= count as u64;
        }
        let padding = size.next_multiple_of(512) - size;
        let zeros = [0; 512];
        let zeros = zeros.get(..usize::try_from(padding).unwrap_or(0)).unwrap_or_default();
        self.out.write_all(zeros).map_err(FilesError::Write)
    }

    fn header(&mut self, entry: &Entry) -> Result<(), FilesError> {
        self.out.write_all(&header_of(entry)).map_err(FilesError::Write)
    }
}

/// An entry with all that the kernel says of it.
fn of(stat: &Stat, kind: Kind, path: &[u8]) -> Entry {
    let size = match kind {
        Kind::File => u64::try_from(stat.st_size).unwrap_or(0),
        _ => 0,
    };
    Entry {
        path: path.to_vec(),
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: Time {
            seconds: stat.st_mtime,
            nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        },
        size,
        device: (major(stat.st_rdev), minor(stat.st_rdev)),
        ..Entry::default()
    }
}
