//! Writing blobs: hashed as they come, named only when they are whole and right.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;

use coffer_oci::{Descriptor, Digest, Hasher};
use coffer_sys::dir;
use rustix::fs::{self as rfs, AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::store::flock;
use crate::{Store, StoreError, layout};

/// Why a blob could not be written. Nothing of it is in the store.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// More bytes came than the descriptor says.
    #[error("blob {digest} should have {size} bytes, and more came")]
    TooMany {
        /// Which blob.
        digest: Digest,
        /// How many bytes it should have.
        size: u64,
    },
    /// Fewer bytes came than the descriptor says.
    #[error("blob {digest} should have {size} bytes, and {found} came")]
    TooFew {
        /// Which blob.
        digest: Digest,
        /// How many bytes it should have.
        size: u64,
        /// How many came.
        found: u64,
    },
    /// The bytes are not the blob.
    #[error("blob {digest} is not what came: those bytes hash to {found}")]
    Digest {
        /// Which blob.
        digest: Digest,
        /// What the bytes hash to.
        found: Digest,
    },
    /// The disk is full, or the quota is.
    #[error("no space left for blob {digest} after {written} of its {size} bytes")]
    Full {
        /// Which blob.
        digest: Digest,
        /// How many bytes it should have.
        size: u64,
        /// How many were written; their space is free again.
        written: u64,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A blob whose digest is not known yet could not be written; its space is free again.
    #[error("cannot write a blob after {written} bytes")]
    Unnamed {
        /// How many bytes were written.
        written: u64,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system refused something else.
    #[error("cannot write blob {digest}")]
    Io {
        /// Which blob.
        digest: Digest,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A blob on its way into the store. It holds the lock on its part in `ingest/`.
///
/// Dropped before [`BlobWriter::commit`], it keeps the part for the next writer of the same blob,
/// except on a full disk, where the space is given back.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    store: &'a Store,
    blob: Descriptor,
    part: File,
    hasher: HasherState,
    offset: u64,
    fate: Fate,
}

/// What becomes of the part when the writer is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Keep,
    Remove,
    Committed,
}

/// Keeps `Debug` short.
struct HasherState(Hasher);

impl std::fmt::Debug for HasherState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

impl<'a> BlobWriter<'a> {
    pub(crate) fn open(store: &'a Store, blob: &Descriptor) -> Result<Option<Self>, StoreError> {
        let io = |source| WriteError::Io { digest: blob.digest.clone(), source };
        let Some(part) = lock_part(store, &blob.digest)? else { return Ok(None) };
        let mut writer = Self {
            store,
            blob: blob.clone(),
            part,
            hasher: HasherState(Hasher::new(blob.digest.algorithm())),
            offset: 0,
            fate: Fate::Keep,
        };
        writer.resume().map_err(io)?;
        Ok(Some(writer))
    }

    /// How many bytes are written; the next one to write is the blob's byte at this offset.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The blob to be written.
    pub fn descriptor(&self) -> &Descriptor {
        &self.blob
    }

    /// Forgets the bytes that are written, for a source that cannot begin in the middle.
    pub fn restart(&mut self) -> Result<(), WriteError> {
        self.part.set_len(0).and_then(|()| self.part.rewind()).map_err(|e| self.failed(e))?;
        self.hasher = HasherState(Hasher::new(self.blob.digest.algorithm()));
        self.offset = 0;
        Ok(())
    }

    /// Checks size and digest, makes the blob durable and gives it its name.
    ///
    /// # Errors
    /// After [`WriteError::Digest`] the part is removed; after [`WriteError::TooFew`] it is kept,
    /// since the rest may still come.
    pub fn commit(mut self) -> Result<(), WriteError> {
        let (digest, size) = (self.blob.digest.clone(), self.blob.size);
        if self.offset < size {
            return Err(WriteError::TooFew { digest, size, found: self.offset });
        }
        let hasher = Hasher::new(digest.algorithm());
        let found = std::mem::replace(&mut self.hasher, HasherState(hasher)).0.finish();
        if found != digest {
            self.fate = Fate::Remove;
            return Err(WriteError::Digest { digest, found });
        }
        self.publish().map_err(|source| self.failed(source))
    }

    /// What a failed `write` of this writer means: from its [`Write`] error to a typed one.
    pub fn failed(&mut self, source: io::Error) -> WriteError {
        let (digest, size) = (self.blob.digest.clone(), self.blob.size);
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                self.fate = Fate::Remove;
                WriteError::Full { digest, size, written: self.offset, source }
            }
            _ => match source.downcast::<WriteError>() {
                Ok(typed) => typed,
                Err(source) => WriteError::Io { digest, source },
            },
        }
    }

    fn publish(&mut self) -> io::Result<()> {
        rfs::fchmod(&self.part, Mode::RUSR | Mode::RGRP | Mode::ROTH)?;
        rfs::fsync(&self.part)?;
        let digest = &self.blob.digest;
        let root = self.store.root();
        rfs::renameat(root, part_path(digest), root, layout::blob(digest))?;
        self.fate = Fate::Committed;
        Ok(())
    }

    /// Hashes what an earlier writer left. More than the blob can have is no part of it.
    fn resume(&mut self) -> io::Result<()> {
        if self.part.metadata()?.len() > self.blob.size {
            self.part.set_len(0)?;
        }
        let mut buffer = vec![0; 128 << 10];
        loop {
            match self.part.read(&mut buffer)? {
                0 => break,
                n => self.hash(buffer.get(..n).unwrap_or_default()),
            }
        }
        self.part.seek(SeekFrom::Start(self.offset))?;
        Ok(())
    }

    fn hash(&mut self, bytes: &[u8]) {
        self.hasher.0.update(bytes);
        self.offset += bytes.len() as u64;
    }
}

