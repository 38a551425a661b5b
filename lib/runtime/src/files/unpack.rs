//! From an archive to a tree.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_rootfs::EntryPath;
use coffer_sys::dir::open_within;
use coffer_tar::{Buffered, Entry, Kind, Reader};
use rustix::fs::{self as rfs, AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::error::At as _;
use super::how::How;
use super::names::{components, join};
use super::place::{FOLDER, Found, refuse_kernels};
use super::{DEEPEST, FilesError};

/// How many files are remembered as brought by the archive, for hard links to them.
const REMEMBERED: usize = 1 << 20;

/// No link of the tree is followed, be it exchanged meanwhile.
const BELOW: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Where an archive goes.
#[derive(Debug)]
pub enum Into {
    /// Its entries go into this folder by the names that they have.
    Folder(OwnedFd),
    /// It has one top, which is called `.`: a file, or a folder with all below it. The top gets a
    /// place and a name as cp(1) gives them.
    Place {
        /// What the caller's path leads to.
        found: Found,
        /// That path, for messages.
        path: Vec<u8>,
        /// What the top is called in a folder that is there. `None` where only the content of the
        /// top goes into it.
        name: Option<Vec<u8>>,
        /// Whether the path can mean a folder only: it ends in a slash.
        is_folder: bool,
    },
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Entries that were made.
    pub entries: u64,
    /// Bytes of their contents.
    pub bytes: u64,
    /// Devices that were left out: none is made, on either side.
    pub devices: u64,
}

/// Makes what the archive has. The caller's umask must be 0. What is in the way of a file is
/// removed unless it is a folder; a folder that is there keeps what it has.
///
/// # Errors
/// A [`FilesError`]; what was made before stays.
pub fn unpack(archive: impl Read, into: Into, how: How) -> Result<Report, FilesError> {
    let mut reader = Reader::new(Buffered::new(archive));
    let mut entry = Entry::default();
    if !reader.next(&mut entry)? {
        return Ok(Report::default());
    }
    let (base, top) = into.settle(entry.kind)?;
    let mut unpacker = Unpacker {
        base,
        top,
        how,
        open: Vec::new(),
        brought: HashSet::new(),
        report: Report::default(),
    };
    loop {
        unpacker.apply(&entry, &mut reader)?;
        if !reader.next(&mut entry)? {
            unpacker.leave(0)?;
            return Ok(unpacker.report);
        }
    }
}

impl Into {
    /// The folder that all is made in, and what the top is called there.
    fn settle(self, top: Kind) -> Result<(OwnedFd, Option<Vec<u8>>), FilesError> {
        let (found, path, name, is_folder) = match self {
            Self::Folder(folder) => return Ok((folder, None)),
            Self::Place { found, path, name, is_folder } => (found, path, name, is_folder),
        };
        let shown = || EntryPath::new(&path);
        match (found, top) {
            (Found::Folder(folder), _) => Ok((folder, name)),
            (Found::Other(..), _) if is_folder => Err(FilesError::NotFolder(shown())),
            (Found::Other(..), Kind::Folder) => Err(FilesError::FolderOverFile(shown())),
            (Found::Missing(..), kind) if is_folder && kind != Kind::Folder => {
                Err(FilesError::NoFolder(shown()))
            }
            (Found::Other(parent, name) | Found::Missing(parent, name), _) => {
                Ok((parent, Some(name)))
            }
        }
    }
}

/// A folder that was made, and gets what the archive says of it when nothing more is made in it.
struct Open {
    path: Vec<u8>,
    folder: OwnedFd,
    entry: Entry,
}

struct Unpacker {
    base: OwnedFd,
    top: Option<Vec<u8>>,
    how: How,
    /// Each lies in the one before it.
    open: Vec<Open>,
    /// Device and inode of files that the archive has brought.
    brought: HashSet<(u64, u64)>,
    report: Report,
}

impl Unpacker {
    fn apply<R: Read>(
        &mut self,
        entry: &Entry,
        reader: &mut Reader<Buffered<R>>,
    ) -> Result<(), FilesError> {
        let path = self.place(&entry.path)?;
        let keep = self.open.iter().take_while(|open| is_below(&path, &open.path)).count();
        self.leave(keep)?;
        let Some((parent, name)) = self.parent(&path)? else { return Ok(()) };
        let (parent, name) = (parent.as_fd(), name.as_slice());
        match entry.kind {
            Kind::Folder => self.folder(parent, name, &path, entry)?,
            Kind::File => self.file(parent, name, &path, entry, reader)?,
            Kind::HardLink => self.link(parent, name, &path, entry)?,
            Kind::Symlink => {
                clear(parent, name, &path)?;
                rfs::symlinkat(entry.link.as_slice(), parent, name).at("make the link", &path)?;
                self.how.set_by_name(parent, name, &path, entry)?;
            }
            Kind::Fifo => {
                clear(parent, name, &path)?;
                rfs::mknodat(parent, name, FileType::Fifo, self.how.mode(entry), 0)
                    .at("make the pipe", &path)?;
                self.how.set_by_name(parent, name, &path, entry)?;
            }
            Kind::CharDevice | Kind::BlockDevice => {
                self.report.devices += 1;
                return Ok(());
            }
        }
        self.report.entries += 1;
        Ok(())
    }

    /// The path of an entry below the base, in clean components.
    fn place(&self, path: &[u8]) -> Result<Vec<u8>, FilesError> {
        let mut clean = self.top.clone().unwrap_or_default();
        for (depth, part) in components(path).enumerate() {
            if part == b".." {
                return Err(FilesError::Up(EntryPath::new(path)));
            }
            if depth > DEEPEST {
                return Err(FilesError::Deep(EntryPath::new(path)));
            }
            clean = join(&clean, part);
        }
        Ok(clean)
    }

    /// The folder that `path` is in, and its name there; `None` for the base itself, which is
    /// there and stays as it is.
    fn parent(&self, path: &[u8]) -> Result<Option<(OwnedFd, Vec<u8>)>, FilesError> {
        let Some(name) = components(path).next_back() else { return Ok(None) };
        let above = &path[..path.len() - name.len()];
        let above = above.strip_suffix(b"/").unwrap_or(above);
        let (mut folder, mut rest) = (self.base.try_clone().at("open", b"/")?, above);
        if let Some(open) = self.open.last() {
            // What was made a moment ago is still open.
            folder = open.folder.try_clone().at("open", above)?;
            rest = &above[open.path.len()..];
        }
        for part in components(rest) {
            folder = enter_or_make(&folder, part, above)?;
        }
        refuse_kernels(folder.as_fd(), above)?;
        Ok(Some((folder, name.to_vec())))
    }

    fn folder(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        entry: &Entry,
    ) -> Result<(), FilesError> {
        match rfs::mkdirat(parent, name, Mode::RWXU) {
            Ok(()) => {}
            Err(Errno::EXIST) if is_folder(parent, name, path)? => return Ok(()),
            Err(Errno::EXIST) => return Err(FilesError::FolderOverFile(EntryPath::new(path))),
            Err(errno) => return Err(errno).at("make the folder", path),
        }
        let folder = rfs::openat(parent, name, FOLDER, Mode::empty()).at("open", path)?;
        self.open.push(Open { path: path.to_vec(), folder, entry: entry.clone() });
        Ok(())
    }

    fn file<R: Read>(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        entry: &Entry,
        reader: &mut Reader<Buffered<R>>,
    ) -> Result<(), FilesError> {
        clear(parent, name, path)?;
        let new =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rfs::openat(parent, name, new, Mode::RUSR | Mode::WUSR).at("make", path)?;
        let mut file = File::from(file);
        self.report.bytes += content(&mut file, entry, reader, path)?;
        self.how.set(file.as_fd(), path, entry)?;
        if self.brought.len() < REMEMBERED {
            let stat = rfs::fstat(&file).at("look at", path)?;
            self.brought.insert((stat.st_dev, stat.st_ino));
        }
        Ok(())
    }

    /// Another name for a file that the archive has brought, and for no other.
    fn link(
        &self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        entry: &Entry,
    ) -> Result<(), FilesError> {
        let refused = || FilesError::Link(EntryPath::new(path));
        let target = self.place(&entry.link)?;
        let last = components(&target).next_back().ok_or_else(refused)?;
        let above = &target[..target.len() - last.len()];
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = match above {
            b"" => self.base.try_clone().at("open", above)?,
            above => match open_within(&self.base, above, flags, Mode::empty(), BELOW) {
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Err(refused()),
                folder => folder.at("open", above)?,
            },
        };
        clear(parent, name, path)?;
        // The name is looked at when it is ours: what it is linked to may be exchanged meanwhile.
        match rfs::linkat(&folder, last, parent, name, AtFlags::empty()) {
            Err(Errno::NOENT | Errno::PERM) => return Err(refused()),
            linked => linked.at("link", path)?,
        }
        let stat = rfs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).at("look at", path)?;
        if !self.brought.contains(&(stat.st_dev, stat.st_ino)) {
            rfs::unlinkat(parent, name, AtFlags::empty()).at("remove", path)?;
            return Err(refused());
        }
        Ok(())
    }

    /// Gives the folders behind the first `keep` what the archive says of them.
    fn leave(&mut self, keep: usize) -> Result<(), FilesError> {
        while self.open.len() > keep {
            if let Some(Open { path, folder, entry }) = self.open.pop() {
                self.how.set(folder.as_fd(), &path, &entry)?;
            }
        }
        Ok(())
    }
}

