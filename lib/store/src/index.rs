//! The index of names: which name stands for which image.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;

use coffer_oci::{Descriptor, Index, MediaType, REF_NAME, Reference};
use coffer_sys::dir::{self, Durability};
use rustix::fs::{self as rfs, FlockOperation, Mode, OFlags};

use crate::store::{flock, open_lock};
use crate::{Store, StoreError, layout};

/// The longest `index.json` that is read, in bytes: about 40,000 names.
pub(crate) const MAX_INDEX: u64 = 16 << 20;

/// Why the index could not be read or changed. What it held before still holds.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The bytes of `index.json` are not an index.
    #[error("index.json in the data root is damaged")]
    Damaged(#[source] serde_json::Error),
    /// The new index cannot be written as JSON.
    #[error("cannot write the index of images")]
    Encode(#[source] serde_json::Error),
    /// There would be too many names.
    #[error("the index of images would grow over {MAX_INDEX} bytes")]
    Full,
    /// A name was to stand for content that is not in the store.
    #[error("cannot name {0}")]
    Target(Reference, #[source] StoreError),
    /// The store could not do something.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One image that the store keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, unless the name has moved on or there never was one.
    pub name: Option<Reference>,
    /// The index or manifest that the name was resolved to.
    pub descriptor: Descriptor,
}

impl Store {
    /// All images, in the order in which they came.
    pub fn images(&self) -> Result<Vec<Entry>, IndexError> {
        Ok(self.read_index()?.manifests.into_iter().map(Entry::from).collect())
    }

    /// What `name` stands for. A name with a digest is found by any name of the same repository
    /// that has the digest, as docker does.
    pub fn resolve(&self, name: &Reference) -> Result<Option<Descriptor>, IndexError> {
        Ok(self.images()?.into_iter().find(|e| e.answers_to(name)).map(|e| e.descriptor))
    }

    /// Lets `name` stand for `target`. What it stood for stays as an image without a name, unless
    /// it has another one. Of a name with tag and digest only the digest counts.
    ///
    /// # Errors
    /// [`IndexError::Target`] where `target` is not in the store.
    pub fn tag(&self, name: &Reference, target: &Descriptor) -> Result<(), IndexError> {
        let missing = |source| IndexError::Target(name.clone(), source);
        self.open_blob(target).map_err(missing)?;
        self.change_index(|entries| put_name(entries, Some(name.clone()), target))
    }

    /// Keeps `target` as an image without a name, unless it has one.
    pub fn keep_untagged(&self, target: &Descriptor) -> Result<(), IndexError> {
        self.open_blob(target)?;
        self.change_index(|entries| put_name(entries, None, target))
    }

    /// Removes `name`. Says what it stood for, or `None` where there is no such name. An image
    /// that has lost its last name is gone; its blobs wait for prune.
    pub fn untag(&self, name: &Reference) -> Result<Option<Descriptor>, IndexError> {
        let key = key(name);
        self.change_index(|entries| {
            let at = entries.iter().position(|entry| entry.name.as_ref() == Some(&key))?;
            Some(entries.remove(at).descriptor)
        })
    }

    /// Removes every name of the image `target`. Says which there were.
    pub fn forget(&self, target: &Descriptor) -> Result<Vec<Reference>, IndexError> {
        self.change_index(|entries| {
            let gone = entries.extract_if(.., |entry| entry.descriptor.digest == target.digest);
            gone.filter_map(|entry| entry.name).collect()
        })
    }

    pub(crate) fn read_index(&self) -> Result<Index, IndexError> {
        let bytes = dir::read(self.root(), layout::INDEX, MAX_INDEX)
            .map_err(StoreError::file(layout::INDEX))?;
        match bytes {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(IndexError::Damaged),
            None => Ok(new_index(Vec::new())),
        }
    }

    /// Changes the index as a whole under its lock; on any error the old one stays.
    pub(crate) fn change_index<T>(
        &self,
        change: impl FnOnce(&mut Vec<Entry>) -> T,
    ) -> Result<T, IndexError> {
        let lock = open_lock(self.root(), layout::INDEX_LOCK, OFlags::CREATE)
            .map_err(io::Error::from)
            .map_err(StoreError::file(layout::INDEX_LOCK))?;
        flock(&lock, FlockOperation::LockExclusive, layout::INDEX_LOCK)?;
        let before = self.images()?;
        let mut entries = before.clone();
        let answer = change(&mut entries);
        if entries != before {
            self.write_index(entries)?;
        }
        Ok(answer)
    }

    fn write_index(&self, entries: Vec<Entry>) -> Result<(), IndexError> {
        let index = new_index(entries.into_iter().map(Descriptor::from).collect());
        let bytes = serde_json::to_vec(&index).map_err(IndexError::Encode)?;
        if bytes.len() as u64 > MAX_INDEX {
            return Err(IndexError::Full);
        }
        self.sync_blob_names()?;
        dir::write_whole_or_over(
            self.root(),
            layout::INDEX,
            &bytes,
            Mode::RUSR | Mode::WUSR,
            Durability::Disk,
        )
        .map_err(StoreError::file(layout::INDEX))?;
        Ok(())
    }

    /// Makes the names of blobs durable before a name of an image may count on them.
    fn sync_blob_names(&self) -> Result<(), StoreError> {
        for algorithm in layout::ALGORITHMS {
            let name = format!("{}/{}", layout::BLOBS, algorithm.name());
            dir::open_at(self.root(), &name)
                .and_then(|folder| Ok(rfs::fsync(folder.as_fd())?))
                .map_err(StoreError::file(name))?;
        }
        Ok(())
    }
}

impl Entry {
    fn answers_to(&self, name: &Reference) -> bool {
        let Some(own) = &self.name else { return false };
        match name.digest() {
            None => own == name,
            Some(digest) => {
                let same = own.host() == name.host() && own.repository() == name.repository();
                same && self.descriptor.digest == *digest
            }
        }
    }
}

impl From<Descriptor> for Entry {
    /// A name that is not ours is none.
    fn from(mut descriptor: Descriptor) -> Self {
        let name = descriptor.annotations.remove(REF_NAME);
        Self { name: name.and_then(|text| text.parse().ok()), descriptor }
    }
}

impl From<Entry> for Descriptor {
    fn from(entry: Entry) -> Self {
        let mut descriptor = entry.descriptor;
        if let Some(name) = entry.name {
            descriptor.annotations.insert(REF_NAME.to_owned(), name.to_string());
        }
        descriptor
    }
}

/// Under which name an image is kept: with a digest, the tag does not count.
fn key(name: &Reference) -> Reference {
    name.digest().map_or_else(|| name.clone(), |digest| name.with_digest(digest.clone()))
}

/// Puts `name` on `target`, and keeps the rules of `docs/store.md`: a name occurs once, and an
/// entry without one only while its digest has none.
fn put_name(entries: &mut Vec<Entry>, name: Option<Reference>, target: &Descriptor) {
    let name = name.as_ref().map(key);
    let held = entries.iter_mut().find(|entry| name.is_some() && entry.name == name);
    if let Some(entry) = held {
        if entry.descriptor == *target {
            return;
        }
        entry.name = None;
    }
    let mut descriptor = target.clone();
    descriptor.annotations.remove(REF_NAME);
    entries.push(Entry { name, descriptor });
    drop_needless(entries);
}

/// Drops entries without a name whose digest another entry has, and keeps one of equals.
fn drop_needless(entries: &mut Vec<Entry>) {
    let mut seen: std::collections::HashSet<_> =
        entries.iter().filter(|e| e.name.is_some()).map(|e| e.descriptor.digest.clone()).collect();
    entries.retain(|e| e.name.is_some() || seen.insert(e.descriptor.digest.clone()));
}

/// An index of `manifests` that says what it is.
pub(crate) fn new_index(manifests: Vec<Descriptor>) -> Index {
    Index {
        schema_version: 2,
        media_type: Some(MediaType::new(MediaType::OCI_INDEX)),
        manifests,
        annotations: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn image(content: u8) -> Descriptor {
        Descriptor::of(MediaType::OCI_MANIFEST, &[content])
    }

    fn reference(number: u8, pinned: u8) -> Reference {
        let name: Reference = format!("web:{number}").parse().unwrap();
        if pinned < 4 { name.with_digest(image(pinned).digest) } else { name }
    }

    proptest! {
        #[test]
        fn a_name_occurs_once_and_nothing_is_lost(
            steps in prop::collection::vec((0u8..4, 0u8..9, 0u8..4, any::<bool>()), 0..40)
        ) {
            let mut entries = Vec::new();
            let mut put = std::collections::HashSet::new();
            for (number, pinned, content, named) in steps {
                let (name, target) = (reference(number, pinned), image(content));
                put_name(&mut entries, named.then_some(name.clone()), &target);
                put.insert(target.digest.clone());
                let holds = |e: &Entry| !named || e.name.as_ref() == Some(&key(&name));
                prop_assert!(entries.iter().any(|e| e.descriptor == target && holds(e)));
            }
            let names: Vec<_> = entries.iter().filter_map(|e| e.name.as_ref()).collect();
            let unique: std::collections::HashSet<_> = names.iter().collect();
            prop_assert_eq!(names.len(), unique.len());
            for entry in entries.iter().filter(|e| e.name.is_none()) {
                let same = entries.iter().filter(|e| e.descriptor.digest == entry.descriptor.digest);
                prop_assert_eq!(same.count(), 1);
            }
            let held: std::collections::HashSet<_> =
                entries.iter().map(|e| e.descriptor.digest.clone()).collect();
            prop_assert_eq!(held, put);
        }

        #[test]
        fn an_entry_comes_back_from_its_descriptor(number in 0u8..4, pinned in 0u8..9) {
            let name = Some(key(&reference(number, pinned)));
            let entry = Entry { name, descriptor: image(1) };
            prop_assert_eq!(Entry::from(Descriptor::from(entry.clone())), entry);
        }
    }
}
