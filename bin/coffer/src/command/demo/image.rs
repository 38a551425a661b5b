//! The demo's image, assembled in a store: one layer, a configuration and a manifest.

use std::collections::BTreeMap;

use coffer_oci::{
    Config, Descriptor, Digest, ImageConfig, Manifest, MediaType, Platform, Reference,
};
use coffer_store::Store;

use super::layer;
use crate::failure::Failure;

/// Assembles the image, and names it `name`.
pub(super) fn assemble(store: &Store, name: &Reference) -> Result<Descriptor, Failure> {
    let layer = layer::build()?;
    // The layer is not compressed, so its diff id is its digest.
    let diff_id = Digest::of(&layer);
    let layer = store.put(&layer, MediaType::OCI_LAYER)?;
    let config = serde_json::to_vec(&config(diff_id))?;
    let config = store.put(&config, MediaType::OCI_CONFIG)?;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MediaType::new(MediaType::OCI_MANIFEST)),
        artifact_type: None,
        config,
        layers: vec![layer],
        subject: None,
        annotations: BTreeMap::new(),
    };
    let manifest = store.put(&serde_json::to_vec(&manifest)?, MediaType::OCI_MANIFEST)?;
    store.tag(name, &manifest)?;
    Ok(manifest)
}

fn config(diff_id: Digest) -> ImageConfig {
    let Platform { architecture, os, variant, .. } = Platform::host();
    let mut image = ImageConfig { architecture, os, variant, ..ImageConfig::default() };
    image.config = Config {
        entrypoint: vec!["/coffer".to_owned()],
        cmd: vec!["demo-probe".to_owned()],
        ..Config::default()
    };
    image.rootfs.kind = "layers".to_owned();
    image.rootfs.diff_ids = vec![diff_id];
    image
}
