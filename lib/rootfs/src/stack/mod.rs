//! An image's layers, stacked.

pub(crate) mod merged;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};

use self::merged::{Folder, LastLink, LookupError, Node};
use crate::{EntryPath, Flavour};

/// The trees of an image's layers, unpacked and open, lowest first. Layers below one whose root
/// is opaque are not in it.
#[derive(Debug)]
pub struct Stack {
    layers: Vec<Layer>,
    flavour: Flavour,
}

/// One unpacked layer.
#[derive(Debug)]
pub struct Layer {
    /// The path of its tree from the `layers` folder.
    pub(crate) name: String,
    pub(crate) tree: OwnedFd,
}

impl Stack {
    pub(crate) fn new(layers: Vec<Layer>, flavour: Flavour) -> Self {
        Self { layers, flavour }
    }

    /// How overlay's marks are kept in the trees.
    pub fn flavour(&self) -> Flavour {
        self.flavour
    }

    /// The layers, lowest first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Reads a file as a container on this image would see it: whiteouts, opaque folders and
    /// links count, and links stay below the root. `None` where there is no such file.
    ///
    /// # Errors
    /// [`LookupError::TooLong`] where it has more than `limit` bytes.
    pub fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, LookupError> {
        match self.root(None).map_err(|source| system(path, source))? {
            Some(root) => root.read(path, limit),
            None => Ok(None),
        }
    }

    /// The root folder of all layers, with a container's own on top where there is one. `None`
    /// where there is no layer at all.
    pub fn root(&self, upper: Option<BorrowedFd<'_>>) -> io::Result<Option<Folder>> {
        let lower = self.layers.iter().rev().map(|layer| layer.tree.as_fd());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |fd| Ok(rustix::fs::openat(fd, c".", flags, Mode::empty())?);
        let parts = upper.into_iter().chain(lower).map(open);
        Ok(Folder::of(parts.collect::<io::Result<_>>()?, self.flavour))
    }
}

impl Layer {
    /// The root of its tree, opened by its path alone (`O_PATH`).
    pub fn tree(&self) -> BorrowedFd<'_> {
        self.tree.as_fd()
    }
}

impl Folder {
    /// Reads the file at `path`; see [`Stack::read`].
    pub fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, LookupError> {
        match self.resolve(path.as_bytes(), LastLink::Follow)? {
            None => Ok(None),
            Some((_, Node::Leaf(leaf))) => leaf.read(path.as_bytes(), limit).map(Some),
            Some(_) => Err(LookupError::NotFile { path: EntryPath::new(path.as_bytes()) }),
        }
    }
}

fn system(path: &str, source: io::Error) -> LookupError {
    LookupError::System { path: EntryPath::new(path.as_bytes()), source }
}
