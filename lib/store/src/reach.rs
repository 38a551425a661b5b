//! What a name reaches: the index, its manifests, their configurations and layers.

use std::collections::HashSet;

use coffer_oci::{Descriptor, Digest, Document, Kind, Manifest, MediaType};

use crate::{ImageError, Store, StoreError};

/// What was reached from the names followed so far.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// Every digest that is needed, whether it is here or not.
    pub(crate) live: HashSet<Digest>,
    /// The chain ids of the layers of every image whose configuration is here.
    pub(crate) chains: HashSet<Digest>,
    /// What is needed and not here. Entries of an index are not: they may never have been pulled.
    pub(crate) missing: Vec<Descriptor>,
    /// Documents that are what was put, and can never be used as what they are said to be.
    pub(crate) broken: Vec<ImageError>,
    /// What was followed, and as what: a hostile image may name another's manifest as its layer,
    /// and must not thereby hide what that manifest needs.
    followed: HashSet<(Digest, MediaType)>,
}

impl Reach {
    /// Follows `target` and all below it. Digests make cycles impossible.
    ///
    /// # Errors
    /// Where a document is here but the disk does not give it back as it was put: nobody knows
    /// what it needs.
    pub(crate) fn follow(&mut self, store: &Store, target: &Descriptor) -> Result<(), StoreError> {
        self.need(store, target)?;
        let mut ahead = vec![target.clone()];
        while let Some(next) = ahead.pop() {
            self.live.insert(next.digest.clone());
            if !matches!(next.media_type.kind(), Kind::Index | Kind::Manifest)
                || !self.followed.insert((next.digest.clone(), next.media_type.clone()))
                || store.has(&next.digest)?.is_none()
            {
                continue;
            }
            match store.document(&next) {
                Ok(Document::Index(index)) => ahead.extend(index.manifests),
                Ok(Document::Manifest(manifest)) => self.image(store, &manifest)?,
                Err(error) => self.broken(error)?,
            }
        }
        Ok(())
    }

    fn image(&mut self, store: &Store, manifest: &Manifest) -> Result<(), StoreError> {
        for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
            self.need(store, blob)?;
        }
        let config = &manifest.config;
        if config.media_type.kind() != Kind::Config || store.has(&config.digest)?.is_none() {
            return Ok(());
        }
        match store.image_config(config) {
            Ok(parsed) => self.chains.extend(parsed.chain_ids()),
            Err(error) => self.broken(error)?,
        }
        Ok(())
    }

    /// Tells what can never be used from what the disk has lost.
    fn broken(&mut self, error: ImageError) -> Result<(), StoreError> {
        match error {
            ImageError::Store(error @ (StoreError::File { .. } | StoreError::Corrupt { .. })) => {
                Err(error)
            }
            other => {
                self.broken.push(other);
                Ok(())
            }
        }
    }

    fn need(&mut self, store: &Store, blob: &Descriptor) -> Result<(), StoreError> {
        // One that has another size can never be read by this descriptor.
        if self.live.insert(blob.digest.clone()) && store.has(&blob.digest)? != Some(blob.size) {
            self.missing.push(blob.clone());
        }
        Ok(())
    }
}
