//! The folder of all containers of one `--root`, and the folder of one, with its lock.
//!
//! The lock is flock(2) on the container's folder, held while it passes from one state to the
//! next. The container's own process shares it until it executes its program, so that it is given
//! back by name, never by leaving; what was killed holds nothing, and a process whose maker was
//! killed ends by itself.

use std::cell::OnceCell;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use coffer_sys::dir::{self, Durability, Made};
use coffer_sys::tree;
use rustix::fs::{self as rfs, AtFlags, FlockOperation, Mode};
use rustix::io::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{BundleError, BundleId, Saved, State, Status};
use crate::gate;
use crate::soon::soon;
use crate::state::BootId;

const STATE: &str = "state.json";
const SAVED: &str = "config.json";
/// A longer file is none of ours (32 MiB: a saved configuration is about as long as the bundle's).
const LIMIT: u64 = 32 * 1024 * 1024;

/// All containers of one `--root`.
#[derive(Debug)]
pub struct Home {
    /// None before the first container is made.
    dir: OnceCell<OwnedFd>,
    path: PathBuf,
}

/// The folder of one container, open.
#[derive(Debug)]
pub struct Folder {
    id: BundleId,
    dir: OwnedFd,
}

/// The same folder, with its lock held.
#[derive(Debug)]
pub struct Locked {
    folder: Folder,
}

impl Home {
    /// Opens the folder `path`, or says `None` where nothing was ever kept there.
    ///
    /// # Errors
    /// [`BundleError::Home`].
    pub fn open(path: &Path) -> Result<Option<Self>, BundleError> {
        match dir::open(path) {
            Ok(dir) => Ok(Some(Self { dir: dir.into(), path: path.to_owned() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(BundleError::Home { path: path.to_owned(), source }),
        }
    }

    /// Opens the folder `path`. Where it is missing it is made with the first container, for its
    /// owner alone: nothing is written before that is checked.
    ///
    /// # Errors
    /// [`BundleError::Home`].
    pub fn at(path: &Path) -> Result<Self, BundleError> {
        let missing = || Self { dir: OnceCell::new(), path: path.to_owned() };
        Ok(Self::open(path)?.unwrap_or_else(missing))
    }

    /// The folder, made where it is missing.
    fn made(&self) -> Result<BorrowedFd<'_>, BundleError> {
        if let Some(dir) = self.dir.get() {
            return Ok(dir.as_fd());
        }
        let failed = |source| BundleError::Home { path: self.path.clone(), source };
        make_path(&self.path).map_err(failed)?;
        let dir = dir::open(&self.path).map_err(failed)?;
        Ok(self.dir.get_or_init(|| dir).as_fd())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The container of this id.
    ///
    /// # Errors
    /// [`BundleError::NotFound`], and what the system says.
    pub fn find(&self, id: &BundleId) -> Result<Folder, BundleError> {
        let Some(dir) = self.dir.get() else { return Err(BundleError::NotFound(id.clone())) };
        match dir::open_at(dir.as_fd(), id.as_str()) {
            Ok(dir) => Ok(Folder { id: id.clone(), dir }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(BundleError::NotFound(id.clone()))
            }
            Err(source) => Err(BundleError::Folder { id: id.clone(), source }),
        }
    }

    /// All containers, by their ids. What is no folder of ours is passed over.
    ///
    /// # Errors
    /// [`BundleError::Home`].
    pub fn list(&self) -> Result<Vec<Folder>, BundleError> {
        let Some(dir) = self.dir.get() else { return Ok(Vec::new()) };
        let entries = dir::entries(dir.as_fd())
            .map_err(|source| BundleError::Home { path: self.path.clone(), source })?;
        let ids = entries.iter().filter_map(|entry| entry.name.to_str()?.parse().ok());
        let mut ids: Vec<BundleId> = ids.collect();
        ids.sort();
        Ok(ids.iter().filter_map(|id| self.find(id).ok()).collect())
    }

    /// Makes the folder of a new container and takes its lock. What a killed command left there
    /// of a container that never was is removed first.
    ///
    /// # Errors
    /// [`BundleError::Exists`].
    pub(super) fn add(&self, id: &BundleId) -> Result<Locked, BundleError> {
        let (home, bad) = (self.made()?, BundleError::folder(id));
        loop {
            let made = dir::make(home, id.as_str(), Mode::RWXU);
            let exists = || BundleError::Exists(id.clone());
            let made = made.map_err(&bad)?;
            let folder = match self.find(id) {
                Err(BundleError::NotFound(_)) => continue,
                found => found?,
            };
            let Some(locked) = folder.lock_soon()? else { return Err(exists()) };
            match (made, locked.is_gone()?) {
                (_, true) => {}
                (Made::New, false) => return Ok(locked),
                (Made::Existing, false) if locked.state()?.is_some() => return Err(exists()),
                (Made::Existing, false) => super::delete::clear(self, locked)?,
            }
        }
    }

    /// Empties the folder, its saved configuration last of what a container has, and removes it.
    pub(super) fn remove(&self, locked: Locked) -> Result<(), BundleError> {
        let bad = BundleError::folder(&locked.id);
        for file in [STATE, gate::NAME, SAVED] {
            // One that cannot be removed keeps the folder, and is met again below.
            rfs::unlinkat(locked.dir(), file, AtFlags::empty()).ok();
        }
        let home = self.made()?;
        let remove = || rfs::unlinkat(home, locked.id.as_str(), AtFlags::REMOVEDIR);
        let mut removed = remove();
        if removed == Err(Errno::NOTEMPTY) {
            // A command was killed while it wrote.
            tree::empty(locked.dir(), &|_| false).map_err(&bad)?;
            removed = remove();
        }
        match removed {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(bad(errno.into())),
        }
    }
}

/// Makes the folders of the caller's own path, for him alone.
fn make_path(path: &Path) -> io::Result<()> {
    match rfs::mkdir(path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(Errno::NOENT) => {
            make_path(path.parent().ok_or(io::ErrorKind::NotFound)?)?;
            match rfs::mkdir(path, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => Ok(()),
                Err(errno) => Err(errno.into()),
            }
        }
        Err(errno) => Err(errno.into()),
    }
}

impl Folder {
    /// Whose it is.
    pub fn id(&self) -> &BundleId {
        &self.id
    }

    /// The folder.
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Which process it is; `None` where whoever made it has not come so far.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn state(&self) -> Result<Option<State>, BundleError> {
        self.read(STATE)
    }

    /// What it is; `None` where whoever made it has not come so far.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn saved(&self) -> Result<Option<Saved>, BundleError> {
        self.read(SAVED)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, BundleError> {
        let bytes = dir::read(self.dir(), name, LIMIT).map_err(BundleError::folder(&self.id))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let read = serde_json::from_slice(&bytes).map(Some);
        read.map_err(|source| BundleError::Saved { id: self.id.clone(), source })
    }

    /// What the container is doing, asked of the kernel.
    ///
    /// # Errors
    /// Where its state cannot be read.
    pub fn status(&self) -> Result<(Option<State>, Status), BundleError> {
        if let Some(state) = self.state()? {
            let status = self.status_of(&state)?;
            return Ok((Some(state), status));
        }
        match self.try_lock()? {
            None => Ok((None, Status::Creating)),
            // Whoever held the lock may have finished between the two looks.
            Some(_locked) => match self.state()? {
                Some(state) => {
                    let status = self.status_of(&state)?;
                    Ok((Some(state), status))
                }
                None => Ok((None, Status::Wreck)),
            },
        }
    }

    /// The same without a look at the lock, for a container that was made whole.
    pub(super) fn status_now(&self) -> Result<(Option<State>, Status), BundleError> {
        match self.state()? {
            Some(state) => {
                let status = self.status_of(&state)?;
                Ok((Some(state), status))
            }
            None => Ok((None, Status::Wreck)),
        }
    }

    fn status_of(&self, state: &State) -> Result<Status, BundleError> {
        let bad = BundleError::process(&self.id);
        let boot = BootId::current().map_err(&bad)?;
        Ok(match state.init.open(&boot).map_err(&bad)? {
            None => Status::Stopped,
            // One that was created and then paused cannot be started either, as with runc.
            Some(_) if super::pause::is_frozen(&state.cgroup)? => Status::Paused,
            Some(_) if gate::is_waited_at(self.dir())? => Status::Created,
            Some(_) => Status::Running,
        })
    }

    /// The process, as long as it lives.
    ///
    /// # Errors
    /// Where the system cannot say.
    pub fn init(&self, state: &State) -> Result<Option<OwnedFd>, BundleError> {
        let bad = BundleError::process(&self.id);
        let boot = BootId::current().map_err(&bad)?;
        state.init.open(&boot).map_err(&bad)
    }

    /// Waits for the lock and takes it.
    ///
    /// # Errors
    /// [`BundleError::NotFound`] where the container was removed meanwhile.
    pub fn lock(self) -> Result<Locked, BundleError> {
        let lock = || rfs::flock(&self.dir, FlockOperation::LockExclusive);
        rustix::io::retry_on_intr(lock)
            .map_err(|errno| BundleError::folder(&self.id)(errno.into()))?;
        let locked = Locked { folder: self };
        match locked.is_gone()? {
            true => Err(BundleError::NotFound(locked.id.clone())),
            false => Ok(locked),
        }
    }

    /// Takes the lock once nobody has it, or gives up after a while.
    pub(super) fn lock_soon(&self) -> Result<Option<Locked>, BundleError> {
        soon(|| self.try_lock())
    }

    /// Takes the lock of an open file of its own, if nobody has it.
    fn try_lock(&self) -> Result<Option<Locked>, BundleError> {
        let bad = BundleError::folder(&self.id);
        let dir = match dir::open_at(self.dir(), ".") {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BundleError::NotFound(self.id.clone()));
            }
            Err(error) => return Err(bad(error)),
        };
        match rfs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Locked { folder: Self { id: self.id.clone(), dir } })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(bad(errno.into())),
        }
    }
}

