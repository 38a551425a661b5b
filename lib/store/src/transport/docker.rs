//! What `docker save` writes: `manifest.json`, a configuration and layers for each image.
//!
//! Source: moby's image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format". It holds
//! no manifest, so one is made here, with the OCI media types.

use std::collections::BTreeMap;

use coffer_oci::{Compression, Descriptor, Digest, ImageConfig, Manifest, MediaType, Reference};
use serde::{Deserialize, Serialize};

use super::contents::Contents;
use super::stream::sniff;
use super::{Found, TransportError};
use crate::{MAX_CONFIG, MAX_LAYERS, Store, StoreError};
use std::io::Read;

/// The file that lists the images.
pub(super) const MANIFEST: &str = "manifest.json";

/// One image in `manifest.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Item {
    /// The path of its configuration.
    pub(super) config: String,
    /// Its names.
    pub(super) repo_tags: Option<Vec<String>>,
    /// The paths of its layers, lowest first.
    pub(super) layers: Option<Vec<String>>,
}

/// The images of an archive, as manifests in the store.
pub(super) fn images(store: &Store, contents: &Contents<'_>) -> Result<Vec<Found>, TransportError> {
    if !contents.has(MANIFEST) {
        return Err(TransportError::NoImages(MANIFEST.to_owned()));
    }
    let items: Vec<Item> = contents.json(MANIFEST)?;
    items.iter().map(|item| image(store, contents, item)).collect()
}

/// Adds the names of `manifest.json`, where there is one, to images that were found by their OCI
/// manifests: docker names the configuration there, and tags only by their last part elsewhere.
pub(super) fn add_names(
    store: &Store,
    contents: &Contents<'_>,
    found: &mut [Found],
) -> Result<(), TransportError> {
    if !contents.has(MANIFEST) {
        return Ok(());
    }
    let items: Vec<Item> = contents.json(MANIFEST)?;
    for image in found.iter_mut().filter(|image| image.names.is_empty()) {
        let Ok(read) = store.image(&image.descriptor) else { continue };
        let config = read.manifest.config.digest;
        let own = |item: &&Item| {
            item.config.strip_suffix(".json").unwrap_or(&item.config).ends_with(config.hex())
        };
        image.names.extend(items.iter().filter(own).flat_map(Item::names));
    }
    Ok(())
}

impl Item {
    /// The names that are valid; others name nothing that could be asked for.
    fn names(&self) -> Vec<Reference> {
        self.repo_tags.iter().flatten().filter_map(|tag| tag.parse().ok()).collect()
    }
}

fn image(store: &Store, contents: &Contents<'_>, item: &Item) -> Result<Found, TransportError> {
    let bytes = contents.document(&item.config, MAX_CONFIG)?;
    let config: ImageConfig = serde_json::from_slice(&bytes)
        .map_err(|source| TransportError::Json { path: item.config.clone(), source })?;
    let paths = item.layers.as_deref().unwrap_or_default();
    let diff_ids = config.rootfs.diff_ids;
    if paths.len() != diff_ids.len() || paths.len() > MAX_LAYERS {
        let (config, diff_ids) = (item.config.clone(), diff_ids.len());
        return Err(TransportError::Layers { config, diff_ids, layers: paths.len() });
    }
    let layers = paths.iter().zip(&diff_ids).map(|(path, id)| layer(store, contents, path, id));
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MediaType::new(MediaType::OCI_MANIFEST)),
        artifact_type: None,
        layers: layers.collect::<Result<_, _>>()?,
        config: store.put(&bytes, MediaType::OCI_CONFIG)?,
        subject: None,
        annotations: BTreeMap::new(),
    };
    let json = serde_json::to_vec(&manifest)
        .map_err(|source| TransportError::Json { path: MANIFEST.to_owned(), source })?;
    let descriptor = store.put(&json, MediaType::OCI_MANIFEST)?;
    Ok(Found { descriptor, names: item.names(), tag: None })
}

/// A layer as a blob. A plain one must be what the configuration says; of a compressed one only
/// who unpacks it can know.
fn layer(
    store: &Store,
    contents: &Contents<'_>,
    path: &str,
    diff_id: &Digest,
) -> Result<Descriptor, TransportError> {
    let mut blob = contents.blob(path, MediaType::OCI_LAYER)?;
    match sniff(&head(store, &blob)?)? {
        Compression::Gzip => blob.media_type = MediaType::new(MediaType::OCI_LAYER_GZIP),
        Compression::Zstd => blob.media_type = MediaType::new(MediaType::OCI_LAYER_ZSTD),
        Compression::None if blob.digest == *diff_id => {}
        Compression::None => {
            let (path, expected, found) = (path.to_owned(), diff_id.clone(), blob.digest);
            return Err(TransportError::Layer { path, expected, found });
        }
    }
    Ok(blob)
}

fn head(store: &Store, blob: &Descriptor) -> Result<Vec<u8>, TransportError> {
    let mut head = Vec::new();
    let name = crate::layout::blob(&blob.digest);
    let read = store.open_blob(blob)?.take(6).read_to_end(&mut head);
    read.map_err(StoreError::file(name))?;
    Ok(head)
}
