//! Volumes: folders of the data root with names of their own, which outlive containers.
//!
//! `volumes/<name>` holds `data`, which containers mount, and `volume.json`, which says what it is.
//! A volume is made under a name that none can have, filled, and renamed: it is there whole or not
//! at all. It is removed in the opposite order. Which containers use a volume stands in their
//! records, written before the volume is made; whoever removes one holds the lock of all of them,
//! the flock on `volumes`, while it looks there. On disk files have the ids that they have inside.

mod error;
mod fill;
mod name;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_confine::ids;
use coffer_sys::dir::{self, Durability};
use coffer_sys::tree;
use jiff::Timestamp;
use rustix::fs::{self as rfs, FlockOperation, Mode, RenameFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

pub use error::VolumeError;
pub use fill::Source;
pub use name::{VolumeName, VolumeNameError};

use crate::plan::Authority;
use crate::soon::soon;
use error::At as _;

/// The folder of all volumes in the data root.
pub const FOLDER: &str = "volumes";
/// What containers mount of one.
pub const DATA: &str = "data";
/// What is written down of one.
const ABOUT: &str = "volume.json";
/// No more is read of it (256 KiB).
const ABOUT_LIMIT: u64 = 256 << 10;
/// What the names of those begin with that are being made or removed: no volume's can.
const PART: &str = ".tmp-";

/// What a volume is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The version of this form.
    version: u32,
    /// When it was made.
    pub created: Timestamp,
    /// Whether it was given a name.
    pub kind: Kind,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Whether somebody has given a volume its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Somebody has, and will ask for it by that.
    Named,
    /// It was made for one container, with which it goes where that is removed with its volumes.
    Anonymous,
}

/// A volume that a container mounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// Which.
    pub name: VolumeName,
    /// What it is to this container.
    pub kind: Kind,
    /// Where it is inside.
    pub target: String,
}

/// One volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: VolumeName,
    /// What it is.
    pub about: About,
}

/// The volumes of a data root.
#[derive(Debug)]
pub struct Volumes {
    dir: OwnedFd,
    authority: Authority,
}

/// The same with the lock of all of them held.
#[derive(Debug)]
pub struct LockedVolumes<'a> {
    volumes: &'a Volumes,
    lock: OwnedFd,
}

impl About {
    /// Of one that is made now.
    #[must_use]
    pub fn now(kind: Kind, labels: BTreeMap<String, String>) -> Self {
        Self { version: 1, created: Timestamp::now(), kind, labels }
    }
}

