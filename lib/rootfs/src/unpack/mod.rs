//! A layer's archive made into the tree that overlay stacks.
//!
//! The tree is what containers/storage, and so podman, makes of the same layer, with these
//! differences, each on purpose:
//! - the attributes of the root folder are those of the layer's own entry;
//! - folders without an entry take the attributes that the lower layers give them, else mode 755,
//!   root's, 1970;
//! - a folder that comes with a whiteout of its own name hides what the lower layers have in it,
//!   whatever the order of the two (image-spec layer.md, "Whiteouts");
//! - a hard link to a file of a lower layer copies that file up first;
//! - times before 1970 are kept;
//! - a path with `..` is refused, and so is a character device 0:0, which overlay would take for
//!   a whiteout.
//!
//! Everything happens through directory fds below the tree. While it is being made, nobody else
//! writes to it.

mod attributes;
mod copy_up;
mod entry;
mod error;
mod folders;
mod parents;

use std::os::fd::{BorrowedFd, OwnedFd};

use coffer_oci::Digest;
use rustix::fs::{self as rfs, AtFlags, FileType, Mode, XattrFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

pub use error::{LinkFault, UnpackError};

use self::attributes::Attributes;
use self::error::At as _;
use self::folders::{Folders, State};
use self::parents::Parents;
use crate::limits::Budget;
use crate::path::{self, Wish};
use crate::stack::merged::{Folder, LastLink, Node, is_whiteout};
use crate::{EntryPath, Flavour, Source};
use coffer_tar::{Entry, Kind, Reader, TarError};

/// What was done, and what could not be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Entries of the archive.
    pub entries: u64,
    /// Device nodes that were left out: an ordinary user may make none. podman leaves them out too.
    pub devices_left_out: u64,
    /// Extended attributes that the file system or the user namespace does not take.
    pub xattrs_left_out: u64,
}

/// A tree that was made.
pub(crate) struct Unpacked {
    /// What the archive hashes to.
    pub(crate) digest: Digest,
    pub(crate) report: Report,
    /// Whether nothing of the lower layers shows.
    pub(crate) base: bool,
}

/// Gives the folder `to` the attributes of `from`, without those that overlay keeps there.
pub(crate) fn copy_folder(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    Attributes::read(from)?.apply(to).map(|_| ())
}

/// The layers below one that is being unpacked, which may still be on their way.
pub(crate) trait Below {
    /// Waits for them and gives them as one folder; `None` below the lowest layer.
    fn wait(&self) -> Result<Option<Folder>, UnpackError>;

    /// Whether the tree is not wanted any more.
    fn cancelled(&self) -> bool;
}

/// Unpacks `source` into the empty folder `tree`, and gives the digest of the archive with it.
///
/// The calling thread's umask must be 0.
pub(crate) fn unpack(
    source: Source<'_>,
    tree: OwnedFd,
    flavour: Flavour,
    budget: &Budget,
    below: &dyn Below,
) -> Result<Unpacked, UnpackError> {
    let mut reader = Reader::new(source);
    let mut entry = Entry::default();
    let mut unpacker = Unpacker::new(tree, flavour, budget, below);
    while reader.next(&mut entry)? {
        if below.cancelled() {
            return Err(UnpackError::Below);
        }
        unpacker.apply(&mut entry, &mut reader)?;
    }
    let digest = reader.into_inner().finish().map_err(TarError::from)?;
    unpacker.finish_folders()?;
    Ok(Unpacked { digest, report: unpacker.report, base: unpacker.folders.hides(b"") })
}

struct Unpacker<'a> {
    parents: Parents,
    folders: Folders,
    flavour: Flavour,
    budget: &'a Budget,
    below: Lower<'a>,
    /// The owner of what this process makes.
    own: (u32, u32),
    report: Report,
    /// The clean path of the current entry.
    path: Vec<u8>,
}

/// The layers below, once they were waited for.
enum Lower<'a> {
    Pending(&'a dyn Below),
    Here(Option<Folder>),
}

impl<'a> Unpacker<'a> {
    fn new(tree: OwnedFd, flavour: Flavour, budget: &'a Budget, below: &'a dyn Below) -> Self {
        let ids = (rustix::process::geteuid(), rustix::process::getegid());
        Self {
            parents: Parents::new(tree),
            folders: Folders::new(),
            flavour,
            budget,
            below: Lower::Pending(below),
            own: (ids.0.as_raw(), ids.1.as_raw()),
            report: Report::default(),
            path: Vec::new(),
        }
    }

