//! All containers of one data root.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::dir;
use rustix::fs::{self as rfs, FlockOperation, Mode};
use rustix::io::Errno;

use super::{BootId, ContainerId, Draft, Folder, Locked, Name, Phase, Record, StateError, Status};

/// The folder of all containers in the data root.
const CONTAINERS: &str = "containers";
/// The index of names in it: `names/NAME` is a symbolic link whose text is the id.
///
/// A link is made in one step or not at all, holds its whole content in its inode, and cannot be
/// made twice; it is read with readlink and never followed.
const NAMES: &str = "names";

/// The containers of one data root.
#[derive(Debug)]
pub struct Containers {
    dir: OwnedFd,
    names: OwnedFd,
    boot: BootId,
}

/// One container of a list.
#[derive(Debug)]
pub struct Listed {
    /// Its identity.
    pub id: ContainerId,
    /// Its record; a wreck may have none.
    pub record: Option<Record>,
    /// How it is.
    pub status: Status,
}

impl Containers {
    /// Opens the containers below the data root `root`, and makes their folder where there is none.
    ///
    /// # Errors
    /// [`StateError::Open`].
    pub fn open(root: BorrowedFd<'_>) -> Result<Self, StateError> {
        let open = |parent: BorrowedFd<'_>, name: &str| match dir::open_at(parent, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                dir::make(parent, name, Mode::RWXU)?;
                dir::open_at(parent, name)
            }
            opened => opened,
        };
        let opened = open(root, CONTAINERS).and_then(|dir| {
            let names = open(dir.as_fd(), NAMES)?;
            Ok(Self { dir, names, boot: BootId::current()? })
        });
        opened.map_err(|source| StateError::Open { source })
    }

    /// This boot, against which processes are held.
    pub fn boot(&self) -> &BootId {
        &self.boot
    }

    /// The folder that holds every container's folder.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The descriptors that it holds.
    pub(crate) fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.dir.as_fd(), self.names.as_fd()]
    }

    /// Makes the folder of a new container with its lock held and its name claimed. The record, in
    /// [`Phase::Creating`], is for the caller to complete and to save, before anything is made
    /// outside the folder; until then the container is a wreck to all others once this process is
    /// gone.
    ///
    /// # Errors
    /// [`StateError::NameTaken`], and what the file system says; nothing is left then.
    pub fn create(&self, mut draft: Draft) -> Result<(Locked, Record), StateError> {
        let locked = self.make_folder()?;
        let chosen = draft.name.take();
        match self.claim(locked.id(), chosen) {
            Ok(name) => {
                let record = Record::new(locked.id().clone(), name, draft);
                Ok((locked, record))
            }
            Err(error) => {
                self.remove(locked)?;
                Err(error)
            }
        }
    }

    /// A new folder, locked. Another command may see it before it is locked, take it for a wreck
    /// and remove it; then another id is tried.
    fn make_folder(&self) -> Result<Locked, StateError> {
        loop {
            let id = ContainerId::random().map_err(|source| StateError::Open { source })?;
            rfs::mkdirat(&self.dir, id.as_str(), Mode::RWXU)
                .map_err(|errno| StateError::Folder { id: id.clone(), source: errno.into() })?;
            let Some(folder) = Folder::open(self.dir(), &id)? else { continue };
            match folder.lock() {
                Ok(locked) => return Ok(locked),
                Err(StateError::Gone { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the disk has the folders and the names that there are.
    ///
    /// # Errors
    /// [`StateError::Open`].
    pub fn sync(&self) -> Result<(), StateError> {
        let synced = rfs::fsync(&self.dir).and_then(|()| rfs::fsync(&self.names));
        synced.map_err(|errno| StateError::Open { source: errno.into() })
    }

    fn claim(&self, id: &ContainerId, chosen: Option<Name>) -> Result<Name, StateError> {
        if let Some(name) = chosen {
            return self
                .link(id, &name)?
                .map_or(Ok(name.clone()), |holder| Err(StateError::NameTaken { name, holder }));
        }
        loop {
            let name = Name::generate().map_err(|source| StateError::Open { source })?;
            if self.link(id, &name)?.is_none() {
                return Ok(name);
            }
        }
    }

    /// Links `name` to `id`, or says who has it.
    pub(super) fn link(
        &self,
        id: &ContainerId,
        name: &Name,
    ) -> Result<Option<ContainerId>, StateError> {
        let failed = |source| StateError::Name { name: name.clone(), source };
        loop {
            match rfs::symlinkat(id.as_str(), &self.names, name.as_str()) {
                Ok(()) => return Ok(None),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(failed(errno.into())),
            }
            if let Some(holder) = self.holder(name)? {
                if Folder::open(self.dir(), &holder)?.is_some() {
                    return Ok(Some(holder));
                }
                self.unlink_stale(name)?;
            }
        }
    }

    /// Removes a name whose container has gone, which only a power failure leaves behind. The lock
    /// keeps two commands from removing one stale name twice, the second time a new one.
    fn unlink_stale(&self, name: &Name) -> Result<(), StateError> {
        let failed = |source| StateError::Name { name: name.clone(), source };
        let lock = dir::open_at(self.names.as_fd(), ".").map_err(failed)?;
        rfs::flock(&lock, FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
        if let Some(holder) = self.holder(name)?
            && Folder::open(self.dir(), &holder)?.is_none()
        {
            dir::remove_file(self.names.as_fd(), name.as_str()).map_err(failed)?;
        }
        Ok(())
    }

    /// Whose name it is, by the index alone.
    fn holder(&self, name: &Name) -> Result<Option<ContainerId>, StateError> {
        let failed = |source| StateError::Name { name: name.clone(), source };
        match rfs::readlinkat(&self.names, name.as_str(), Vec::new()) {
            Ok(target) => target
                .to_str()
                .ok()
                .and_then(|text| text.parse().ok())
                .map(Some)
                .ok_or_else(|| failed(io::ErrorKind::InvalidData.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(failed(errno.into())),
        }
    }

    /// The container that `text` means: its whole id, its name, or the beginning of its id where
    /// no other id begins so.
    ///
    /// # Errors
    /// [`StateError::NotFound`], [`StateError::Ambiguous`].
    pub fn find(&self, text: &str) -> Result<Folder, StateError> {
        let not_found = || StateError::NotFound { text: text.to_owned() };
        let id = match (text.parse::<ContainerId>(), text.parse::<Name>()) {
            (Ok(id), _) => Some(id),
            (_, Ok(name)) => self.holder(&name)?,
            _ => None,
        };
        let id = id.map_or_else(|| self.by_prefix(text), Ok)?;
        Folder::open(self.dir(), &id)?.ok_or_else(not_found)
    }

    fn by_prefix(&self, text: &str) -> Result<ContainerId, StateError> {
        let not_found = || StateError::NotFound { text: text.to_owned() };
        if !super::id::is_prefix(text) {
            return Err(not_found());
        }
        let mut found = self.ids()?.into_iter().filter(|id| id.as_str().starts_with(text));
        let first = found.next().ok_or_else(not_found)?;
        match found.next() {
            None => Ok(first),
            Some(_) => Err(StateError::Ambiguous { text: text.to_owned() }),
        }
    }

    /// The ids of all folders, in no order.
    ///
    /// # Errors
    /// [`StateError::Open`].
    pub fn ids(&self) -> Result<Vec<ContainerId>, StateError> {
        let entries = dir::entries(self.dir()).map_err(|source| StateError::Open { source })?;
        Ok(entries.iter().filter_map(|e| e.name.to_str()?.parse().ok()).collect())
    }

    /// All containers, oldest first. Reads each one's record and nothing else of it.
    ///
    /// # Errors
    /// Where a record cannot be read; a container that is removed meanwhile is left out.
    pub fn list(&self) -> Result<Vec<Listed>, StateError> {
        let mut list = Vec::new();
        for id in self.ids()? {
            let Some(folder) = Folder::open(self.dir(), &id)? else { continue };
            match folder.status(&self.boot) {
                Ok((record, status)) => list.push(Listed { id, record, status }),
                Err(StateError::Gone { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        list.sort_by_key(|listed| listed.record.as_ref().map(|record| record.created));
        Ok(list)
    }

    /// Removes a container's name and folder. What else it had (its cgroup, its range of ids) the
    /// caller has given back before.
    ///
    /// # Errors
    /// [`StateError::Remove`]; the next attempt goes on where this one stopped.
    pub fn remove(&self, locked: Locked) -> Result<(), StateError> {
        match locked.record() {
            Ok(Some(mut record)) => {
                record.phase = Phase::Removing;
                locked.save(&record)?;
                for name in record.also.iter().chain([&record.name]) {
                    self.unlink(name, locked.id())?;
                }
            }
            // Killed before its record was written, or spoilt: the index knows the name, if any.
            Ok(None) | Err(StateError::Record { .. }) => self.unlink_all(locked.id())?,
            Err(error) => return Err(error),
        }
        locked.remove_from(self.dir())
    }

    pub(super) fn unlink(&self, name: &Name, id: &ContainerId) -> Result<(), StateError> {
        if self.holder(name)?.as_ref() == Some(id) {
            dir::remove_file(self.names.as_fd(), name.as_str())
                .map_err(|source| StateError::Name { name: name.clone(), source })?;
        }
        Ok(())
    }

    fn unlink_all(&self, id: &ContainerId) -> Result<(), StateError> {
        for (name, holder) in self.names()? {
            if holder == *id {
                self.unlink(&name, id)?;
            }
        }
        Ok(())
    }

    /// The whole index of names.
    ///
    /// # Errors
    /// [`StateError::Open`].
    pub fn names(&self) -> Result<HashMap<Name, ContainerId>, StateError> {
        let entries =
            dir::entries(self.names.as_fd()).map_err(|source| StateError::Open { source })?;
        let name = |text: &OsStr| text.to_str()?.parse::<Name>().ok();
        let mut names = HashMap::new();
        for name in entries.iter().filter_map(|entry| name(&entry.name)) {
            if let Some(holder) = self.holder(&name)? {
                names.insert(name, holder);
            }
        }
        Ok(names)
    }
}
