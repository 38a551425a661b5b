//! Folders of several trees seen as one, by overlay's rules.
//!
//! Source: kernel Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::dir;
use rustix::fs::{self as rfs, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::path::{components, push};
use crate::{EntryPath, Flavour};

/// Links that are followed on one path, as in path_resolution(7).
const LINKS: usize = 40;

/// What stands in the way of a lookup.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// A link leads to a link, and so on.
    #[error("too many symbolic links on the way to {path}")]
    Links {
        /// What was looked up.
        path: EntryPath,
    },
    /// It is longer than the caller takes.
    #[error("{path} has {size} bytes; at most {limit} are read")]
    TooLong {
        /// What was read.
        path: EntryPath,
        /// Its size in bytes.
        size: u64,
        /// The most that the caller takes.
        limit: u64,
    },
    /// It is a folder, a device or another thing that has no content.
    #[error("{path} is no ordinary file")]
    NotFile {
        /// What was read.
        path: EntryPath,
    },
    /// The system refused.
    #[error("cannot look up {path}")]
    System {
        /// What was looked up.
        path: EntryPath,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A folder as overlay shows it: the folders of this path in several trees.
#[derive(Debug)]
pub struct Folder {
    /// Never empty; the topmost first.
    parts: Vec<OwnedFd>,
    flavour: Flavour,
}

/// What a name stands for.
#[derive(Debug)]
pub enum Node {
    /// A folder.
    Folder(Folder),
    /// A symbolic link.
    Symlink {
        /// Where it stands.
        leaf: Leaf,
        /// What it says.
        target: Vec<u8>,
    },
    /// Anything else.
    Leaf(Leaf),
}

/// A file that is no folder, in the topmost tree that has it.
#[derive(Debug)]
pub struct Leaf {
    /// The folder that it is in.
    folder: OwnedFd,
    name: Vec<u8>,
    stat: Stat,
}

/// What becomes of a link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastLink {
    /// It is followed, as by open(2).
    Follow,
    /// It is what was looked for, as by lstat(2).
    Keep,
}

impl Folder {
    /// The trees seen as one; the topmost first. There must be at least one.
    pub(crate) fn of(parts: Vec<OwnedFd>, flavour: Flavour) -> Option<Self> {
        (!parts.is_empty()).then_some(Self { parts, flavour })
    }

    /// The folder in the topmost tree that has it: its attributes are those that count.
    pub fn top(&self) -> BorrowedFd<'_> {
        self.parts[0].as_fd()
    }

    /// What `name`, one component, is here.
    pub fn child(&self, name: &[u8]) -> io::Result<Option<Node>> {
        let mut parts = Vec::new();
        for (at, part) in self.parts.iter().enumerate() {
            let stat = match rfs::statat(part, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno.into()),
            };
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                if parts.is_empty() && !is_whiteout(&stat) {
                    return leaf(part.as_fd(), name, stat).map(Some);
                }
                break;
            }
            let folder = open_folder(part.as_fd(), name)?;
            let last = at + 1 == self.parts.len();
            let opaque = !last && is_opaque(folder.as_fd(), self.flavour)?;
            parts.push(folder);
            if opaque {
                break;
            }
        }
        Ok(Self::of(parts, self.flavour).map(Node::Folder))
    }

    /// What `path` is below here, where no link is on the way and none at its end.
    pub(crate) fn plain(&self, path: &[u8]) -> io::Result<Option<Folder>> {
        let mut here = self.try_clone()?;
        for name in components(path) {
            match here.child(name)? {
                Some(Node::Folder(folder)) => here = folder,
                _ => return Ok(None),
            }
        }
        Ok(Some(here))
    }

    /// The names in the folder, without `.` and `..`.
    pub fn names(&self) -> io::Result<BTreeSet<Vec<u8>>> {
        let (mut names, mut hidden) = (BTreeSet::new(), BTreeSet::new());
        for part in &self.parts {
            for entry in dir::entries(part.as_fd())? {
                let name = std::os::unix::ffi::OsStringExt::into_vec(entry.name);
                let seen = names.contains(&name) || hidden.contains(&name);
                if !seen {
                    let whiteout = match entry.kind {
                        FileType::CharacterDevice | FileType::Unknown => {
                            is_whiteout(&rfs::statat(part, &name, AtFlags::SYMLINK_NOFOLLOW)?)
                        }
                        _ => false,
                    };
                    if whiteout {
                        hidden.insert(name)
                    } else {
                        names.insert(name)
                    };
                }
            }
        }
        Ok(names)
    }

    /// A second handle of the same folder.
    pub fn try_clone(&self) -> io::Result<Self> {
        let parts = self.parts.iter().map(OwnedFd::try_clone).collect::<io::Result<_>>()?;
        Ok(Self { parts, flavour: self.flavour })
    }

    /// What `path` leads to from here, as the root: `..` and links stay below. `None` where a
    /// component is missing or is no folder. With it comes the path without links.
    pub fn resolve(
        &self,
        path: &[u8],
        last: LastLink,
    ) -> Result<Option<(Vec<u8>, Node)>, LookupError> {
        let shown = || EntryPath::new(path);
        let system = |source| LookupError::System { path: shown(), source };
        let mut trail = vec![self.try_clone().map_err(system)?];
        let mut real = Vec::new();
        let mut left: VecDeque<Vec<u8>> = components(path).map(<[u8]>::to_vec).collect();
        let mut links = 0;
        while let Some(name) = left.pop_front() {
            if name == b".." {
                trail.truncate(trail.len().saturating_sub(1).max(1));
                real.truncate(crate::path::split(&real).0.len());
                continue;
            }
            let Some(here) = trail.last() else { break };
            match here.child(&name).map_err(system)? {
                None => return Ok(None),
                Some(Node::Folder(folder)) => {
                    trail.push(folder);
                    push(&mut real, &name);
                }
                Some(Node::Symlink { target, .. })
                    if !left.is_empty() || last == LastLink::Follow =>
                {
                    links += 1;
                    if links > LINKS {
                        return Err(LookupError::Links { path: shown() });
                    }
                    if target.starts_with(b"/") {
                        trail.truncate(1);
                        real.clear();
                    }
                    components(&target).rev().for_each(|part| left.push_front(part.to_vec()));
                }
                Some(node) => {
                    push(&mut real, &name);
                    return Ok(left.is_empty().then_some((real, node)));
                }
            }
        }
        Ok(trail.pop().map(|folder| (real, Node::Folder(folder))))
    }
}

