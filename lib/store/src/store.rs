//! The store: opening it, and its blobs.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use coffer_oci::{Descriptor, Digest, Hasher};
use coffer_sys::dir::{self, Durability};
use rustix::fs::{self as rfs, AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::{BlobWriter, StoreError, layout};

/// A data root that is open, and locked against pruning for as long.
///
/// The lock goes with the open file: a command that leaves a process behind drops its `Store`
/// before it forks, and one that runs for long drops it when containers' records name what it uses.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    root: OwnedFd,
    lock: OwnedFd,
}

impl Store {
    /// Opens the data root at `path` and makes what is missing of it. Waits while it is pruned.
    ///
    /// # Errors
    /// [`StoreError::NotOurs`] where somebody else could change it; else what the system refused.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let root = open_root(path)?;
        let lock = match open_lock(root.as_fd(), layout::LOCK, OFlags::empty()) {
            Err(Errno::NOENT) => {
                make_layout(root.as_fd())?;
                open_lock(root.as_fd(), layout::LOCK, OFlags::CREATE)
            }
            other => other,
        };
        let lock = lock.map_err(io::Error::from).map_err(StoreError::file(layout::LOCK))?;
        flock(&lock, FlockOperation::LockShared, layout::LOCK)?;
        Ok(Self { path: path.to_owned(), root, lock })
    }

    /// The data root, as an open folder. What it may be used for is in `docs/store.md`.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Where the data root is, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The size in bytes of the blob, where it is here. Its bytes are not read.
    pub fn has(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        match rfs::statat(&self.root, layout::blob(digest), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(u64::try_from(stat.st_size).unwrap_or(0))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(StoreError::file(layout::blob(digest))(errno.into())),
        }
    }

    /// Opens a blob to be streamed; its size is checked. Its bytes were hashed when they came in;
    /// who streams them hashes them again if it can (an unpacker does, for the layer's diff id).
    pub fn open_blob(&self, blob: &Descriptor) -> Result<File, StoreError> {
        let file = self.open_any(&blob.digest)?;
        let found = file.metadata().map_err(StoreError::file(layout::blob(&blob.digest)))?.len();
        if found == blob.size {
            Ok(file)
        } else {
            Err(StoreError::Size { digest: blob.digest.clone(), expected: blob.size, found })
        }
    }

    /// Opens a blob of whatever size.
    pub(crate) fn open_any(&self, digest: &Digest) -> Result<File, StoreError> {
        let name = layout::blob(digest);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rfs::openat(&self.root, name.as_str(), flags, Mode::empty()) {
            Ok(fd) => Ok(File::from(fd)),
            Err(Errno::NOENT) => Err(StoreError::Missing(digest.clone())),
            Err(errno) => Err(StoreError::file(name)(errno.into())),
        }
    }

    /// Reads a blob of at most `limit` bytes whole, and checks that it still has its digest.
    pub fn read(&self, blob: &Descriptor, limit: u64) -> Result<Vec<u8>, StoreError> {
        if blob.size > limit {
            let (digest, size) = (blob.digest.clone(), blob.size);
            return Err(StoreError::TooLong { digest, size, limit });
        }
        let file = self.open_blob(blob)?;
        let mut bytes = Vec::with_capacity(usize::try_from(blob.size).unwrap_or(0));
        file.take(blob.size)
            .read_to_end(&mut bytes)
            .map_err(StoreError::file(layout::blob(&blob.digest)))?;
        let mut hasher = Hasher::new(blob.digest.algorithm());
        hasher.update(&bytes);
        match hasher.finish() {
            found if found == blob.digest => Ok(bytes),
            found => Err(StoreError::Corrupt { digest: blob.digest.clone(), found }),
        }
    }

    /// Begins to write a blob, or goes on where an earlier writer stopped. `None` where the blob
    /// is here already; while another command writes the same blob, this waits for it.
    pub fn writer(&self, blob: &Descriptor) -> Result<Option<BlobWriter<'_>>, StoreError> {
        BlobWriter::open(self, blob)
    }

    /// Puts bytes that are in memory, under their SHA-256 digest.
    pub fn put(&self, bytes: &[u8], media_type: &str) -> Result<Descriptor, StoreError> {
        let blob = Descriptor::of(media_type, bytes);
        if let Some(mut writer) = self.writer(&blob)? {
            writer.restart()?;
            writer.write_all(bytes).map_err(|source| writer.failed(source))?;
            writer.commit()?;
        }
        Ok(blob)
    }

    /// The lock that every open store shares.
    pub(crate) fn use_lock(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

/// Takes or changes a lock, and waits for it.
pub(crate) fn flock(
    fd: impl AsFd,
    operation: FlockOperation,
    name: &'static str,
) -> Result<(), StoreError> {
    loop {
        match rfs::flock(fd.as_fd(), operation) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(StoreError::Lock { name, source: errno.into() }),
        }
    }
}

pub(crate) fn open_lock(root: BorrowedFd<'_>, name: &str, more: OFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
    rfs::openat(root, name, flags, Mode::RUSR | Mode::WUSR)
}

fn open_root(path: &Path) -> Result<OwnedFd, StoreError> {
    let failed = |source| StoreError::Root { path: path.to_owned(), source };
    let root = match dir::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // The caller's own path, which only the caller's own rights can make.
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
            dir::open(path).map_err(failed)?
        }
        other => other.map_err(failed)?,
    };
    let stat = rfs::fstat(&root).map_err(|errno| failed(errno.into()))?;
    let mode = stat.st_mode & 0o7777;
    if stat.st_uid == rustix::process::geteuid().as_raw() && mode & 0o077 == 0 {
        Ok(root)
    } else {
        Err(StoreError::NotOurs { path: path.to_owned(), owner: stat.st_uid, mode })
    }
}

/// Makes the folders and files of an empty store; `lock`, which says that all are there, comes
/// last and is the caller's.
fn make_layout(root: BorrowedFd<'_>) -> Result<(), StoreError> {
    let guard = open_lock(root, layout::INDEX_LOCK, OFlags::CREATE)
        .map_err(io::Error::from)
        .map_err(StoreError::file(layout::INDEX_LOCK))?;
    flock(&guard, FlockOperation::LockExclusive, layout::INDEX_LOCK)?;
    for name in [layout::BLOBS, layout::INGEST] {
        dir::make(root, name, Mode::RWXU).map_err(StoreError::file(name))?;
    }
    for algorithm in layout::ALGORITHMS {
        let name = format!("{}/{}", layout::BLOBS, algorithm.name());
        dir::make(root, &name, Mode::RWXU).map_err(StoreError::file(name))?;
    }
    dir::open_at(root, layout::BLOBS)
        .and_then(|blobs| Ok(rfs::fsync(blobs)?))
        .map_err(StoreError::file(layout::BLOBS))?;
    let mode = Mode::RUSR | Mode::WUSR;
    dir::write_whole(root, layout::LAYOUT, layout::LAYOUT_CONTENT, mode, Durability::Disk)
        .map_err(StoreError::file(layout::LAYOUT))
}
