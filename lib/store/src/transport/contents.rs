//! The files of an archive, as blobs and bytes in a table.

use std::collections::HashMap;
use std::io::{self, Read, Write};

use coffer_oci::{Descriptor, Digest, MediaType};
use serde::de::DeserializeOwned;

use super::TransportError;
use super::archive::{Archive, Entry, Kind};
use super::stream::plain;
use crate::unnamed::UnnamedWriter;
use crate::{MAX_MANIFEST, Store, StoreError, WriteError, layout};

/// The most entries of an archive; a thousand layers have three each.
const MAX_ENTRIES: usize = 100_000;

/// Files up to this size stay in memory, since most that are small are never asked for.
const SMALL: u64 = 1 << 20;

/// All that stays in memory, in bytes.
const MAX_HELD: u64 = 64 << 20;

/// How many links may lead to each other.
const MAX_LINKS: usize = 8;

/// What an archive holds. Its large files are in the store, and so are those named by a digest.
pub(super) struct Contents<'a> {
    store: &'a Store,
    files: HashMap<Vec<u8>, Item>,
    held: u64,
}

/// One name in the archive.
#[derive(Clone)]
enum Item {
    Held(Vec<u8>),
    Blob(Descriptor),
    Link(Vec<u8>),
}

impl<'a> Contents<'a> {
    /// Reads an archive to its end.
    pub(super) fn read(store: &'a Store, archive: impl Read) -> Result<Self, TransportError> {
        let mut contents = Self { store, files: HashMap::new(), held: 0 };
        let mut archive = Archive::new(plain(archive)?);
        while let Some(entry) = archive.next()? {
            let Entry { path, kind } = entry;
            let item = match kind {
                Kind::Folder => continue,
                Kind::Link { target } => Item::Link(target),
                Kind::File { size } => contents.take(&path, size, &mut archive)?,
            };
            if contents.files.len() == MAX_ENTRIES {
                return Err(TransportError::TooMany(MAX_ENTRIES));
            }
            contents.files.insert(path, item);
        }
        Ok(contents)
    }

    /// Whether there is something of this name.
    pub(super) fn has(&self, path: &str) -> bool {
        self.files.contains_key(path.as_bytes())
    }

    /// Parses the JSON document at `path`.
    pub(super) fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, TransportError> {
        let bytes = self.document(path, MAX_MANIFEST)?;
        serde_json::from_slice(&bytes)
            .map_err(|source| TransportError::Json { path: path.to_owned(), source })
    }

    /// The bytes at `path`, which may be at most `limit`.
    pub(super) fn document(&self, path: &str, limit: u64) -> Result<Vec<u8>, TransportError> {
        let too_long = || TransportError::TooLong { path: path.to_owned(), limit };
        match self.find(path)? {
            Item::Held(bytes) if bytes.len() as u64 > limit => Err(too_long()),
            Item::Held(bytes) => Ok(bytes.clone()),
            Item::Blob(blob) if blob.size > limit => Err(too_long()),
            Item::Blob(blob) => Ok(self.store.read(blob, limit)?),
            Item::Link(_) => Err(no_file(path)),
        }
    }

    /// The file at `path` as a blob of the store.
    pub(super) fn blob(&self, path: &str, media_type: &str) -> Result<Descriptor, TransportError> {
        match self.find(path)? {
            Item::Held(bytes) => Ok(self.store.put(bytes, media_type)?),
            Item::Blob(blob) => {
                Ok(Descriptor { media_type: MediaType::new(media_type), ..blob.clone() })
            }
            Item::Link(_) => Err(no_file(path)),
        }
    }

    /// What stands at `path` once links are followed, all within the archive.
    fn find(&self, path: &str) -> Result<&Item, TransportError> {
        let mut path_now = path.strip_prefix("./").unwrap_or(path).as_bytes();
        for _ in 0..=MAX_LINKS {
            match self.files.get(path_now) {
                Some(Item::Link(target)) => path_now = target,
                Some(item) => return Ok(item),
                None => break,
            }
        }
        Err(no_file(path))
    }

    fn take(
        &mut self,
        path: &[u8],
        size: u64,
        content: &mut impl Read,
    ) -> Result<Item, TransportError> {
        if let Some(digest) = digest_of(path) {
            let blob = Descriptor::new(MediaType::OCI_LAYER, digest, size);
            return put_named(self.store, &blob, content).map(Item::Blob);
        }
        if size <= SMALL && self.held + size <= MAX_HELD {
            self.held += size;
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(TransportError::Read)?;
            return Ok(Item::Held(bytes));
        }
        let mut writer = UnnamedWriter::new(self.store)?;
        pour(content, &mut writer, |writer, error| writer.failed(error))?;
        Ok(Item::Blob(writer.commit(MediaType::OCI_LAYER)?))
    }
}

/// Puts a blob whose digest the archive names. What is in the store already is not read again.
fn put_named(
    store: &Store,
    blob: &Descriptor,
    content: &mut impl Read,
) -> Result<Descriptor, TransportError> {
    match store.has(&blob.digest)? {
        Some(found) if found == blob.size => return Ok(blob.clone()),
        Some(found) => {
            let (digest, expected) = (blob.digest.clone(), blob.size);
            return Err(StoreError::Size { digest, expected, found }.into());
        }
        None => {}
    }
    if let Some(mut writer) = store.writer(blob)? {
        writer.restart()?;
        pour(content, &mut writer, |writer, error| writer.failed(error))?;
        writer.commit()?;
    }
    Ok(blob.clone())
}

/// Copies to a writer's end, and tells a failed read from a failed write.
pub(super) fn pour<W: Write>(
    content: &mut impl Read,
    writer: &mut W,
    failed: impl Fn(&mut W, io::Error) -> WriteError,
) -> Result<(), TransportError> {
    let mut buffer = vec![0; 128 << 10];
    loop {
        let count = match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(TransportError::Read(error)),
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        writer.write_all(bytes).map_err(|error| failed(writer, error))?;
    }
}

/// The digest in `blobs/<algorithm>/<hex>`.
fn digest_of(path: &[u8]) -> Option<Digest> {
    let path = std::str::from_utf8(path).ok()?;
    let (algorithm, hex) = path.strip_prefix(layout::BLOBS)?.strip_prefix('/')?.split_once('/')?;
    format!("{algorithm}:{hex}").parse().ok()
}

fn no_file(path: &str) -> TransportError {
    TransportError::NoFile { path: path.to_owned() }
}