impl Leaf {
    /// What lstat(2) says of it.
    pub fn stat(&self) -> &Stat {
        &self.stat
    }

    /// The folder that holds it, in the topmost tree that has it, and its name there.
    pub fn place(&self) -> (BorrowedFd<'_>, &[u8]) {
        (self.folder.as_fd(), &self.name)
    }

    /// Opens it for reading, where it is an ordinary file.
    pub fn open(&self) -> io::Result<File> {
        if FileType::from_raw_mode(self.stat.st_mode) != FileType::RegularFile {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(rfs::openat(&self.folder, &self.name, flags, Mode::empty())?))
    }

    /// Reads it whole, where it is an ordinary file of at most `limit` bytes.
    pub(crate) fn read(&self, path: &[u8], limit: u64) -> Result<Vec<u8>, LookupError> {
        let shown = || EntryPath::new(path);
        let file = self.open().map_err(|source| match source.kind() {
            io::ErrorKind::InvalidInput => LookupError::NotFile { path: shown() },
            _ => LookupError::System { path: shown(), source },
        })?;
        let mut bytes = Vec::new();
        let system = |source| LookupError::System { path: shown(), source };
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(system)?;
        match bytes.len() as u64 {
            size if size > limit => Err(LookupError::TooLong { path: shown(), size, limit }),
            _ => Ok(bytes),
        }
    }
}

/// Whether overlay takes this for a whiteout: character device 0:0.
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Whether overlay shows nothing below this folder's own content.
pub(crate) fn is_opaque(folder: BorrowedFd<'_>, flavour: Flavour) -> io::Result<bool> {
    let mut value = [0_u8; 1];
    match rfs::fgetxattr(folder, flavour.opaque(), &mut value[..]) {
        Ok(1) => Ok(value[0] == b'y'),
        Ok(_) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

fn open_folder(parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rfs::openat(parent, name, flags, Mode::empty())?)
}

fn leaf(folder: BorrowedFd<'_>, name: &[u8], stat: Stat) -> io::Result<Node> {
    let leaf = Leaf { folder: folder.try_clone_to_owned()?, name: name.to_vec(), stat };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        return Ok(Node::Leaf(leaf));
    }
    let target = rfs::readlinkat(folder, name, Vec::new())?.into_bytes();
    Ok(Node::Symlink { leaf, target })
}
