//! Collecting what nothing names.

use std::collections::HashSet;
use std::os::fd::AsFd;

use coffer_oci::{Descriptor, Digest};
use coffer_sys::dir;
use rustix::fs::{self as rfs, AtFlags, FlockOperation};
use rustix::io::Errno;

use crate::reach::Reach;
use crate::store::flock;
use crate::{IndexError, Store, StoreError, layout};

/// Why a prune stopped. What it removed until then is gone, and every name still holds.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The index could not be read or changed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// An image that is needed cannot be read, so nobody knows what it needs. Nothing was removed.
    #[error("cannot tell which blobs image {digest} needs")]
    Follow {
        /// The image.
        digest: Digest,
        /// Why it cannot be read.
        #[source]
        source: StoreError,
    },
    /// A file could not be removed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a prune removed, and what still stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Images without a name that were dropped.
    pub images: Vec<Digest>,
    /// Blobs that were removed.
    pub blobs: Vec<Digest>,
    /// How many parts of interrupted downloads were removed.
    pub parts: usize,
    /// Bytes freed by both.
    pub bytes: u64,
    /// The chain ids of all layers of the images that are left. Who keeps unpacked layers may
    /// remove the others, while the lock is held.
    pub chains: HashSet<Digest>,
}

/// What the removal of images freed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs that were removed.
    pub blobs: Vec<Digest>,
    /// Bytes freed.
    pub bytes: u64,
    /// The chain ids of layers that only the removed images had.
    pub chains: HashSet<Digest>,
}

/// The store with nobody else in it.
///
/// While it lives, other commands wait in [`Store::open`]; those that were there have left.
#[derive(Debug)]
pub struct Exclusive<'a>(&'a Store);

impl Store {
    /// Waits until every other command has left the store, and keeps others out.
    ///
    /// Takes the store mutably, so that no writer of this process is at work; a second `Store` of
    /// the same root in one process would wait for itself.
    pub fn exclusive(&mut self) -> Result<Exclusive<'_>, StoreError> {
        flock(self.use_lock(), FlockOperation::LockExclusive, layout::LOCK)?;
        Ok(Exclusive(self))
    }

    /// As [`Store::exclusive`], but `None` where another command is in the store now.
    pub fn try_exclusive(&mut self) -> Result<Option<Exclusive<'_>>, StoreError> {
        match rfs::flock(self.use_lock(), FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Exclusive(self))),
            Err(Errno::WOULDBLOCK) => {
                // flock(2): a conversion that fails may have lost the lock that was held.
                flock(self.use_lock(), FlockOperation::LockShared, layout::LOCK)?;
                Ok(None)
            }
            Err(errno) => Err(StoreError::Lock { name: layout::LOCK, source: errno.into() }),
        }
    }
}

impl Exclusive<'_> {
    /// The store, to be read and changed while nobody else can.
    pub fn store(&self) -> &Store {
        self.0
    }

    /// Removes the blobs that only `gone` needed: images whose names were removed. Parts, and
    /// whatever else nothing names, are left for [`Exclusive::prune`], for which `keep` is said.
    pub fn collect(
        &self,
        gone: &[Descriptor],
        keep: &[Descriptor],
    ) -> Result<Collected, PruneError> {
        let left = self.0.images()?;
        let left = self.reach(left.iter().map(|entry| &entry.descriptor).chain(keep))?;
        let gone = self.reach(gone.iter())?;
        let mut collected = Collected::default();
        for digest in gone.live.difference(&left.live) {
            let Some(size) = self.0.has(digest)? else { continue };
            let name = layout::blob(digest);
            dir::remove_file(self.0.root(), &name).map_err(StoreError::file(name))?;
            collected.blobs.push(digest.clone());
            collected.bytes += size;
        }
        collected.chains = gone.chains.difference(&left.chains).cloned().collect();
        Ok(collected)
    }

    /// Removes what neither a name nor `keep` reaches: images without a name, blobs, and parts of
    /// interrupted downloads.
    ///
    /// `keep` holds the images that containers were made from. It must be read after this lock was
    /// taken: a container that was made before then could otherwise lose its image.
    pub fn prune(&self, keep: &[Descriptor]) -> Result<Pruned, PruneError> {
        let store = self.0;
        let entries = store.images()?;
        let kept: HashSet<&Digest> = keep.iter().map(|image| &image.digest).collect();
        let (left, dropped): (Vec<_>, Vec<_>) = entries
            .iter()
            .cloned()
            .partition(|entry| entry.name.is_some() || kept.contains(&entry.descriptor.digest));
        let images = dropped.iter().map(|entry| entry.descriptor.digest.clone()).collect();
        let mut pruned = Pruned { images, ..Pruned::default() };
        // First what nothing at all reaches, which needs no change of the index and so works on a
        // full disk. Then names go before what they stand for: none ever stands for nothing.
        let reach = self.reach(entries.iter().map(|entry| &entry.descriptor).chain(keep))?;
        self.sweep(&reach.live, &mut pruned)?;
        if dropped.is_empty() {
            return Ok(Pruned { chains: reach.chains, ..pruned });
        }
        let reach = self.reach(left.iter().map(|entry| &entry.descriptor).chain(keep))?;
        store.change_index(|entries| *entries = left)?;
        self.sweep(&reach.live, &mut pruned)?;
        Ok(Pruned { chains: reach.chains, ..pruned })
    }

    fn reach<'d>(
        &self,
        targets: impl Iterator<Item = &'d Descriptor>,
    ) -> Result<Reach, PruneError> {
        let mut reach = Reach::default();
        for target in targets {
            reach
                .follow(self.0, target)
                .map_err(|source| PruneError::Follow { digest: target.digest.clone(), source })?;
        }
        Ok(reach)
    }

    /// Removes all parts, and all blobs but those that are `live`.
    fn sweep(&self, live: &HashSet<Digest>, pruned: &mut Pruned) -> Result<(), StoreError> {
        let Pruned { blobs, parts, bytes, .. } = pruned;
        *bytes += self.sweep_folder(layout::INGEST, |_| {
            *parts += 1;
            Some(())
        })?;
        for algorithm in layout::ALGORITHMS {
            let folder = format!("{}/{}", layout::BLOBS, algorithm.name());
            *bytes += self.sweep_folder(&folder, |name| {
                let digest: Digest = format!("{}:{name}", algorithm.name()).parse().ok()?;
                (!live.contains(&digest)).then(|| blobs.push(digest))
            })?;
        }
        Ok(())
    }

    /// Removes the files in `folder` for which `condemn` says so. Gives their size in bytes.
    fn sweep_folder(
        &self,
        folder: &str,
        mut condemn: impl FnMut(&str) -> Option<()>,
    ) -> Result<u64, StoreError> {
        let failed = |source| StoreError::File { name: folder.to_owned(), source };
        let opened = dir::open_at(self.0.root(), folder).map_err(failed)?;
        let mut freed = 0;
        for entry in dir::entries(opened.as_fd()).map_err(failed)? {
            let Some(name) = entry.name.to_str() else { continue };
            if condemn(name).is_some() {
                let stat = rfs::statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|errno| failed(errno.into()))?;
                dir::remove_file(opened.as_fd(), name).map_err(failed)?;
                freed += u64::try_from(stat.st_size).unwrap_or(0);
            }
        }
        Ok(freed)
    }
}

impl Drop for Exclusive<'_> {
    fn drop(&mut self) {
        // The lock ends with the store at the latest: a failure here only makes others wait.
        flock(self.0.use_lock(), FlockOperation::LockShared, layout::LOCK).ok();
    }
}