    fn apply(
        &mut self,
        entry: &mut Entry,
        reader: &mut Reader<Source<'_>>,
    ) -> Result<(), UnpackError> {
        self.check(entry)?;
        let mut clean = std::mem::take(&mut self.path);
        let done = self.apply_clean(&mut clean, entry, reader);
        self.path = clean;
        done
    }

    fn check(&mut self, entry: &Entry) -> Result<(), UnpackError> {
        let over = |source| UnpackError::Limit { path: EntryPath::new(&entry.path), source };
        self.report.entries += 1;
        self.budget.take_entry().map_err(over)?;
        self.budget.check_file(entry.size).map_err(over)?;
        let xattrs = entry.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.budget.check_xattrs(xattrs).map_err(over)?;
        let fault = |fault| UnpackError::Path { path: EntryPath::new(&entry.path), fault };
        let depth = path::clean(&entry.path, &mut self.path).map_err(fault)?;
        self.budget.check_path(self.path.len(), depth).map_err(over)
    }

    fn apply_clean(
        &mut self,
        clean: &mut Vec<u8>,
        entry: &mut Entry,
        reader: &mut Reader<Source<'_>>,
    ) -> Result<(), UnpackError> {
        let fault = |fault| UnpackError::Path { path: EntryPath::new(&entry.path), fault };
        let wish = path::wish(clean).map_err(fault)?;
        match wish {
            Wish::Nothing => return Ok(()),
            Wish::Root if entry.kind == Kind::Folder => {
                self.folders.explicit(b"", Attributes::of(entry));
                return Ok(());
            }
            Wish::Root => return Err(UnpackError::Root { kind: entry.kind }),
            Wish::Whiteout(_) | Wish::Opaque => return self.hide(clean),
            Wish::Entry => {}
        }
        self.real_parent(clean)?;
        match entry.kind {
            Kind::Folder => self.folder(clean, entry),
            Kind::File => self.file(clean, entry, reader),
            Kind::Symlink => self.symlink(clean, entry),
            Kind::HardLink => self.hard_link(clean, entry),
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => self.node(clean, entry),
        }
    }

    /// Makes a whiteout, or makes its folder opaque.
    fn hide(&mut self, clean: &mut Vec<u8>) -> Result<(), UnpackError> {
        // An archive may take away /a and then /a/b; there is nothing left to hide then.
        if let Err(Errno::NOTDIR) = self.parents.open(path::split(clean).0) {
            return Ok(());
        }
        self.real_parent(clean)?;
        let (parent, name) = path::split(clean);
        let Some(hidden) = name.strip_prefix(b".wh.") else { return Ok(()) };
        if name == b".wh..wh..opq" {
            self.folders.hide_below(parent);
            return Ok(());
        }
        let folder = self.parents.open(parent).at("open", parent)?;
        let mode = Mode::empty();
        match rfs::mknodat(folder, hidden, FileType::CharacterDevice, mode, 0) {
            Ok(()) => Ok(()),
            // A whiteout is about the lower layers; what this layer has of the name stays, and a
            // folder that stays shows nothing of theirs.
            Err(Errno::EXIST) => {
                let mut path = parent.to_vec();
                path::push(&mut path, hidden);
                self.folders.hide_known(&path);
                Ok(())
            }
            Err(errno) => Err(errno).at("make the whiteout", clean),
        }
    }

    /// Makes sure that the parent of `clean` is a folder of this tree, made where it is missing;
    /// where links lead to it, `clean` becomes the path without them.
    fn real_parent(&mut self, clean: &mut Vec<u8>) -> Result<(), UnpackError> {
        let parent = path::split(clean).0;
        match self.parents.open(parent) {
            Ok(_) => return Ok(()),
            Err(Errno::NOENT | Errno::NOTDIR) => return self.implicit(parent.to_vec(), clean),
            Err(Errno::LOOP) => {}
            Err(errno) => return Err(errno).at("open", parent),
        }
        let tree = self.parents.root().try_clone_to_owned().at("open", b"")?;
        let tree = Folder::of(vec![tree], self.flavour);
        let found = match &tree {
            Some(tree) => tree.resolve(parent, LastLink::Follow)?,
            None => None,
        };
        let Some((real, Node::Folder(_))) = found else {
            return Err(UnpackError::ParentLink { path: EntryPath::new(clean) });
        };
        let name = path::split(clean).1.to_vec();
        *clean = real;
        path::push(clean, &name);
        Ok(())
    }

