//! Writing archives: an OCI layout, for docker with `manifest.json` beside it.
//!
//! docker's own `save` has had this double form since 25: the blobs lie in the OCI layout, and
//! `manifest.json` points to them. Older dockers, podman and skopeo read the latter. Layers are
//! written as they are in the store, compressed or not, so manifests and digests stay what they
//! are; all of those readers decompress by themselves. Dockers before 23 know no zstd, so that such
//! a layer is there twice: `manifest.json` points to the plain one.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use coffer_oci::{Descriptor, Digest, Hasher, Platform, REF_NAME, Reference};
use coffer_tar::{END, Kind};

use super::TransportError;
use super::docker::{self, Item};
use super::{oci, stream};
use crate::index::new_index;
use crate::{Image, Store, StoreError, layout};

/// What kind of archive to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// What `docker save` writes.
    Docker,
    /// An OCI image layout.
    Oci,
}

pub(super) fn write(
    store: &Store,
    images: &[(Option<Reference>, Descriptor)],
    platform: &Platform,
    format: Format,
    archive: impl Write,
) -> Result<(), TransportError> {
    let mut entries = Vec::new();
    let mut items: Vec<Item> = Vec::new();
    let mut blobs = BTreeMap::new();
    for (name, target) in images {
        let image = store.image(&store.choose(target, platform)?)?;
        for blob in image.blobs().chain([&image.descriptor]) {
            blobs.insert(layout::blob(&blob.digest), Content::Stored(blob.clone()));
        }
        if format == Format::Docker {
            blobs.extend(plain_layers(&image));
        }
        add_item(&mut items, &image, name.as_ref());
        entries.push(match name {
            Some(name) => oci::named(image.descriptor, name),
            None => image.descriptor,
        });
    }
    let items = (format == Format::Docker).then_some(items);
    pack(store, entries, items, &blobs, archive)
}

/// Writes an OCI layout with one image, which has the word `tag` there as skopeo and umoci would
/// write it, and `name` for those who look for containerd's.
pub(super) fn write_tagged(
    store: &Store,
    (tag, name): (&str, Option<&Reference>),
    target: &Descriptor,
    platform: &Platform,
    archive: impl Write,
) -> Result<(), TransportError> {
    let image = store.image(&store.choose(target, platform)?)?;
    let stored = |blob: &Descriptor| (layout::blob(&blob.digest), Content::Stored(blob.clone()));
    let blobs = image.blobs().chain([&image.descriptor]).map(stored).collect();
    let mut entry = match name {
        Some(name) => oci::named(image.descriptor, name),
        None => image.descriptor,
    };
    entry.annotations.insert(REF_NAME.to_owned(), tag.to_owned());
    pack(store, vec![entry], None, &blobs, archive)
}

/// The documents first, then the blobs.
fn pack(
    store: &Store,
    entries: Vec<Descriptor>,
    items: Option<Vec<Item>>,
    blobs: &BTreeMap<String, Content>,
    archive: impl Write,
) -> Result<(), TransportError> {
    let mut tar = Tar(archive);
    tar.bytes(layout::LAYOUT, layout::LAYOUT_CONTENT)?;
    tar.bytes(oci::INDEX, &json(oci::INDEX, &new_index(entries))?)?;
    if let Some(items) = items {
        tar.bytes(docker::MANIFEST, &json(docker::MANIFEST, &items)?)?;
    }
    for (path, content) in blobs {
        match content {
            Content::Stored(blob) => tar.blob(store, path, blob)?,
            Content::Plain(blob, id) => tar.plain(store, path, blob, id)?,
        }
    }
    tar.end()
}

/// What a file of an archive holds.
enum Content {
    /// A blob as it is.
    Stored(Descriptor),
    /// A layer decompressed, and the digest of that.
    Plain(Descriptor, Digest),
}

/// The layers that `manifest.json` needs in another form, each under the name it has there.
fn plain_layers(image: &Image) -> impl Iterator<Item = (String, Content)> {
    let layers = image.manifest.layers.iter().zip(&image.config.rootfs.diff_ids);
    let needed = layers.filter(|(layer, _)| is_zstd(layer));
    needed.map(|(layer, id)| (layout::blob(id), Content::Plain(layer.clone(), id.clone())))
}

fn is_zstd(layer: &Descriptor) -> bool {
    layer.media_type.as_str().ends_with("+zstd")
}

