//! What the tests of the store share: stores, and images made of bytes.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use coffer_oci::{Descriptor, Digest, MediaType, Reference};
use coffer_store::Store;

/// A folder that goes when it is dropped, and a store in it.
pub(crate) fn scratch() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("a/root")).unwrap();
    (folder, store)
}

pub(crate) fn name(text: &str) -> Reference {
    text.parse().unwrap()
}

/// A configuration with these diff ids.
pub(crate) fn config(layers: &[Digest]) -> Vec<u8> {
    serde_json::json!({
        "architecture": "amd64",
        "os": "linux",
        "config": { "Cmd": ["/bin/true"] },
        "rootfs": { "type": "layers", "diff_ids": layers },
    })
    .to_string()
    .into_bytes()
}

/// Puts an image of one layer, whose configuration lists it `diff_ids` times.
pub(crate) fn put_image(store: &Store, layer: &[u8], diff_ids: usize) -> Descriptor {
    let layer = store.put(layer, MediaType::OCI_LAYER).unwrap();
    let config = config(&vec![layer.digest.clone(); diff_ids]);
    put_manifest(store, &config, &[layer])
}

/// Puts an image whose layers are gzipped.
pub(crate) fn put_gzipped(store: &Store, layers: &[Vec<u8>]) -> Descriptor {
    let ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| store.put(&gzip(layer), MediaType::OCI_LAYER_GZIP).unwrap())
        .collect();
    put_manifest(store, &config(&ids), &layers)
}

pub(crate) fn put_manifest(store: &Store, config: &[u8], layers: &[Descriptor]) -> Descriptor {
    let config = store.put(config, MediaType::OCI_CONFIG).unwrap();
    let json = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "config": config,
        "layers": layers,
    });
    store.put(json.to_string().as_bytes(), MediaType::OCI_MANIFEST).unwrap()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One entry of a tar archive that a test makes.
pub(crate) enum Item<'a> {
    File(&'a str, &'a [u8]),
    Symlink(&'a str, &'a str),
    HardLink(&'a str, &'a str),
    Folder(&'a str),
    Device(&'a str),
}

/// A tar archive, with names and targets just as they are given.
pub(crate) fn tar(items: &[Item<'_>]) -> Vec<u8> {
    use coffer_tar::Kind;
    let mut archive = Vec::new();
    for item in items {
        let (path, kind, target, content): (_, _, _, &[u8]) = match item {
            Item::File(path, content) => (path, Kind::File, "", content),
            Item::Symlink(path, target) => (path, Kind::Symlink, target, b""),
            Item::HardLink(path, target) => (path, Kind::HardLink, target, b""),
            Item::Folder(path) => (path, Kind::Folder, "", b""),
            Item::Device(path) => (path, Kind::CharDevice, "", b""),
        };
        let size = content.len() as u64;
        archive.extend(coffer_tar::header(kind, path.as_bytes(), target.as_bytes(), size));
        archive.extend(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// What lies below the root: files by their path.
pub(crate) fn files(root: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut ahead = vec![root.to_owned()];
    while let Some(folder) = ahead.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => ahead.push(entry.path()),
                false => drop(found.insert(entry.path().strip_prefix(root).unwrap().to_owned())),
            }
        }
    }
    found
}