impl Write for BlobWriter<'_> {
    /// Refuses the whole buffer where it would make the blob longer than it is.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.blob.size - self.offset {
            self.fate = Fate::Remove;
            let (digest, size) = (self.blob.digest.clone(), self.blob.size);
            let error = WriteError::TooMany { digest, size };
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        match self.part.write(bytes) {
            Ok(written) => {
                self.hash(bytes.get(..written).unwrap_or_default());
                Ok(written)
            }
            Err(error) => {
                if let io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded = error.kind() {
                    self.fate = Fate::Remove;
                }
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter<'_> {
    fn drop(&mut self) {
        if self.fate == Fate::Remove {
            // Nothing can be reported from here. A part that stays has no name, and prune takes it.
            let path = part_path(&self.blob.digest);
            if rfs::unlinkat(self.store.root(), path, AtFlags::empty()).is_err() {
                rfs::ftruncate(&self.part, 0).ok();
            }
        }
    }
}

fn part_path(digest: &Digest) -> String {
    format!("{}/{}", layout::INGEST, layout::part(digest))
}

/// Opens and locks the part of `digest`, or says `None` where the blob is here.
///
/// Whoever held the lock before may have renamed or removed the file that this one waited for;
/// then the name stands for something else, and all begins again.
fn lock_part(store: &Store, digest: &Digest) -> Result<Option<File>, StoreError> {
    let path = part_path(digest);
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    loop {
        if store.has(digest)?.is_some() {
            return Ok(None);
        }
        let part = rfs::openat(store.root(), path.as_str(), flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| StoreError::file(path.as_str())(errno.into()))?;
        flock(&part, FlockOperation::LockExclusive, layout::INGEST)?;
        if is_at(&part, store, &path)? {
            if store.has(digest)?.is_none() {
                return Ok(Some(File::from(part)));
            }
            // Committed between the two looks: this part is new, empty and not needed.
            dir::remove_file(store.root(), &path).map_err(StoreError::file(path.as_str()))?;
        }
    }
}

fn is_at(part: &OwnedFd, store: &Store, path: &str) -> Result<bool, StoreError> {
    let failed = |errno: Errno| StoreError::file(path)(errno.into());
    let own = rfs::fstat(part).map_err(failed)?;
    match rfs::statat(store.root(), path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) => Ok((own.st_dev, own.st_ino) == (named.st_dev, named.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(failed(errno)),
    }
}
