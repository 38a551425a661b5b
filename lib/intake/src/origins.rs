//! From which repository of the same registry a blob could be taken over.

use std::collections::HashMap;

use coffer_oci::{Descriptor, Digest, Document, Reference};
use coffer_store::{IndexError, Store};

/// For each blob of a named image of the registry of `name`, a repository there that has it.
///
/// These are hints: an image that cannot be read gives none, and a registry that does not know
/// better is sent the blob.
pub(crate) fn of(
    store: &Store,
    name: &Reference,
) -> Result<HashMap<Digest, Reference>, IndexError> {
    let mut found = HashMap::new();
    for entry in store.images()? {
        let Some(other) = entry
            .name
            .filter(|other| other.host() == name.host() && other.repository() != name.repository())
        else {
            continue;
        };
        for digest in blobs(store, &entry.descriptor) {
            found.entry(digest).or_insert_with(|| other.clone());
        }
    }
    Ok(found)
}

/// The blobs of an image, and of the images that an index lists.
fn blobs(store: &Store, target: &Descriptor) -> Vec<Digest> {
    let manifests = match store.document(target) {
        Ok(Document::Manifest(manifest)) => vec![manifest],
        Ok(Document::Index(index)) => {
            let read = |entry: &Descriptor| match store.document(entry) {
                Ok(Document::Manifest(manifest)) => Some(manifest),
                _ => None,
            };
            index.manifests.iter().filter_map(read).collect()
        }
        Err(_) => Vec::new(),
    };
    let blobs = manifests.iter().flat_map(|m| std::iter::once(&m.config).chain(&m.layers));
    blobs.map(|blob| blob.digest.clone()).collect()
}