impl Volumes {
    /// Opens those of the data root `root`; `None` where there never was one.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(root: BorrowedFd<'_>, authority: Authority) -> Result<Option<Self>, VolumeError> {
        match dir::open_at(root, FOLDER) {
            Ok(dir) => Ok(Some(Self { dir, authority })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).at("open", FOLDER),
        }
    }

    /// The same, and makes their folder where it is missing.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn make(root: BorrowedFd<'_>, authority: Authority) -> Result<Self, VolumeError> {
        dir::make(root, FOLDER, Mode::RWXU).at("make", FOLDER)?;
        let dir = dir::open_at(root, FOLDER).at("open", FOLDER)?;
        Ok(Self { dir, authority })
    }

    /// The folder that holds them.
    #[must_use]
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// All volumes, by name.
    ///
    /// # Errors
    /// Where one cannot be read; one that is removed meanwhile is left out.
    pub fn list(&self) -> Result<Vec<Volume>, VolumeError> {
        let entries = dir::entries(self.dir()).at("read", FOLDER)?;
        let mut names: Vec<VolumeName> =
            entries.iter().filter_map(|entry| entry.name.to_str()?.parse().ok()).collect();
        names.sort_unstable();
        let volumes = names.iter().map(|name| self.find(name)).filter_map(Result::transpose);
        volumes.collect()
    }

    /// The volume of this name, if there is one.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn find(&self, name: &VolumeName) -> Result<Option<Volume>, VolumeError> {
        let folder = match dir::open_at(self.dir(), name.as_str()) {
            Ok(folder) => folder,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).at("open", name.as_str()),
        };
        let text = dir::read(folder.as_fd(), ABOUT, ABOUT_LIMIT).at("read", name.as_str())?;
        // Somebody removes it at this moment.
        let Some(text) = text else { return Ok(None) };
        let about = serde_json::from_slice(&text)
            .map_err(|source| VolumeError::About { name: name.clone(), source })?;
        Ok(Some(Volume { name: name.clone(), about }))
    }

    /// Makes a volume, with what `source` has for it. Says whether there was none of its name.
    ///
    /// # Errors
    /// What could not be made or copied; nothing is left then.
    pub fn create(
        &self,
        name: &VolumeName,
        about: &About,
        source: Option<&Source<'_>>,
        durability: Durability,
    ) -> Result<bool, VolumeError> {
        let part = Part::make(self)?;
        let written = part.fill(about, source, durability).and_then(|()| {
            let flags = RenameFlags::NOREPLACE;
            match rfs::renameat_with(&self.dir, &part.name, &self.dir, name.as_str(), flags) {
                Ok(()) => Ok(true),
                Err(Errno::EXIST) => Ok(false),
                Err(errno) => Err(errno).at("name", name.as_str()),
            }
        });
        match written {
            Ok(true) if durability == Durability::Disk => {
                rfs::fsync(&self.dir).at("write", FOLDER)?;
                written
            }
            Ok(true) => written,
            _ => self.remove_part(&part.name).and(written),
        }
    }

    /// Takes the lock that keeps volumes from going, and from being taken into use unseen.
    ///
    /// # Errors
    /// What the system says.
    pub fn lock(&self) -> Result<LockedVolumes<'_>, VolumeError> {
        let lock = dir::open_at(self.dir(), ".").at("open", FOLDER)?;
        rustix::io::retry_on_intr(|| rfs::flock(&lock, FlockOperation::LockExclusive))
            .at("lock", FOLDER)?;
        Ok(LockedVolumes { volumes: self, lock })
    }

    /// Removes what was left of volumes by whoever was killed while making or removing one.
    ///
    /// # Errors
    /// What could not be removed.
    pub fn sweep(&self) -> Result<(), VolumeError> {
        for entry in dir::entries(self.dir()).at("read", FOLDER)? {
            let Some(name) = entry.name.to_str().filter(|name| name.starts_with(PART)) else {
                continue;
            };
            let folder = match dir::open_at(self.dir(), name) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                folder => folder.at("open", name)?,
            };
            let lock = || match rfs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => Ok(Some(())),
                Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
                Err(errno) => Err(errno).at("lock", name),
            };
            if soon(lock)?.is_some() {
                self.remove_part(name)?;
            }
        }
        Ok(())
    }

    /// The bytes that a volume takes on its disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn size(&self, name: &VolumeName) -> Result<u64, VolumeError> {
        let size = || tree::size(self.dir(), OsStr::new(name.as_str()));
        match self.authority {
            Authority::Root => size().at("measure", name.as_str()),
            Authority::User => Ok(ids::in_user_namespace(&ids::of_caller()?, size)?),
        }
    }

    /// Moves the data of one folder over that of another, which is empty. Who moves a folder must be
    /// able to write into it.
    fn put(&self, from: &OwnedFd, to: &OwnedFd) -> Result<(), std::io::Error> {
        let put = || Ok::<_, std::io::Error>(rfs::renameat(from, DATA, to, DATA)?);
        match self.authority {
            Authority::Root => put(),
            Authority::User => {
                let map = ids::of_caller().map_err(std::io::Error::other)?;
                ids::in_user_namespace(&map, put).map_err(std::io::Error::other)
            }
        }
    }

    /// An ordinary user's may hold files of ids that only a user namespace has.
    fn remove_part(&self, name: &str) -> Result<(), VolumeError> {
        let remove = || tree::remove(self.dir(), OsStr::new(name));
        match self.authority {
            Authority::Root => remove().map(drop).at("remove", name),
            Authority::User => {
                ids::in_user_namespace(&ids::of_caller()?, || {
                    let folder = dir::open_at(self.dir(), name)?;
                    tree::remove(folder.as_fd(), OsStr::new(DATA))
                })?;
                remove().map(drop).at("remove", name)
            }
        }
    }
}

