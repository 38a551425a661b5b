//! A store of its own for each test, and images made of archives.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

use coffer_oci::{Descriptor, Digest, ImageConfig, Manifest, MediaType};
use coffer_rootfs::{Flavour, Folder, Layers, LayersError, Node, Report, Stack, limits::Limits};
use coffer_store::{Image, Store};
use std::os::fd::AsFd;
use std::path::Path;

use crate::common::{Item, archive};

/// A data root that goes away with it.
pub struct Bed {
    pub folder: tempfile::TempDir,
    pub store: Store,
    pub flavour: Flavour,
}

/// What was made of an image.
pub struct Made {
    pub stack: Stack,
    pub report: Report,
}

impl Bed {
    pub fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap(), Flavour::Root)
    }

    pub fn at(folder: tempfile::TempDir, flavour: Flavour) -> Self {
        let store = Store::open(&folder.path().join("data")).unwrap();
        Self { folder, store, flavour }
    }

    pub fn data(&self) -> &Path {
        self.store.path()
    }

    pub fn layers(&self) -> Layers {
        Layers::open(self.store.root(), self.flavour).unwrap()
    }

    /// An image whose layers are these archives, uncompressed.
    pub fn image(&self, layers: &[&[Item]]) -> Image {
        let blobs: Vec<_> = layers.iter().map(|items| archive(items)).collect();
        let blobs: Vec<_> = blobs
            .iter()
            .map(|blob| (blob.clone(), MediaType::OCI_LAYER, Digest::of(blob)))
            .collect();
        self.image_of(&blobs)
    }

    /// An image whose layers are these blobs, with their media types and diff ids.
    pub fn image_of(&self, blobs: &[(Vec<u8>, &str, Digest)]) -> Image {
        let mut config = ImageConfig::default();
        let mut layers = Vec::new();
        for (blob, media_type, diff_id) in blobs {
            layers.push(self.store.put(blob, media_type).unwrap());
            config.rootfs.diff_ids.push(diff_id.clone());
        }
        let empty = Descriptor::of(MediaType::OCI_CONFIG, b"{}");
        let manifest = Manifest {
            schema_version: 2,
            media_type: None,
            artifact_type: None,
            config: empty.clone(),
            layers,
            subject: None,
            annotations: Default::default(),
        };
        Image { descriptor: empty, manifest, config }
    }

    pub fn ensure(&self, image: &Image, limits: &Limits) -> Result<Made, LayersError> {
        let (stack, report) = self.layers().ensure(&self.store, image, limits, &|_, _| {})?;
        Ok(Made { stack, report })
    }

    pub fn try_make(&self, layers: &[&[Item]]) -> Result<Made, LayersError> {
        self.ensure(&self.image(layers), &Limits::default())
    }

    pub fn make(&self, layers: &[&[Item]]) -> Made {
        self.try_make(layers).unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    /// The error of an image that cannot be unpacked; nothing of its top layer may be left.
    pub fn refused(&self, layers: &[&[Item]]) -> String {
        let error = self.try_make(layers).err().expect("it should have been refused");
        let left = coffer_sys::dir::open(&self.data().join("layers")).unwrap();
        for entry in coffer_sys::dir::entries(left.as_fd()).unwrap() {
            let name = entry.name.to_string_lossy().into_owned();
            assert!(!name.starts_with("tmp-"), "{name} is left over");
        }
        chain(&error)
    }
}

impl Made {
    pub fn root(&self) -> Folder {
        self.stack.root(None).unwrap().unwrap()
    }

    /// The merged tree as lines, sorted: `path kind mode uid:gid [content or target]`.
    pub fn list(&self) -> Vec<String> {
        let mut lines = Vec::new();
        walk(&self.root(), "", &mut lines);
        lines
    }

    pub fn has(&self, path: &str) -> bool {
        self.stat(path).is_some()
    }

    pub fn stat(&self, path: &str) -> Option<rustix::fs::Stat> {
        let found = self.root().resolve(path.as_bytes(), coffer_rootfs::LastLink::Keep).unwrap()?;
        Some(match found.1 {
            Node::Folder(folder) => rustix::fs::fstat(folder.top()).unwrap(),
            Node::Leaf(leaf) | Node::Symlink { leaf, .. } => *leaf.stat(),
        })
    }

    pub fn read(&self, path: &str) -> Option<String> {
        let bytes = self.stack.read(path, 1 << 20).unwrap()?;
        Some(String::from_utf8(bytes).unwrap())
    }

    /// The value of an extended attribute of a file or folder.
    pub fn xattr(&self, path: &str, name: &str) -> Option<Vec<u8>> {
        let (_, node) =
            self.root().resolve(path.as_bytes(), coffer_rootfs::LastLink::Keep).unwrap().unwrap();
        let mut value = vec![0; 65536];
        let length = match node {
            Node::Folder(folder) => rustix::fs::fgetxattr(folder.top(), name, &mut value[..]),
            Node::Leaf(leaf) => rustix::fs::fgetxattr(leaf.open().unwrap(), name, &mut value[..]),
            Node::Symlink { .. } => panic!("{path} is a link"),
        };
        value.truncate(length.ok()?);
        Some(value)
    }
}

fn walk(folder: &Folder, path: &str, lines: &mut Vec<String>) {
    for name in folder.names().unwrap() {
        let path = format!("{path}/{}", name.escape_ascii());
        let node = folder.child(&name).unwrap().unwrap();
        let line = |stat: &rustix::fs::Stat, what: &str| {
            format!("{path} {what} {:o} {}:{}", stat.st_mode & 0o7777, stat.st_uid, stat.st_gid)
        };
        match node {
            Node::Folder(below) => {
                lines.push(line(&rustix::fs::fstat(below.top()).unwrap(), "folder"));
                walk(&below, &path, lines);
            }
            Node::Symlink { target, .. } => {
                lines.push(format!("{path} -> {}", target.escape_ascii()));
            }
            Node::Leaf(leaf) => lines.push(line(leaf.stat(), "leaf")),
        }
    }
}

/// An error with all its sources.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Whether this process is root; says so where it is not.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("needs root: skipped");
    }
    root
}
