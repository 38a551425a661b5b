//! Images: a manifest and its configuration, read from the store and checked against each other.

use coffer_oci::{
    Descriptor, Digest, Document, DocumentError, ImageConfig, Index, Kind, Manifest, MediaType,
    Platform,
};

use crate::{MAX_CONFIG, MAX_LAYERS, MAX_MANIFEST, Store, StoreError};

/// How deep indexes may lie within indexes.
pub(crate) const MAX_NESTING: usize = 4;

/// An image whose manifest and configuration were read by digest and fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// What the image is: the descriptor of its manifest.
    pub descriptor: Descriptor,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its configuration. It has as many diff ids as the manifest has layers.
    pub config: ImageConfig,
}

/// Why something in the store is no image that can be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The manifest or index is not valid.
    #[error("{digest} is not a valid image")]
    Document {
        /// Which one.
        digest: Digest,
        /// What is wrong with it.
        #[source]
        source: DocumentError,
    },
    /// It is a manifest where an index is wanted, or the other way round.
    #[error("{digest} is {found}; an image manifest is needed here")]
    NotManifest {
        /// Which one.
        digest: Digest,
        /// Its media type.
        found: MediaType,
    },
    /// An index has nothing for the platform.
    #[error("image {digest} is not there for {wanted}; it is for {}", list(.there))]
    Platform {
        /// Which index.
        digest: Digest,
        /// What was asked for.
        wanted: Platform,
        /// What there is.
        there: Vec<Platform>,
    },
    /// Indexes within indexes, and no end.
    #[error("index {0} lists indexes more than {MAX_NESTING} deep")]
    Nested(Digest),
    /// The configuration is no image configuration.
    #[error("configuration {digest} of an image is {found}, which cannot be run")]
    ConfigType {
        /// Which configuration.
        digest: Digest,
        /// Its media type.
        found: MediaType,
    },
    /// The configuration is not valid.
    #[error("configuration {digest} of an image is not valid")]
    Config {
        /// Which configuration.
        digest: Digest,
        /// What the parser met.
        #[source]
        source: serde_json::Error,
    },
    /// A layer is of no kind that can be unpacked.
    #[error("layer {digest} is {found}, which cannot be unpacked")]
    LayerType {
        /// Which layer.
        digest: Digest,
        /// Its media type.
        found: MediaType,
    },
    /// The manifest and the configuration do not have the same number of layers.
    #[error("image {digest} has {layers} layers, but its configuration lists {diff_ids}")]
    Layers {
        /// Which manifest.
        digest: Digest,
        /// Layers in the manifest.
        layers: usize,
        /// Diff ids in the configuration.
        diff_ids: usize,
    },
    /// There are too many layers.
    #[error("image {digest} has {layers} layers; at most {MAX_LAYERS} are taken")]
    TooManyLayers {
        /// Which manifest.
        digest: Digest,
        /// Layers in the manifest.
        layers: usize,
    },
    /// A blob could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Reads the image whose manifest is `manifest`, and checks that it can be run: media types,
    /// sizes, and as many layers as diff ids.
    ///
    /// # Errors
    /// [`ImageError::NotManifest`] for an index; [`Store::choose`] finds its manifest.
    pub fn image(&self, manifest: &Descriptor) -> Result<Image, ImageError> {
        let digest = manifest.digest.clone();
        let parsed = match self.document(manifest)? {
            Document::Manifest(parsed) => parsed,
            Document::Index(_) => {
                let found = manifest.media_type.clone();
                return Err(ImageError::NotManifest { digest, found });
            }
        };
        check_layers(&digest, &parsed)?;
        let config = self.image_config(&parsed.config)?;
        let (layers, diff_ids) = (parsed.layers.len(), config.rootfs.diff_ids.len());
        if layers != diff_ids {
            return Err(ImageError::Layers { digest, layers, diff_ids });
        }
        Ok(Image { descriptor: manifest.clone(), manifest: parsed, config })
    }

    /// Reads an index or a manifest as what its descriptor says it is.
    pub fn document(&self, descriptor: &Descriptor) -> Result<Document, ImageError> {
        let bytes = self.read(descriptor, MAX_MANIFEST)?;
        Document::parse(&descriptor.media_type, &bytes)
            .map_err(|source| ImageError::Document { digest: descriptor.digest.clone(), source })
    }

    /// The manifest for `platform` of what a name stands for. A manifest stands for itself, of
    /// whatever platform: a name that has no choice was chosen by whoever named it.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where the chosen manifest, or an index on the way, was not pulled;
    /// [`ImageError::Platform`] where the index has none, with those that it has.
    pub fn choose(
        &self,
        target: &Descriptor,
        platform: &Platform,
    ) -> Result<Descriptor, ImageError> {
        let mut target = target.clone();
        for _ in 0..=MAX_NESTING {
            if target.media_type.kind() != Kind::Index {
                return Ok(target);
            }
            let Document::Index(index) = self.document(&target)? else {
                return Ok(target);
            };
            target = chosen(&index, &target, platform)?;
        }
        Err(ImageError::Nested(target.digest))
    }

    /// Reads an image's configuration.
    pub(crate) fn image_config(&self, config: &Descriptor) -> Result<ImageConfig, ImageError> {
        let digest = config.digest.clone();
        if config.media_type.kind() != Kind::Config {
            return Err(ImageError::ConfigType { digest, found: config.media_type.clone() });
        }
        let bytes = self.read(config, MAX_CONFIG)?;
        serde_json::from_slice(&bytes).map_err(|source| ImageError::Config { digest, source })
    }
}

impl Image {
    /// Every blob of the image but its manifest: the configuration, then the layers.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.manifest.config).chain(&self.manifest.layers)
    }
}

fn check_layers(digest: &Digest, manifest: &Manifest) -> Result<(), ImageError> {
    let layers = manifest.layers.len();
    if layers > MAX_LAYERS {
        return Err(ImageError::TooManyLayers { digest: digest.clone(), layers });
    }
    match manifest.layers.iter().find(|l| !matches!(l.media_type.kind(), Kind::Layer(_))) {
        None => Ok(()),
        Some(layer) => Err(ImageError::LayerType {
            digest: layer.digest.clone(),
            found: layer.media_type.clone(),
        }),
    }
}

/// The entry of `index` for `platform`.
pub(crate) fn chosen(
    index: &Index,
    own: &Descriptor,
    platform: &Platform,
) -> Result<Descriptor, ImageError> {
    index.choose(platform).cloned().ok_or_else(|| ImageError::Platform {
        digest: own.digest.clone(),
        wanted: platform.clone(),
        there: index.platforms().cloned().collect(),
    })
}

fn list(platforms: &[Platform]) -> String {
    match platforms {
        [] => "no platform".to_owned(),
        some => some.iter().map(Platform::to_string).collect::<Vec<_>>().join(", "),
    }
}
