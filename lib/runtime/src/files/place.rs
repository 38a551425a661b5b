//! Looking a path up, once, to descriptors.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_rootfs::{EntryPath, LastLink};
use coffer_sys::dir::open_within;
use rustix::fs::{self as rfs, AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::FilesError;
use super::error::At as _;
use super::names::{join, split};

/// Links that are followed at the end of a path, as in path_resolution(7).
const LINKS: usize = 40;

/// File systems that hold no files: proc, sysfs, cgroup, cgroup2, devpts, mqueue, debugfs, tracefs,
/// securityfs, bpf, configfs, pstore, efivarfs, binfmt_misc, fusectl, nsfs. Source: linux/magic.h.
const KERNELS: [u64; 16] = [
    0x9fa0,
    0x6265_6572,
    0x0027_e0eb,
    0x6367_7270,
    0x1cd1,
    0x1980_0202,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xcafe_4a11,
    0x6265_6570,
    0x6165_676c,
    0xde5e_81e4,
    0x4249_4e4d,
    0x6573_5546,
    0x6e73_6673,
];

pub(super) const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A tree of files whose root no path leads out of.
#[derive(Debug)]
pub struct Tree {
    root: OwnedFd,
}

/// What a path leads to.
#[derive(Debug)]
pub enum Found {
    /// A folder, open.
    Folder(OwnedFd),
    /// Something else: the folder that it is in (`O_PATH`), and its name there.
    Other(OwnedFd, Vec<u8>),
    /// Nothing so far, likewise.
    Missing(OwnedFd, Vec<u8>),
}

impl Tree {
    /// The tree below `root`, a folder that is open.
    #[must_use]
    pub fn new(root: OwnedFd) -> Self {
        Self { root }
    }

    /// The caller's own: all that it sees from the root of its file systems.
    ///
    /// # Errors
    /// Where that cannot be opened.
    pub fn of_caller() -> Result<Self, FilesError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: rfs::open(c"/", flags, Mode::empty()).at("open", b"/")? })
    }

    /// What `path` leads to from the root, links and `..` staying below it. A link at its end is
    /// followed or kept, as `last` says.
    ///
    /// # Errors
    /// What stands in the way: a folder that is missing, links without an end, the kernel's own
    /// file systems.
    pub fn find(&self, path: &[u8], last: LastLink) -> Result<Found, FilesError> {
        let mut path = path.to_vec();
        for _ in 0..LINKS {
            let Some((parent, name)) = split(&path) else {
                return self.folder(&path, OFlags::RDONLY).map(Found::Folder);
            };
            let folder = self.folder(parent, OFlags::PATH)?;
            let kind = match rfs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(Errno::NOENT) => return Ok(Found::Missing(folder, name.to_vec())),
                Err(errno) => return Err(errno).at("look at", &path),
            };
            match kind {
                FileType::Directory => return self.below(&folder, name, &path).map(Found::Folder),
                FileType::Symlink if last == LastLink::Follow => {
                    let target = rfs::readlinkat(&folder, name, Vec::new()).at("read", &path)?;
                    path = match target.to_bytes() {
                        whole if whole.starts_with(b"/") => whole.to_vec(),
                        part => join(parent, part),
                    };
                }
                _ => return Ok(Found::Other(folder, name.to_vec())),
            }
        }
        Err(FilesError::Links(EntryPath::new(&path)))
    }

    fn below(&self, folder: &OwnedFd, name: &[u8], path: &[u8]) -> Result<OwnedFd, FilesError> {
        let folder = rfs::openat(folder, name, FOLDER, Mode::empty()).at("open", path)?;
        refuse_kernels(folder.as_fd(), path).map(|()| folder)
    }

    fn folder(&self, path: &[u8], how: OFlags) -> Result<OwnedFd, FilesError> {
        let whole = path.strip_suffix(b"/").filter(|path| !path.is_empty()).unwrap_or(path);
        let whole = if whole.is_empty() { b"/" } else { whole };
        let flags = how | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let shown = || EntryPath::new(whole);
        match open_within(&self.root, whole, flags, Mode::empty(), inside) {
            Ok(folder) => refuse_kernels(folder.as_fd(), whole).map(|()| folder),
            Err(Errno::NOENT) => Err(FilesError::NoFolder(shown())),
            Err(Errno::NOTDIR) => Err(FilesError::NotFolder(shown())),
            Err(Errno::LOOP) => Err(FilesError::Links(shown())),
            Err(errno) => Err(errno).at("open", whole),
        }
    }
}

/// Refuses a folder that is the kernel's.
pub(super) fn refuse_kernels(folder: BorrowedFd<'_>, path: &[u8]) -> Result<(), FilesError> {
    match is_kernels(folder).at("look at", path)? {
        true => Err(FilesError::Kernels(EntryPath::new(path))),
        false => Ok(()),
    }
}

/// Whether a folder is on a file system of the kernel's.
pub(super) fn is_kernels(folder: BorrowedFd<'_>) -> rustix::io::Result<bool> {
    let kind = rfs::fstatfs(folder)?.f_type;
    // The field is signed, or as wide as a word, on some machines.
    Ok(u64::try_from(kind).is_ok_and(|kind| KERNELS.contains(&(kind & 0xffff_ffff))))
}
