//! Pulling: a name in a registry becomes an image in the store, whole or not at all.
//!
//! The order is what makes it so: index and manifest, then the configuration, which is checked
//! against the manifest, then the layers side by side, and the name at the very end. Killed at any
//! point, it leaves blobs that nothing names and parts of blobs; the next pull finds both.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use coffer_oci::{
    Descriptor, Digest, Document, DocumentError, Index, Kind, Manifest, MediaType, Platform,
    Reference,
};
use coffer_registry::{Cause, Client, Error as RegistryError, IMAGE_TYPES};
use coffer_store::{
    BlobWriter, Image, ImageError, IndexError, MAX_CONFIG, MAX_LAYERS, Store, StoreError,
    WriteError,
};

use crate::fetch::Fetch;
use crate::{Event, Progress, parallel};

/// How deep indexes may lie within indexes.
const MAX_NESTING: usize = 4;

/// What came of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The index or manifest that the name stands for.
    pub target: Descriptor,
    /// The manifest for the platform; the target itself, where that is none.
    pub manifest: Descriptor,
    /// How many layers travelled. The others were here.
    pub layers: usize,
    /// How many bytes of blobs travelled.
    pub bytes: u64,
}

/// Why an image could not be pulled. The name stands for what it stood for before; what arrived
/// whole stays for the next try, until prune.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The registry does not give it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// An index or manifest is not valid.
    #[error("{digest} of {name} is not a valid image")]
    Document {
        /// The image.
        name: Reference,
        /// Which of its documents.
        digest: Digest,
        /// What is wrong with it.
        #[source]
        source: DocumentError,
    },
    /// There is nothing for the platform.
    #[error("{name} is not there for {wanted}; it is for {}", list(.there))]
    Platform {
        /// The image.
        name: Reference,
        /// What was asked for.
        wanted: Platform,
        /// What there is.
        there: Vec<Platform>,
    },
    /// Indexes within indexes, and no end.
    #[error("{0} lists indexes more than {MAX_NESTING} deep")]
    Nested(Reference),
    /// It is an artifact, or something else that is no image.
    #[error("{name} is no image that can be run: it holds {found}")]
    NotImage {
        /// The name.
        name: Reference,
        /// The media type that no image holds.
        found: MediaType,
    },
    /// It has more layers, or a longer configuration, than is taken.
    #[error("{name} has {found} {what}; at most {limit} are taken")]
    TooMany {
        /// The image.
        name: Reference,
        /// Of what.
        what: &'static str,
        /// How many it has.
        found: u64,
        /// How many are taken.
        limit: u64,
    },
    /// Manifest and configuration do not fit together.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A blob could not be written, or is not what it should be.
    #[error("cannot take in a part of {name}")]
    Write {
        /// The image.
        name: Reference,
        /// What is wrong with the blob, or with the disk.
        #[source]
        source: WriteError,
    },
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The image could not be named.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A blob could not be read on.
    #[error("cannot read on")]
    Read(#[source] io::Error),
}

impl PullError {
    /// What to do about it, where there is something to do: what to type, after `help: `.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.help(),
            Self::Platform { there, .. } => {
                there.first().map(|first| format!("take another platform: --platform {first}"))
            }
            Self::Write { source: WriteError::Full { .. }, .. } => {
                Some("make room: coffer system prune".to_owned())
            }
            _ => None,
        }
    }
}

/// Pulls the image that `name` stands for on `platform`, and names it last, when all of it is in
/// the store. A pull that was killed is taken up where it ended.
///
/// # Errors
/// See [`PullError`]. Of several layers that fail, the first one's error.
pub fn pull(
    store: &Store,
    client: &Client,
    name: &Reference,
    platform: &Platform,
    progress: &dyn Progress,
) -> Result<Pulled, PullError> {
    let (client, cancel) = client.cancellable();
    let fetch = Fetch { store, client: &client, name, progress };
    let (target, document) = fetch.target()?;
    progress.event(Event::Resolved { name, target: &target });
    let (descriptor, manifest) = fetch.manifest(&target, document, platform)?;
    check(name, &manifest)?;
    let bytes = AtomicU64::new(fetch.blob(&manifest.config)?);
    // Configuration and manifest are checked before anything large travels.
    fetch.check_platform(&store.image(&descriptor)?, platform)?;
    let layers = AtomicUsize::new(0);
    parallel::each(&parallel::distinct(manifest.layers.iter()), &cancel, |layer| {
        let moved = fetch.blob(layer)?;
        bytes.fetch_add(moved, Ordering::Relaxed);
        layers.fetch_add(usize::from(moved > 0), Ordering::Relaxed);
        Ok::<(), PullError>(())
    })?;
    store.tag(name, &target)?;
    let (layers, bytes) = (layers.into_inner(), bytes.into_inner());
    Ok(Pulled { target, manifest: descriptor, layers, bytes })
}