/// Lists the image as docker does: once, with all of its names that are tags.
fn add_item(items: &mut Vec<Item>, image: &Image, name: Option<&Reference>) {
    let config = layout::blob(&image.manifest.config.digest);
    let layers = image.manifest.layers.iter().zip(&image.config.rootfs.diff_ids);
    let layers = layers.map(|(layer, id)| if is_zstd(layer) { id } else { &layer.digest });
    let layers = layers.map(layout::blob).collect();
    let tag = name.filter(|name| name.digest().is_none()).map(Reference::familiar);
    match items.iter_mut().find(|item| item.config == config) {
        Some(item) => item.repo_tags.get_or_insert_default().extend(tag),
        None => {
            let repo_tags = tag.map(|tag| vec![tag]);
            items.push(Item { config, repo_tags, layers: Some(layers) });
        }
    }
}

fn json(path: &str, value: &impl serde::Serialize) -> Result<Vec<u8>, TransportError> {
    serde_json::to_vec(value)
        .map_err(|source| TransportError::Json { path: path.to_owned(), source })
}

/// Writes an archive in which nothing depends on when, where and by whom it is written.
struct Tar<W>(W);

impl<W: Write> Tar<W> {
    fn bytes(&mut self, path: &str, bytes: &[u8]) -> Result<(), TransportError> {
        self.header(path, bytes.len() as u64)?;
        self.0.write_all(bytes).map_err(TransportError::Write)?;
        self.pad(bytes.len() as u64)
    }

    fn blob(&mut self, store: &Store, path: &str, blob: &Descriptor) -> Result<(), TransportError> {
        self.header(path, blob.size)?;
        pour_blob(store, blob, &mut self.0, TransportError::Write)?;
        self.pad(blob.size)
    }

    /// Twice through the layer: its length stands before it.
    fn plain(
        &mut self,
        store: &Store,
        path: &str,
        layer: &Descriptor,
        id: &Digest,
    ) -> Result<(), TransportError> {
        let mut hashed = Hashed { hasher: Hasher::new(id.algorithm()), length: 0 };
        let through = |output: &mut dyn Write| -> Result<u64, TransportError> {
            let mut input = stream::plain(store.open_blob(layer)?.take(layer.size))?;
            io::copy(&mut input, output).map_err(TransportError::Write)
        };
        through(&mut hashed)?;
        let (length, found) = (hashed.length, hashed.hasher.finish());
        if found != *id {
            return Err(StoreError::Corrupt { digest: id.clone(), found }.into());
        }
        self.header(path, length)?;
        through(&mut self.0)?;
        self.pad(length)
    }

    fn header(&mut self, path: &str, size: u64) -> Result<(), TransportError> {
        let header = coffer_tar::header(Kind::File, path.as_bytes(), b"", size);
        self.0.write_all(&header).map_err(TransportError::Write)
    }

    fn pad(&mut self, size: u64) -> Result<(), TransportError> {
        let padding = io::repeat(0).take(size.next_multiple_of(512) - size);
        io::copy(&mut { padding }, &mut self.0).map(|_| ()).map_err(TransportError::Write)
    }

    fn end(mut self) -> Result<(), TransportError> {
        self.0.write_all(&END).and_then(|()| self.0.flush()).map_err(TransportError::Write)
    }
}

/// Counts and hashes what is written to it.
struct Hashed {
    hasher: Hasher,
    length: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Copies a blob out of the store and checks on the way that it still is what it was.
pub(super) fn pour_blob(
    store: &Store,
    blob: &Descriptor,
    output: &mut impl Write,
    failed: impl Fn(io::Error) -> TransportError,
) -> Result<(), TransportError> {
    let mut input = store.open_blob(blob)?.take(blob.size);
    let mut hasher = Hasher::new(blob.digest.algorithm());
    let mut buffer = vec![0; 128 << 10];
    loop {
        let read = input.read(&mut buffer);
        let count = read.map_err(StoreError::file(layout::blob(&blob.digest)))?;
        let Some(bytes @ [_, ..]) = buffer.get(..count) else { break };
        hasher.update(bytes);
        output.write_all(bytes).map_err(&failed)?;
    }
    match hasher.finish() {
        found if found == blob.digest => Ok(()),
        found => Err(StoreError::Corrupt { digest: blob.digest.clone(), found }.into()),
    }
}
