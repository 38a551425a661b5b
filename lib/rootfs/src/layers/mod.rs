//! The folder of unpacked layers.
//!
//! ```text
//! <root>/layers/<chain id>/tree/   what overlay stacks
//! <root>/layers/<chain id>/base/   the same, where nothing of the layers below shows
//! <root>/layers/<chain id>/unsynced the boot in which it was made, until the disk has it
//! <root>/layers/empty/             a lower folder for images without layers
//! <root>/layers/tmp-<chain id>/    one that is being made, locked by who makes it
//! ```
//! A layer is made under its temporary name, with an exclusive flock on that folder, and renamed
//! when it is whole: a name without `tmp-` is always complete. Who is killed leaves a temporary
//! folder without a lock, which the next one that needs the layer empties and uses.

mod durable;
mod ensure;
mod make;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_oci::{Descriptor, Digest, ImageConfig};
use coffer_sys::{dir, tree};
use rustix::fs::{self as rfs, Mode, OFlags};
use rustix::io::Errno;

use crate::{Flavour, Layer, Report, Stack, UnpackError};

pub use ensure::Event;

/// The name of the folder in the data root.
const LAYERS: &str = "layers";
/// The tree of a layer, to be stacked on those below.
const TREE: &str = "tree";
/// The tree of a layer whose root is opaque.
const BASE: &str = "base";
/// A folder without anything.
pub(crate) const EMPTY: &str = "empty";
const TEMPORARY: &str = "tmp-";

/// Why layers cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LayersError {
    /// A layer cannot be unpacked.
    #[error("cannot unpack layer {digest}")]
    Unpack {
        /// The compressed layer.
        digest: Digest,
        /// What is wrong.
        #[source]
        source: UnpackError,
    },
    /// A layer's blob cannot be had.
    #[error("cannot read layer {digest}")]
    Blob {
        /// The compressed layer.
        digest: Digest,
        /// What the store said.
        #[source]
        source: coffer_store::StoreError,
    },
    /// The media type is no layer's.
    #[error("layer {} has the media type {}, which cannot be unpacked", layer.digest, layer.media_type)]
    MediaType {
        /// The layer.
        layer: Box<Descriptor>,
    },
    /// Manifest and configuration do not have the same number of layers.
    #[error("the image has {layers} layers, but its configuration names {diff_ids}")]
    Count {
        /// In the manifest.
        layers: usize,
        /// In the configuration.
        diff_ids: usize,
    },
    /// A folder of the data root cannot be used.
    #[error("cannot {action} layers/{name}")]
    Folder {
        /// What was tried.
        action: &'static str,
        /// On what.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// The unpacked layers of a data root.
#[derive(Debug)]
pub struct Layers {
    /// `<root>/layers`.
    folder: OwnedFd,
    flavour: Flavour,
}

impl Layers {
    /// Opens the folder in the data root, which is made where it is missing.
    pub fn open(root: BorrowedFd<'_>, flavour: Flavour) -> Result<Self, LayersError> {
        let failed = |source: io::Error| folder_error("open", "")(source);
        let folder = match dir::open_at(root, LAYERS) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                dir::make(root, LAYERS, Mode::RWXU).map_err(failed)?;
                dir::open_at(root, LAYERS)
            }
            other => other,
        };
        Ok(Self { folder: folder.map_err(failed)?, flavour })
    }

    /// The stack of an image whose layers are all unpacked; `None` where one is missing.
    pub fn stack(&self, config: &ImageConfig) -> Result<Option<Stack>, LayersError> {
        self.stack_of(&config.chain_ids())
    }

    /// Removes the layers that `keep` says no to, and the temporary ones that nobody makes any
    /// more. Gives the number of layers removed.
    ///
    /// The caller sees to it that nobody mounts meanwhile: by the store's exclusive lock.
    pub fn prune(&self, keep: &dyn Fn(&str) -> bool) -> Result<u64, LayersError> {
        durable::settle(self.folder())?;
        let mut removed = 0;
        for entry in dir::entries(self.folder()).map_err(folder_error("list", ""))? {
            let name = entry.name.to_string_lossy().into_owned();
            let kept = match name.strip_prefix(TEMPORARY) {
                Some(_) => !make::abandoned(self.folder(), &name)?,
                None => name == EMPTY || keep(&name),
            };
            if !kept {
                self.remove(&name)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Renames first, so that a layer which is half gone is never taken for a whole one.
    fn remove(&self, name: &str) -> Result<(), LayersError> {
        let failed = |source| folder_error("remove", name)(source);
        let mut gone = name.to_owned();
        if !name.starts_with(TEMPORARY) {
            gone = format!("{TEMPORARY}{name}");
            rfs::renameat(&self.folder, name, &self.folder, &gone)
                .map_err(|errno| failed(errno.into()))?;
        }
        tree::remove(self.folder(), gone.as_ref()).map_err(failed)?;
        Ok(())
    }

    /// The stack of these chain ids, lowest first.
    pub fn stack_of(&self, chain: &[Digest]) -> Result<Option<Stack>, LayersError> {
        let mut layers = Vec::with_capacity(chain.len().max(1));
        for id in chain {
            match self.layer(id)? {
                None => return Ok(None),
                Some((layer, Position::Base)) => {
                    layers.clear();
                    layers.push(layer);
                }
                Some((layer, Position::Above)) => layers.push(layer),
            }
        }
        if layers.is_empty() {
            self.make_empty()?;
            let tree = dir::open_at(self.folder(), EMPTY).map_err(folder_error("open", EMPTY))?;
            layers.push(Layer { name: EMPTY.to_owned(), tree });
        }
        Ok(Some(Stack::new(layers, self.flavour)))
    }

    /// Makes the folder that stands for no layer. It is there wherever a layer was unpacked.
    fn make_empty(&self) -> Result<(), LayersError> {
        let made = dir::make(self.folder(), EMPTY, Mode::from_raw_mode(0o755));
        made.map(|_| ()).map_err(folder_error("make", EMPTY))
    }

    fn layer(&self, id: &Digest) -> Result<Option<(Layer, Position)>, LayersError> {
        if durable::is_doubtful(self.folder(), id.hex())? {
            return Ok(None);
        }
        for (folder, position) in [(TREE, Position::Above), (BASE, Position::Base)] {
            let name = format!("{}/{folder}", id.hex());
            // By its path alone: outside of the user namespace, an ordinary user may not be
            // allowed to read the root of an image.
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match rfs::openat(&self.folder, &name, flags, Mode::empty()) {
                Ok(tree) => return Ok(Some((Layer { name, tree }, position))),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(folder_error("open", &name)(errno.into())),
            }
        }
        Ok(None)
    }

    fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }
}

/// Whether the layers below one show through it.
enum Position {
    Above,
    Base,
}

fn folder_error(action: &'static str, name: &str) -> impl FnOnce(io::Error) -> LayersError {
    let name = name.to_owned();
    move |source| LayersError::Folder { action, name, source }
}

impl Report {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            entries: self.entries + other.entries,
            devices_left_out: self.devices_left_out + other.devices_left_out,
            xattrs_left_out: self.xattrs_left_out + other.xattrs_left_out,
        }
    }
}