    /// Makes the folders of `parent` that have no entry so far.
    fn implicit(&mut self, parent: Vec<u8>, clean: &[u8]) -> Result<(), UnpackError> {
        let ends = parent.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in ends.chain([parent.len()]) {
            let folder = &parent[..end];
            match self.parents.open(folder) {
                Ok(_) => continue,
                Err(Errno::NOENT) => self.make_folder(folder)?,
                Err(Errno::NOTDIR) => {
                    self.replace_whiteout(folder, clean)?;
                    self.make_folder(folder)?;
                    self.folders.hide_below(folder);
                    continue;
                }
                // A link with folders behind it that are missing.
                Err(Errno::LOOP) => {
                    return Err(UnpackError::ParentLink { path: EntryPath::new(clean) });
                }
                Err(errno) => return Err(errno).at("open", folder),
            }
            self.folders.implicit(folder);
        }
        Ok(())
    }

    /// Removes what stands at `folder`, where it is a whiteout.
    fn replace_whiteout(&mut self, folder: &[u8], clean: &[u8]) -> Result<(), UnpackError> {
        let (parent, name) = path::split(folder);
        let fd = self.parents.open(parent).at("open", parent)?;
        let stat = rfs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW).at("look at", folder)?;
        if !is_whiteout(&stat) {
            return Err(UnpackError::ParentNotFolder { path: EntryPath::new(clean) });
        }
        rfs::unlinkat(fd, name, AtFlags::empty()).at("replace", folder)
    }

    /// Makes a folder that only this process can use until its attributes are set at the end.
    fn make_folder(&mut self, folder: &[u8]) -> Result<(), UnpackError> {
        let (parent, name) = path::split(folder);
        let fd = self.parents.open(parent).at("open", parent)?;
        rfs::mkdirat(fd, name, Mode::RWXU).at("make the folder", folder)
    }

    /// The lower layers, waited for.
    fn lower(&mut self) -> Result<Option<&Folder>, UnpackError> {
        if let Lower::Pending(below) = self.below {
            self.below = Lower::Here(below.wait()?);
        }
        match &self.below {
            Lower::Here(folder) => Ok(folder.as_ref()),
            Lower::Pending(_) => Ok(None),
        }
    }

    /// Sets what folders have, now that nothing more is made in them.
    fn finish_folders(&mut self) -> Result<(), UnpackError> {
        let folders = std::mem::take(&mut self.folders);
        for (path, state) in folders.iter() {
            match &state.attributes {
                Some(attributes) => self.finish_folder(path, state, attributes)?,
                None if folders.hides(path) => {
                    self.finish_folder(path, state, &Attributes::default())?;
                }
                None => {
                    let inherited = self.inherited(path)?;
                    self.finish_folder(path, state, &inherited)?;
                }
            }
        }
        self.folders = folders;
        Ok(())
    }

    fn finish_folder(
        &mut self,
        path: &[u8],
        state: &State,
        attributes: &Attributes,
    ) -> Result<(), UnpackError> {
        let fd = self.parents.open(path).at("open", path)?;
        if state.hides {
            rfs::fsetxattr(fd, self.flavour.opaque(), b"y", XattrFlags::empty())
                .at("make opaque", path)?;
        }
        let left_out = match attributes.apply(fd) {
            Err(Errno::INVAL) => {
                return Err(UnpackError::ids(path, attributes.uid, attributes.gid));
            }
            other => other.at("set attributes of", path)?,
        };
        self.report.xattrs_left_out += left_out;
        Ok(())
    }

    /// What the lower layers say of a folder that has no entry in this one.
    fn inherited(&mut self, path: &[u8]) -> Result<Attributes, UnpackError> {
        let Some(lower) = self.lower()? else { return Ok(Attributes::default()) };
        match lower.plain(path).at("look up", path)? {
            Some(folder) => Attributes::read(folder.top()).at("read attributes of", path),
            None => Ok(Attributes::default()),
        }
    }
}