impl Deref for Locked {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Locked {
    /// Writes down what the container is.
    pub(super) fn save(&self, saved: &Saved) -> Result<(), BundleError> {
        self.write(SAVED, saved)
    }

    /// Writes down which process it is.
    pub(super) fn save_state(&self, state: &State) -> Result<(), BundleError> {
        self.write(STATE, state)
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), BundleError> {
        let saved = |source| BundleError::Saved { id: self.id.clone(), source };
        let bytes = serde_json::to_vec(value).map_err(saved)?;
        dir::write_whole(self.dir(), name, &bytes, Mode::RUSR | Mode::WUSR, Durability::Process)
            .map_err(BundleError::folder(&self.id))
    }

    /// Gives the lock back, also for the container's process, which shares it.
    ///
    /// # Errors
    /// man 2 flock knows no reason why it should fail.
    pub fn unlock(self) -> Result<Folder, BundleError> {
        rfs::flock(&self.folder.dir, FlockOperation::Unlock)
            .map_err(|errno| BundleError::folder(&self.id)(errno.into()))?;
        Ok(self.folder)
    }

    /// Whether the folder was removed before the lock was had.
    fn is_gone(&self) -> Result<bool, BundleError> {
        let stat = rfs::fstat(&self.folder.dir);
        let stat = stat.map_err(|errno| BundleError::folder(&self.id)(errno.into()))?;
        Ok(stat.st_nlink == 0)
    }
}