/// The folder `part` of `folder`, made where it is missing.
fn enter_or_make(folder: &OwnedFd, part: &[u8], path: &[u8]) -> Result<OwnedFd, FilesError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || rfs::openat(folder, part, flags, Mode::empty());
    match open() {
        Err(Errno::NOENT) => {
            rfs::mkdirat(folder, part, Mode::from_raw_mode(0o755)).at("make the folder", path)?;
            open().at("open", path)
        }
        Err(Errno::NOTDIR | Errno::LOOP) => Err(FilesError::NotFolder(EntryPath::new(path))),
        opened => opened.at("open", path),
    }
}

fn is_below(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with(b"/"))
}

fn is_folder(parent: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<bool, FilesError> {
    let stat = rfs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).at("look at", path)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Removes what is in the way of something that is no folder. Nothing is written into what is
/// there: it may have other names.
fn clear(parent: BorrowedFd<'_>, name: &[u8], path: &[u8]) -> Result<(), FilesError> {
    match rfs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => match is_folder(parent, name, path) {
            Ok(true) => Err(FilesError::FileOverFolder(EntryPath::new(path))),
            _ => Err(errno).at("replace", path),
        },
    }
}

/// Writes the data of an entry, with its holes where it says that it has some.
fn content<R: Read>(
    file: &mut File,
    entry: &Entry,
    reader: &mut Reader<Buffered<R>>,
    path: &[u8],
) -> Result<u64, FilesError> {
    let mut written = 0;
    let whole = [coffer_tar::Extent { offset: 0, length: entry.size }];
    for extent in entry.sparse.as_deref().unwrap_or(&whole) {
        if entry.sparse.is_some() {
            rfs::seek(&*file, rfs::SeekFrom::Start(extent.offset)).at("write", path)?;
        }
        let mut left = extent.length;
        while left > 0 {
            let bytes = reader.chunk()?;
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let Some(bytes) = bytes.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            file.write_all(bytes).at("write", path)?;
            reader.advance(count);
            left -= count as u64;
            written += count as u64;
        }
    }
    if entry.sparse.is_some() {
        rfs::ftruncate(&*file, entry.size).at("write", path)?;
    }
    Ok(written)
}
