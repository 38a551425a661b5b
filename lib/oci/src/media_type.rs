//! Media types: checked, never guessed.
//!
//! Sources: image-spec media-types.md; docker's "Image Manifest V 2, Schema 2".

use std::fmt;

use serde::{Deserialize, Serialize};

/// A media type as it was written. [`MediaType::kind`] says what coffer takes it for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaType(String);

/// What a descriptor points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A list of manifests, one for each platform.
    Index,
    /// One image.
    Manifest,
    /// An image's configuration.
    Config,
    /// A layer, as a tar stream in this compression.
    Layer(Compression),
    /// The empty JSON object that artifacts use.
    Empty,
    /// Anything else: never run, never unpacked.
    Other,
}

/// How a layer's tar stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// A plain tar.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl MediaType {
    /// `application/vnd.oci.image.index.v1+json`
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// `application/vnd.oci.image.manifest.v1+json`
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// `application/vnd.oci.image.config.v1+json`
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// `application/vnd.oci.image.layer.v1.tar`
    pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// `application/vnd.oci.image.layer.v1.tar+gzip`
    pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// `application/vnd.oci.image.layer.v1.tar+zstd`
    pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// `application/vnd.oci.empty.v1+json`
    pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
    /// `application/vnd.docker.distribution.manifest.list.v2+json`
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// `application/vnd.docker.distribution.manifest.v2+json`
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// `application/vnd.docker.container.image.v1+json`
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// `application/vnd.docker.image.rootfs.diff.tar`
    pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
    /// `application/vnd.docker.image.rootfs.diff.tar.gzip`
    pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    /// `application/vnd.docker.image.rootfs.diff.tar.zstd`, which BuildKit writes.
    pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";

    /// A media type from its text, without parameters such as `; charset=utf-8`.
    pub fn new(text: &str) -> Self {
        let bare = text.split(';').next().unwrap_or(text).trim();
        Self(bare.to_owned())
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What this is. Foreign ("non-distributable") layers are [`Kind::Other`]: their bytes come
    /// from an address in the manifest, which coffer does not follow.
    pub fn kind(&self) -> Kind {
        match self.0.as_str() {
            Self::OCI_INDEX | Self::DOCKER_LIST => Kind::Index,
            Self::OCI_MANIFEST | Self::DOCKER_MANIFEST => Kind::Manifest,
            Self::OCI_CONFIG | Self::DOCKER_CONFIG => Kind::Config,
            Self::OCI_LAYER | Self::DOCKER_LAYER => Kind::Layer(Compression::None),
            Self::OCI_LAYER_GZIP | Self::DOCKER_LAYER_GZIP => Kind::Layer(Compression::Gzip),
            Self::OCI_LAYER_ZSTD | Self::DOCKER_LAYER_ZSTD => Kind::Layer(Compression::Zstd),
            Self::OCI_EMPTY => Kind::Empty,
            _ => Kind::Other,
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
