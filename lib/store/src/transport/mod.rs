//! Images in files: OCI layouts in folders and archives, and what `docker save` writes.
//!
//! All of them are untrusted. No name inside an archive is ever resolved on disk: its files become
//! blobs, kept in a table by the names that the archive gives them. A folder is read through an fd,
//! beneath it and without links. Every blob is hashed on its way in, whoever named it.
//!
//! Archives are read once from front to back, so a pipe will do. A failed import can leave blobs
//! that nothing names; prune collects them.

mod archive;
mod contents;
mod docker;
mod folder;
mod oci;
mod save;
mod stream;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use coffer_oci::{Descriptor, Digest, ImageName, Platform, Reference};
use rustix::fs::{Mode, OFlags};

use crate::reach::Reach;
use crate::{ImageError, IndexError, Store, StoreError, WriteError};
use contents::Contents;
pub use save::Format;

/// Why an image could not be read from a file, or written to one.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// A file or folder of the caller's could not be used.
    #[error("cannot use {}", path.display())]
    Path {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The archive's bytes could not be had, or decompressed.
    #[error("cannot read the image archive")]
    Read(#[source] io::Error),
    /// The archive could not be written.
    #[error("cannot write the image archive")]
    Write(#[source] io::Error),
    /// The bytes are no tar archive.
    #[error("the image archive is not a valid tar archive")]
    Tar(#[source] coffer_tar::TarError<io::Error>),
    /// A tar header that the specification does not allow, or that no image archive needs.
    #[error("the image archive has an entry {path:?} {what}")]
    Entry {
        /// Its path.
        path: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Compressed in a way that coffer does not read.
    #[error("the image archive is compressed with {0}; gzip, zstd and none are read")]
    Compression(&'static str),
    /// There are more entries than any image archive has.
    #[error("the image archive has more than {0} entries")]
    TooMany(usize),
    /// A file that describes the images is missing.
    #[error("{0} is missing: this is neither an OCI layout nor what docker save writes")]
    NoImages(String),
    /// A file that describes the images is too long.
    #[error("{path} is longer than {limit} bytes")]
    TooLong {
        /// Which file.
        path: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// A file that describes the images is no such JSON document.
    #[error("{path} is not valid")]
    Json {
        /// Which file.
        path: String,
        /// What the parser met.
        #[source]
        source: serde_json::Error,
    },
    /// A file is named and not there.
    #[error("{path:?} is named by an image and is not there")]
    NoFile {
        /// Its name.
        path: String,
    },
    /// A blob is named and not there.
    #[error("image {image} needs blob {blob}, which is not there")]
    NoBlob {
        /// Which image.
        image: Digest,
        /// Which blob.
        blob: Digest,
    },
    /// A layer is not the one that the configuration lists.
    #[error("layer {path:?} should hash to {expected} and hashes to {found}")]
    Layer {
        /// Its name in the archive.
        path: String,
        /// The diff id in the configuration.
        expected: Digest,
        /// What its bytes hash to.
        found: Digest,
    },
    /// As many layers as diff ids are needed.
    #[error("configuration {config:?} lists {diff_ids} layers, and manifest.json has {layers}")]
    Layers {
        /// The configuration's name in the archive.
        config: String,
        /// How many it lists.
        diff_ids: usize,
        /// How many there are.
        layers: usize,
    },
    /// The image that was asked for is not there.
    #[error("there is no image {wanted:?}; there are: {}", there.join(", "))]
    NoImage {
        /// What was asked for.
        wanted: String,
        /// The names of those that are there.
        there: Vec<String>,
    },
    /// There are several images, and none was asked for by name.
    #[error("there are {count} images, and one must be named: {}", there.join(", "))]
    Several {
        /// How many.
        count: usize,
        /// The names that they have.
        there: Vec<String>,
    },
    /// A registry's name came where a file's is needed.
    #[error("{0} names an image in a registry, not in a file")]
    Registry(Reference),
    /// An image is not valid.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The index of names could not be used.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The store could not do something.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A blob could not be put.
    #[error(transparent)]
    Blob(#[from] WriteError),
}

/// An image that was read from a file. Its blobs are in the store; it is not named there yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its index or manifest.
    pub descriptor: Descriptor,
    /// The names that the file gives it and that are names of images.
    pub names: Vec<Reference>,
    /// The tag that an OCI layout gives it, which may be any word.
    tag: Option<String>,
}

impl Store {
    /// Reads the one image that `name` stands for, a file or folder, into the store.
    ///
    /// Of a layout in a folder that has several platforms only that for `platform` is copied. The
    /// image is not named: who calls this tags it, or uses it while the store is open.
    pub fn import(&self, name: &ImageName, platform: &Platform) -> Result<Found, TransportError> {
        match name {
            ImageName::Registry(reference) => Err(TransportError::Registry(reference.clone())),
            ImageName::OciDir(path, tag) => folder::import(self, path, tag.as_deref(), platform),
            ImageName::OciArchive(path, tag) => {
                let contents = Contents::read(self, open(path)?)?;
                pick(oci::images(self, &contents)?, tag.as_deref(), Found::has_tag)
            }
            ImageName::DockerArchive(path, reference) => {
                let contents = Contents::read(self, open(path)?)?;
                pick(docker::images(self, &contents)?, reference.as_ref(), |found, wanted| {
                    found.names.contains(wanted)
                })
            }
        }
    }

    /// Reads every image of an archive into the store and names them as the archive does; those
    /// without a name are kept without one. The archive may be an OCI layout or what `docker save`
    /// writes, plain or compressed with gzip or zstd, from a file or a pipe.
    pub fn load(&self, archive: impl Read) -> Result<Vec<Found>, TransportError> {
        let contents = Contents::read(self, archive)?;
        let found = if contents.has(oci::INDEX) {
            let mut found = oci::images(self, &contents)?;
            docker::add_names(self, &contents, &mut found)?;
            found
        } else {
            docker::images(self, &contents)?
        };
        for image in &found {
            if image.names.is_empty() {
                self.keep_untagged(&image.descriptor)?;
            }
            for name in &image.names {
                self.tag(name, &image.descriptor)?;
            }
        }
        Ok(found)
    }

    /// Writes images to an archive: for each its name, if it is to have one, and its index or
    /// manifest. Of an index the manifest for `platform` is written. The same images give the same
    /// bytes.
    pub fn save(
        &self,
        images: &[(Option<Reference>, Descriptor)],
        platform: &Platform,
        format: Format,
        archive: impl Write,
    ) -> Result<(), TransportError> {
        save::write(self, images, platform, format, archive)
    }

    /// Writes one image as an OCI layout to an archive, with the word `tag` by which
    /// `oci-archive:FILE:TAG` finds it again, and the name that loading it gives, if any.
    pub fn save_tagged(
        &self,
        label: (&str, Option<&Reference>),
        image: &Descriptor,
        platform: &Platform,
        archive: impl Write,
    ) -> Result<(), TransportError> {
        save::write_tagged(self, label, image, platform, archive)
    }

    /// Adds an image to the OCI layout in the folder `path`, which is made where there is none.
    /// In the layout it gets the name `tag`, if any; another image of that name loses it.
    pub fn export_folder(
        &self,
        image: &Descriptor,
        platform: &Platform,
        path: &Path,
        tag: Option<&str>,
    ) -> Result<(), TransportError> {
        folder::export(self, image, platform, path, tag)
    }
}

/// Checks that an image is whole: every blob that it needs is in the store and is valid.
fn check_whole(store: &Store, image: &Descriptor) -> Result<(), TransportError> {
    let mut reach = Reach::default();
    reach.follow(store, image)?;
    if let Some(error) = reach.broken.into_iter().next() {
        return Err(error.into());
    }
    match reach.missing.into_iter().next() {
        None => Ok(()),
        Some(blob) => {
            let (image, blob) = (image.digest.clone(), blob.digest);
            Err(TransportError::NoBlob { image, blob })
        }
    }
}

/// The image that is wanted, or the only one.
fn pick<W: ToString + ?Sized>(
    images: Vec<Found>,
    wanted: Option<&W>,
    matches: impl Fn(&Found, &W) -> bool,
) -> Result<Found, TransportError> {
    let there = || images.iter().map(Found::label).collect::<Vec<_>>();
    if let Some(wanted) = wanted {
        let found = images.iter().find(|found| matches(found, wanted));
        return found
            .cloned()
            .ok_or_else(|| TransportError::NoImage { wanted: wanted.to_string(), there: there() });
    }
    match &images[..] {
        [only] => Ok(only.clone()),
        several => Err(TransportError::Several { count: several.len(), there: there() }),
    }
}

impl Found {
    /// Whether an OCI layout gives it this tag, or a name that the tag is another form of.
    fn has_tag(&self, wanted: &str) -> bool {
        self.tag.as_deref() == Some(wanted)
            || wanted.parse().is_ok_and(|name| self.names.contains(&name))
    }

    fn label(&self) -> String {
        let name = self.names.first().map(Reference::familiar).or_else(|| self.tag.clone());
        name.unwrap_or_else(|| self.descriptor.digest.to_string())
    }
}

/// Opens a file of the caller's own.
fn open(path: &Path) -> Result<File, TransportError> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map(File::from)
        .map_err(|errno| TransportError::Path { path: path.to_owned(), source: errno.into() })
}
