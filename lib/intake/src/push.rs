//! Pushing: blobs first, then manifests, then the index that lists them, the name with the last.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};

use coffer_oci::{Descriptor, Digest, Document, Manifest, Platform, Reference};
use coffer_registry::{Client, Error as RegistryError, Pushed, Source};
use coffer_store::{ImageError, IndexError, MAX_MANIFEST, Store, StoreError};

use crate::{Event, Progress, origins, parallel};

/// How deep indexes may lie within indexes.
const MAX_NESTING: usize = 4;

/// What came of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What the name stands for in the registry now.
    pub target: Descriptor,
    /// Whether all of an index went, or what is here of it.
    pub extent: Extent,
}

/// How much of an image went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// The image for one platform; its index lists others, which were never pulled.
    OnePlatform,
}

/// Why an image could not be pushed. The name in the registry stands for what it stood for before.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The registry does not take it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// It cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// It cannot be pushed under the name's digest, since it has another.
    #[error("{name} names another image than {found}, which is to be pushed")]
    Digest {
        /// The name.
        name: Reference,
        /// What is to be pushed.
        found: Digest,
    },
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The names in the store could not be read.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl PushError {
    /// What to do about it, where there is something to do: what to type, after `help: `.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.help(),
            _ => None,
        }
    }
}

/// Everything below one index or manifest, in the order in which a registry takes it.
#[derive(Default)]
struct Parts {
    blobs: Vec<Descriptor>,
    documents: Vec<Descriptor>,
}

/// Pushes the index or manifest `target` of the store as `name`.
///
/// An index of which only some platforms are here cannot be pushed, since registries refuse what
/// names something missing; then the manifest for `platform` is pushed, which [`Sent`] says.
///
/// # Errors
/// See [`PushError`].
pub fn push(
    store: &Store,
    client: &Client,
    target: &Descriptor,
    name: &Reference,
    platform: &Platform,
    progress: &dyn Progress,
) -> Result<Sent, PushError> {
    let (target, parts, extent) = select(store, target, platform)?;
    if name.digest().is_some_and(|digest| *digest != target.digest) {
        return Err(PushError::Digest { name: name.clone(), found: target.digest });
    }
    let (client, cancel) = client.cancellable();
    let push = Push { store, client: &client, name, progress, origins: origins::of(store, name)? };
    let blobs = parallel::distinct(parts.blobs.iter());
    parallel::each(&blobs, &cancel, |blob| push.blob(blob))?;
    for document in parts.documents.iter().filter(|document| document.digest != target.digest) {
        push.document(document, &name.with_digest(document.digest.clone()))?;
    }
    push.document(&target, name)?;
    progress.event(Event::Resolved { name, target: &target });
    Ok(Sent { target, extent })
}

/// All of `target` where all of it is here; else its manifest for `platform`.
fn select(
    store: &Store,
    target: &Descriptor,
    platform: &Platform,
) -> Result<(Descriptor, Parts, Extent), PushError> {
    let mut parts = Parts::default();
    match parts.add(store, target, MAX_NESTING) {
        Err(ImageError::Store(StoreError::Missing(_))) => {}
        added => return added.map(|()| (target.clone(), parts, Extent::Whole)).map_err(Into::into),
    }
    let chosen = store.choose(target, platform)?;
    let mut parts = Parts::default();
    parts.add(store, &chosen, MAX_NESTING)?;
    Ok((chosen, parts, Extent::OnePlatform))
}

impl Parts {
    /// Adds `target` after all that it names. Nothing of it may be missing.
    fn add(&mut self, store: &Store, target: &Descriptor, depth: usize) -> Result<(), ImageError> {
        match store.document(target)? {
            Document::Manifest(Manifest { config, layers, .. }) => {
                for blob in std::iter::once(config).chain(layers) {
                    store.has(&blob.digest)?.ok_or(StoreError::Missing(blob.digest.clone()))?;
                    self.blobs.push(blob);
                }
            }
            Document::Index(_) if depth == 0 => {
                return Err(ImageError::Nested(target.digest.clone()));
            }
            Document::Index(index) => {
                for entry in &index.manifests {
                    self.add(store, entry, depth - 1)?;
                }
            }
        }
        self.documents.push(target.clone());
        Ok(())
    }
}

/// What all parts of one push share.
struct Push<'a> {
    store: &'a Store,
    client: &'a Client,
    name: &'a Reference,
    progress: &'a dyn Progress,
    origins: HashMap<Digest, Reference>,
}

impl Push<'_> {
    /// Makes sure that the registry has `blob`.
    fn blob(&self, blob: &Descriptor) -> Result<(), PushError> {
        let source = FromStore { push: self, blob };
        let other = self.origins.get(&blob.digest);
        let event = match self.client.push_blob(self.name, blob, other, &source)? {
            Pushed::Uploaded => Event::Done(blob),
            Pushed::Existed | Pushed::Mounted => Event::Present(blob),
        };
        self.progress.event(event);
        Ok(())
    }

    /// Pushes an index or a manifest, whose parts are there.
    fn document(&self, document: &Descriptor, name: &Reference) -> Result<(), PushError> {
        let bytes = self.store.read(document, MAX_MANIFEST)?;
        Ok(self.client.push_manifest(name, document, &bytes)?)
    }
}

/// A blob of the store, to be sent.
struct FromStore<'a> {
    push: &'a Push<'a>,
    blob: &'a Descriptor,
}

impl Source for FromStore<'_> {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        let mut file = self.push.store.open_blob(self.blob).map_err(io::Error::other)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(Counted { file, push: self.push, blob: self.blob, done: offset }))
    }
}

/// Reports what is read.
struct Counted<'a> {
    file: std::fs::File,
    push: &'a Push<'a>,
    blob: &'a Descriptor,
    done: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.done += read as u64;
        self.push.progress.event(Event::Moving { blob: self.blob, done: self.done });
        Ok(read)
    }
}
