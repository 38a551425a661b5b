//! OCI image layouts in folders of the caller's, whose content nobody vouches for.

use std::fs::{DirBuilder, File};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use coffer_oci::{Descriptor, Digest, Document, Index, Platform, REF_NAME};
use coffer_sys::dir::{self, Durability};
use rustix::fs::{self as rfs, Mode, OFlags, ResolveFlags};

use super::contents::pour;
use super::save::pour_blob;
use super::{Found, TransportError, check_whole, oci, pick};
use crate::image::{MAX_NESTING, chosen};
use crate::index::new_index;
use crate::{ImageError, MAX_MANIFEST, Store, layout};

/// For what others may read.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP).union(Mode::ROTH);

/// Nothing outside the folder, and no links within it.
const BENEATH: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

pub(super) fn import(
    store: &Store,
    path: &Path,
    tag: Option<&str>,
    platform: &Platform,
) -> Result<Found, TransportError> {
    let failed = |source| TransportError::Path { path: path.to_owned(), source };
    let folder = Folder { fd: dir::open(path).map_err(failed)?, path };
    let version: oci::Version = folder.json(layout::LAYOUT)?;
    if !version.is_known() {
        return Err(TransportError::NoImages("a layout of version 1.0.0".to_owned()));
    }
    let images = oci::entries(folder.json(layout::INDEX)?);
    let found = pick(images, tag, Found::has_tag)?;
    folder.copy_image(store, &found.descriptor, platform)?;
    Ok(found)
}

struct Folder<'a> {
    fd: OwnedFd,
    path: &'a Path,
}

impl Folder<'_> {
    fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, TransportError> {
        let failed = |source| TransportError::Path { path: self.path.join(name), source };
        let bytes = dir::read(self.fd.as_fd(), name, MAX_MANIFEST).map_err(failed)?;
        let bytes = bytes.ok_or_else(|| TransportError::NoImages(name.to_owned()))?;
        serde_json::from_slice(&bytes)
            .map_err(|source| TransportError::Json { path: name.to_owned(), source })
    }

    /// Copies an image for `platform`: the indexes on the way to it, its manifest and its blobs.
    fn copy_image(
        &self,
        store: &Store,
        target: &Descriptor,
        platform: &Platform,
    ) -> Result<(), TransportError> {
        let mut target = target.clone();
        for _ in 0..=MAX_NESTING {
            self.copy(store, &target)?;
            match store.document(&target)? {
                Document::Index(index) => target = chosen(&index, &target, platform)?,
                Document::Manifest(manifest) => {
                    for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
                        self.copy(store, blob)?;
                    }
                    return check_whole(store, &target);
                }
            }
        }
        Err(ImageError::Nested(target.digest).into())
    }

    fn copy(&self, store: &Store, blob: &Descriptor) -> Result<(), TransportError> {
        let Some(mut writer) = store.writer(blob)? else { return Ok(()) };
        let name = layout::blob(&blob.digest);
        let failed = |source| TransportError::Path { path: self.path.join(&name), source };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = dir::open_within(&self.fd, name.as_str(), flags, Mode::empty(), BENEATH);
        let mut file = File::from(fd.map_err(io::Error::from).map_err(failed)?);
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(TransportError::NoFile { path: name });
        }
        file.seek(SeekFrom::Start(writer.offset())).map_err(failed)?;
        pour(&mut file, &mut writer, |writer, error| writer.failed(error))?;
        Ok(writer.commit()?)
    }
}

pub(super) fn export(
    store: &Store,
    image: &Descriptor,
    platform: &Platform,
    path: &Path,
    tag: Option<&str>,
) -> Result<(), TransportError> {
    let failed = |source| TransportError::Path { path: path.to_owned(), source };
    let image = store.image(&store.choose(image, platform)?)?;
    DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(failed)?;
    let folder = Folder { fd: dir::open(path).map_err(failed)?, path };
    for blob in image.blobs().chain([&image.descriptor]) {
        folder.write_blob(store, blob)?;
    }
    folder.write(layout::LAYOUT, layout::LAYOUT_CONTENT)?;
    folder.add(image.descriptor, tag)
}

impl Folder<'_> {
    /// Writes a blob under a temporary name and gives it its own when its bytes are right.
    fn write_blob(&self, store: &Store, blob: &Descriptor) -> Result<(), TransportError> {
        let failed = |source| TransportError::Path { path: self.path.to_owned(), source };
        let folder = self.blob_folder(&blob.digest).map_err(failed)?;
        let name = blob.digest.hex();
        let there = rfs::statat(&folder, name, rfs::AtFlags::SYMLINK_NOFOLLOW);
        if there.is_ok_and(|stat| u64::try_from(stat.st_size) == Ok(blob.size)) {
            return Ok(());
        }
        let temporary = format!(".{name}.tmp");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let fd = rfs::openat(&folder, &temporary, flags | OFlags::NOFOLLOW, MODE);
        let mut file = File::from(fd.map_err(|errno| failed(errno.into()))?);
        let written = pour_blob(store, blob, &mut file, failed).and_then(|()| {
            rfs::renameat(&folder, &temporary, &folder, name).map_err(|e| failed(e.into()))
        });
        if written.is_err() {
            dir::remove_file(folder.as_fd(), &temporary).map_err(failed)?;
        }
        written
    }

    fn blob_folder(&self, digest: &Digest) -> io::Result<OwnedFd> {
        let mode = Mode::from_raw_mode(0o755);
        dir::make(self.fd.as_fd(), layout::BLOBS, mode)?;
        let blobs = dir::open_at(self.fd.as_fd(), layout::BLOBS)?;
        dir::make(blobs.as_fd(), digest.algorithm().name(), mode)?;
        dir::open_at(blobs.as_fd(), digest.algorithm().name())
    }

    /// Names `image` in the layout's index, which may hold other images.
    fn add(&self, mut image: Descriptor, tag: Option<&str>) -> Result<(), TransportError> {
        let mut index = match self.json::<Index>(layout::INDEX) {
            Err(TransportError::NoImages(_)) => new_index(Vec::new()),
            other => other?,
        };
        index.manifests.retain(|entry| match tag {
            Some(_) => entry.ref_name() != tag,
            None => entry.digest != image.digest,
        });
        image.annotations.remove(REF_NAME);
        image.annotations.extend(tag.map(|tag| (REF_NAME.to_owned(), tag.to_owned())));
        index.manifests.push(image);
        let bytes = serde_json::to_vec(&index)
            .map_err(|source| TransportError::Json { path: layout::INDEX.to_owned(), source })?;
        self.write(layout::INDEX, &bytes)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TransportError> {
        dir::write_whole(self.fd.as_fd(), name, bytes, MODE, Durability::Process)
            .map_err(|source| TransportError::Path { path: self.path.join(name), source })
    }
}