impl Fetch<'_> {
    /// What the name stands for now: from the store where that is still the same, since asking
    /// is cheaper than fetching and counts less against limits.
    fn target(&self) -> Result<(Descriptor, Document), PullError> {
        if let Some(known) = self.store.resolve(self.name)? {
            let same = self.name.digest().is_some() || self.is_current(&known)?;
            if let Some(document) = self.known(&known)?.filter(|_| same) {
                return Ok((known, document));
            }
        }
        self.document(self.name, &IMAGE_TYPES)
    }

    fn is_current(&self, known: &Descriptor) -> Result<bool, PullError> {
        match self.client.resolve(self.name) {
            Ok(digest) => Ok(digest == known.digest),
            // Some registries do not say it before they send it, or take no HEAD.
            Err(RegistryError { cause: Cause::Header { .. } | Cause::Status { .. }, .. }) => {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// An index or manifest that is in the store; what is missing or damaged there is fetched.
    fn known(&self, descriptor: &Descriptor) -> Result<Option<Document>, PullError> {
        match self.store.document(descriptor) {
            Ok(document) => Ok(Some(document)),
            Err(ImageError::Store(StoreError::Missing(_))) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Fetches an index or manifest and puts it into the store.
    fn document(
        &self,
        name: &Reference,
        accept: &[&str],
    ) -> Result<(Descriptor, Document), PullError> {
        let (descriptor, bytes) = self.client.manifest(name, accept)?;
        let document = Document::parse(&descriptor.media_type, &bytes).map_err(|source| {
            PullError::Document {
                name: self.name.clone(),
                digest: descriptor.digest.clone(),
                source,
            }
        })?;
        if let Some(mut writer) = self.store.writer(&descriptor)? {
            let put = |writer: &mut BlobWriter| {
                writer.restart()?;
                io::Write::write_all(writer, &bytes).map_err(|error| writer.failed(error))
            };
            put(&mut writer).and_then(|()| writer.commit()).map_err(|e| self.unwritten(e))?;
        }
        Ok((descriptor, document))
    }

    /// Follows indexes to the manifest for `platform`.
    fn manifest(
        &self,
        target: &Descriptor,
        document: Document,
        platform: &Platform,
    ) -> Result<(Descriptor, Manifest), PullError> {
        let (mut descriptor, mut document) = (target.clone(), document);
        for _ in 0..=MAX_NESTING {
            let index = match document {
                Document::Manifest(manifest) => return Ok((descriptor, manifest)),
                Document::Index(index) => index,
            };
            descriptor = self.choose(&index, platform)?;
            document = match self.known(&descriptor)? {
                Some(document) => document,
                None => self.child(&descriptor)?,
            };
        }
        Err(PullError::Nested(self.name.clone()))
    }

    fn choose(&self, index: &Index, platform: &Platform) -> Result<Descriptor, PullError> {
        index.choose(platform).cloned().ok_or_else(|| PullError::Platform {
            name: self.name.clone(),
            wanted: platform.clone(),
            there: platforms(index),
        })
    }

    /// A name that has no choice of platforms must be for the one that is wanted, too.
    fn check_platform(&self, image: &Image, wanted: &Platform) -> Result<(), PullError> {
        let found = platform_of(image);
        if found.rank_for(wanted).is_some() {
            return Ok(());
        }
        let (name, wanted) = (self.name.clone(), wanted.clone());
        Err(PullError::Platform { name, wanted, there: vec![found] })
    }

    /// Fetches what an index lists, as what the index says it is.
    fn child(&self, listed: &Descriptor) -> Result<Document, PullError> {
        let pinned = self.name.with_digest(listed.digest.clone());
        let (found, document) = self.document(&pinned, &[listed.media_type.as_str()])?;
        if found.size == listed.size {
            return Ok(document);
        }
        let (expected, found) = (listed.size, found.size);
        Err(StoreError::Size { digest: listed.digest.clone(), expected, found }.into())
    }
}

/// What an image's configuration says that it is for.
pub(crate) fn platform_of(image: &Image) -> Platform {
    Platform {
        architecture: image.config.architecture.clone(),
        os: image.config.os.clone(),
        variant: image.config.variant.clone(),
        os_version: None,
        os_features: Vec::new(),
    }
}

/// The platforms of an index, without the attestations that BuildKit lists beside images.
fn platforms(index: &Index) -> Vec<Platform> {
    let mut found: Vec<Platform> = Vec::new();
    for platform in index.platforms().filter(|platform| platform.os != "unknown") {
        if !found.contains(platform) {
            found.push(platform.clone());
        }
    }
    found
}

/// Checks all that a manifest says before anything is fetched for it.
fn check(name: &Reference, manifest: &Manifest) -> Result<(), PullError> {
    let is_layer = |blob: &&Descriptor| matches!(blob.media_type.kind(), Kind::Layer(_));
    let not_config = manifest.config.media_type.kind() != Kind::Config;
    let config = not_config.then_some(&manifest.config);
    if let Some(odd) = config.or_else(|| manifest.layers.iter().find(|blob| !is_layer(blob))) {
        return Err(PullError::NotImage { name: name.clone(), found: odd.media_type.clone() });
    }
    let counts = [
        ("layers", manifest.layers.len() as u64, MAX_LAYERS as u64),
        ("bytes of configuration", manifest.config.size, MAX_CONFIG),
    ];
    match counts.into_iter().find(|(_, found, limit)| found > limit) {
        None => Ok(()),
        Some((what, found, limit)) => {
            Err(PullError::TooMany { name: name.clone(), what, found, limit })
        }
    }
}

fn list(platforms: &[Platform]) -> String {
    match platforms {
        [] => "no platform".to_owned(),
        some => some.iter().map(Platform::to_string).collect::<Vec<_>>().join(", "),
    }
}
