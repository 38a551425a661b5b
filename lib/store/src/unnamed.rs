//! Writing blobs whose digest is known only at their end.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;

use coffer_oci::{Algorithm, Descriptor, Hasher};
use rustix::fs::{self as rfs, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::{Store, StoreError, WriteError, layout};

/// A blob on its way in, in a file without a name: whatever ends the process, nothing is left.
pub(crate) struct UnnamedWriter<'a> {
    store: &'a Store,
    file: File,
    hasher: Hasher,
    written: u64,
}

impl<'a> UnnamedWriter<'a> {
    pub(crate) fn new(store: &'a Store) -> Result<Self, StoreError> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::RGRP | Mode::ROTH;
        let fd = rfs::openat(store.root(), layout::INGEST, flags, mode)
            .map_err(|errno| StoreError::file(layout::INGEST)(errno.into()))?;
        let hasher = Hasher::new(Algorithm::Sha256);
        Ok(Self { store, file: File::from(fd), hasher, written: 0 })
    }

    /// Makes the blob durable and names it by its SHA-256 digest.
    pub(crate) fn commit(self, media_type: &str) -> Result<Descriptor, WriteError> {
        let Self { store, file, hasher, written } = self;
        let failed = |errno: Errno| WriteError::Unnamed { written, source: errno.into() };
        let blob = Descriptor::new(media_type, hasher.finish(), written);
        rfs::fsync(&file).map_err(failed)?;
        // open(2), O_TMPFILE: the one way to name such a file that needs no capability.
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        let (name, follow) = (layout::blob(&blob.digest), AtFlags::SYMLINK_FOLLOW);
        match rfs::linkat(rfs::CWD, own, store.root(), name, follow) {
            Ok(()) | Err(Errno::EXIST) => Ok(blob),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// What a failed write means.
    pub(crate) fn failed(&self, source: io::Error) -> WriteError {
        WriteError::Unnamed { written: self.written, source }
    }
}

impl Write for UnnamedWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or_default());
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