impl LockedVolumes<'_> {
    /// Removes the volume of this name; the caller knows that nobody uses it. Says whether there
    /// was one.
    ///
    /// # Errors
    /// What could not be removed.
    pub fn remove(self, name: &VolumeName) -> Result<bool, VolumeError> {
        let Self { volumes, lock } = self;
        let part = format!("{PART}{}", VolumeName::random().at("name", name.as_str())?);
        match rfs::renameat(&volumes.dir, name.as_str(), &volumes.dir, &part) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(errno) => return Err(errno).at("remove", name.as_str()),
        }
        // It has gone for all others.
        drop(lock);
        volumes.remove_part(&part)?;
        Ok(true)
    }

    /// Puts what `source` has into the volume of this name, where that is empty; the caller knows
    /// that nobody uses it.
    ///
    /// # Errors
    /// What could not be copied; it is as it was then.
    pub fn fill(&self, name: &VolumeName, source: &Source<'_>) -> Result<(), VolumeError> {
        let volumes = self.volumes;
        let failed = name.as_str();
        let folder = dir::open_at(volumes.dir(), failed).at("open", failed)?;
        let is_empty = dir::open_at(folder.as_fd(), DATA)
            .and_then(|data| Ok(dir::entries(data.as_fd())?.is_empty()));
        // What cannot be looked into is somebody's.
        if !is_empty.unwrap_or(false) {
            return Ok(());
        }
        let part = Part::make(volumes)?;
        let filled = source.fill(part.folder.as_fd(), volumes.authority).and_then(|filled| {
            if filled {
                rfs::syncfs(&part.folder).at("write", failed)?;
                volumes.put(&part.folder, &folder).at("fill", failed)?;
                rfs::fsync(&folder).at("write", failed)?;
            }
            Ok(())
        });
        volumes.remove_part(&part.name).and(filled)
    }
}

/// A volume that is being made, locked by whoever makes it.
struct Part {
    name: String,
    folder: OwnedFd,
}

impl Part {
    fn make(volumes: &Volumes) -> Result<Self, VolumeError> {
        loop {
            let name = format!("{PART}{}", VolumeName::random().at("name", FOLDER)?);
            rfs::mkdirat(&volumes.dir, &name, Mode::RWXU).at("make", &name)?;
            // Whoever sweeps may have come before the lock.
            let Ok(folder) = dir::open_at(volumes.dir(), &name) else { continue };
            match rfs::flock(&folder, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK | Errno::INTR) => continue,
                Err(errno) => return Err(errno).at("lock", &name),
            }
            if rfs::fstat(&folder).at("look at", &name)?.st_nlink > 0 {
                return Ok(Self { name, folder });
            }
        }
    }

    fn fill(
        &self,
        about: &About,
        source: Option<&Source<'_>>,
        durability: Durability,
    ) -> Result<(), VolumeError> {
        let filled = match source {
            Some(source) => source.fill(self.folder.as_fd(), source.authority)?,
            None => false,
        };
        if !filled {
            let mode = Mode::RWXU | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH;
            rfs::mkdirat(&self.folder, DATA, mode).at("make", DATA)?;
            // The umask may have taken some of it.
            let data = dir::open_at(self.folder.as_fd(), DATA).at("open", DATA)?;
            rfs::fchmod(&data, mode).at("make", DATA)?;
        } else if durability == Durability::Disk {
            rfs::syncfs(&self.folder).at("write", DATA)?;
        }
        let text = serde_json::to_vec(about).map_err(std::io::Error::from).at("write", ABOUT)?;
        let mode = Mode::RUSR | Mode::WUSR;
        dir::write_whole(self.folder.as_fd(), ABOUT, &text, mode, durability).at("write", ABOUT)
    }
}
