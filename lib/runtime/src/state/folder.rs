//! One container's folder, and its lock.
//!
//! The lock is flock(2) on the folder itself. It is held for the short while in which a container
//! passes from one phase to the next, never while it runs. A lock belongs to an open file, so a
//! monitor that was forked while the lock was held holds it too, until one of both calls
//! [`Locked::unlock`] or both have gone; what was killed holds nothing, but a child that it had
//! forked may hold it for a moment.

use std::ffi::OsStr;
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::dir::{self, Durability};
use coffer_sys::tree;
use jiff::Timestamp;
use rustix::fs::{self as rfs, AtFlags, FlockOperation, Mode};
use rustix::io::Errno;

use super::{BootId, ContainerId, Exit, Outcome, Phase, Record, Removal, StateError, Status};
use crate::soon::soon;

/// The record's file name.
const RECORD: &str = "state.json";
/// The file name of what is written once.
const CONFIG: &str = "config.json";
/// A record is small; a longer file is not one of ours (256 KiB).
const RECORD_LIMIT: u64 = 256 * 1024;
/// A configuration may carry thousands of mounts and environment variables (16 MiB).
const CONFIG_LIMIT: u64 = 16 * 1024 * 1024;

/// The folder of one container, open.
#[derive(Debug)]
pub struct Folder {
    id: ContainerId,
    dir: OwnedFd,
}

/// The same folder, with its lock held.
#[derive(Debug)]
pub struct Locked {
    folder: Folder,
}

impl Folder {
    /// Opens the folder `id` in `containers`, or says `None`.
    pub(super) fn open(
        containers: BorrowedFd<'_>,
        id: &ContainerId,
    ) -> Result<Option<Self>, StateError> {
        match dir::open_at(containers, id.as_str()) {
            Ok(dir) => Ok(Some(Self { id: id.clone(), dir })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError::Folder { id: id.clone(), source }),
        }
    }

    /// Whose it is.
    pub fn id(&self) -> &ContainerId {
        &self.id
    }

    /// The folder, to keep files in (logs, sockets, the writable layer).
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The record as it is now; `None` where whoever made the container was killed before it was
    /// written, where a power failure left it empty, or where the container has been removed.
    ///
    /// # Errors
    /// [`StateError::Record`] where it cannot be read.
    pub fn record(&self) -> Result<Option<Record>, StateError> {
        let bad = |source| StateError::Record { id: self.id.clone(), source };
        let Some(bytes) = dir::read(self.dir(), RECORD, RECORD_LIMIT).map_err(bad)? else {
            return Ok(None);
        };
        // What a power failure leaves of a file that was not fsynced.
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        serde_json::from_slice(&bytes).map(Some).map_err(|error| bad(error.into()))
    }

    /// What was written once, when the container was made.
    ///
    /// # Errors
    /// [`StateError::Record`] where it is missing or cannot be read.
    pub fn config(&self) -> Result<Vec<u8>, StateError> {
        dir::read(self.dir(), CONFIG, CONFIG_LIMIT)
            .and_then(|bytes| bytes.ok_or_else(|| io::ErrorKind::NotFound.into()))
            .map_err(|source| StateError::Record { id: self.id.clone(), source })
    }

    /// The record held against the processes that there are. `None` as for [`Self::record`], where
    /// the container has been removed.
    ///
    /// # Errors
    /// As [`Self::record`], and where /proc cannot be asked.
    pub fn status(&self, boot: &BootId) -> Result<(Option<Record>, Status), StateError> {
        let record = self.record()?;
        let settled = match &record {
            Some(record) => self.settled(&record.phase, boot)?,
            None => None,
        };
        if let Some(status) = settled {
            return Ok((record, status));
        }
        if !self.is_abandoned()? {
            let removing = record.as_ref().is_some_and(|r| r.phase == Phase::Removing);
            return Ok((record, if removing { Status::Removing } else { Status::Creating }));
        }
        // Whoever held the lock may have finished between the two looks: look again.
        let record = self.record()?;
        let settled = match &record {
            Some(record) => self.settled(&record.phase, boot)?,
            None => None,
        };
        Ok((record, settled.unwrap_or(Status::Wreck)))
    }

    /// The status that follows from the phase alone; `None` for those that the lock decides.
    fn settled(&self, phase: &Phase, boot: &BootId) -> Result<Option<Status>, StateError> {
        Ok(match phase {
            Phase::Creating | Phase::Removing => None,
            Phase::Created => Some(Status::Created),
            Phase::Stopped(exit) => Some(Status::Stopped(exit.clone())),
            Phase::Running(running) => {
                let look = |process: &super::ProcessId| {
                    process
                        .open(boot)
                        .map_err(|source| StateError::Process { id: self.id.clone(), source })
                };
                // An ended process whose parent lives is about to be recorded as stopped.
                let alive = look(&running.init)?.is_some() || look(&running.parent)?.is_some();
                Some(if alive {
                    Status::Running(running.clone())
                } else {
                    Status::Stopped(Exit {
                        outcome: Outcome::Unknown,
                        started: Some(running.started),
                        finished: Timestamp::now(),
                        oom_killed: false,
                        ended_for: None,
                    })
                })
            }
        })
    }

    /// Whether nobody holds the lock.
    fn is_abandoned(&self) -> Result<bool, StateError> {
        let own = self.reopen()?;
        match rfs::flock(&own, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(errno) => Err(self.folder_error(errno)),
        }
    }

    /// Waits for the lock and takes it.
    ///
    /// # Errors
    /// [`StateError::Gone`] where the container was removed meanwhile.
    pub fn lock(&self) -> Result<Locked, StateError> {
        self.lock_by(FlockOperation::LockExclusive)?
            .ok_or_else(|| StateError::Busy { id: self.id.clone() })
    }

    /// Takes the lock if nobody has it.
    ///
    /// # Errors
    /// As [`Self::lock`].
    pub fn try_lock(&self) -> Result<Option<Locked>, StateError> {
        self.lock_by(FlockOperation::NonBlockingLockExclusive)
    }

    /// Takes the lock once nobody has it, or gives up after a while.
    ///
    /// # Errors
    /// As [`Self::lock`].
    pub fn lock_soon(&self) -> Result<Option<Locked>, StateError> {
        soon(|| self.try_lock())
    }

    fn lock_by(&self, operation: FlockOperation) -> Result<Option<Locked>, StateError> {
        let dir = self.reopen()?;
        loop {
            match rfs::flock(&dir, operation) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(errno) => return Err(self.folder_error(errno)),
            }
        }
        let stat = rfs::fstat(&dir).map_err(|errno| self.folder_error(errno))?;
        if stat.st_nlink == 0 {
            return Err(StateError::Gone { id: self.id.clone() });
        }
        Ok(Some(Locked { folder: Self { id: self.id.clone(), dir } }))
    }

    /// The same folder as an open file of its own, since a lock belongs to the open file.
    fn reopen(&self) -> Result<OwnedFd, StateError> {
        match dir::open_at(self.dir(), ".") {
            Ok(dir) => Ok(dir),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StateError::Gone { id: self.id.clone() })
            }
            Err(source) => Err(StateError::Folder { id: self.id.clone(), source }),
        }
    }

    fn folder_error(&self, errno: Errno) -> StateError {
        StateError::Folder { id: self.id.clone(), source: errno.into() }
    }
}

impl Deref for Locked {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

impl Locked {
    /// Writes the record whole, and to the disk where the container is kept. Another that a power
    /// failure takes is a wreck, which the next command removes.
    ///
    /// # Errors
    /// [`StateError::Write`], with the old record in place.
    pub fn save(&self, record: &Record) -> Result<(), StateError> {
        let bytes = serde_json::to_vec(record).map_err(|error| self.write_error(error.into()))?;
        self.write(RECORD, &bytes, record.durability())
    }

    /// Writes what is written once; nobody reads it before the record says that the container is
    /// created.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn save_config(&self, bytes: &[u8], removal: Removal) -> Result<(), StateError> {
        self.write(CONFIG, bytes, removal.durability())
    }

    fn write(&self, name: &str, bytes: &[u8], durability: Durability) -> Result<(), StateError> {
        dir::write_whole_or_over(self.dir(), name, bytes, Mode::RUSR | Mode::WUSR, durability)
            .map_err(|source| self.write_error(source))
    }

    fn write_error(&self, source: io::Error) -> StateError {
        StateError::Write { id: self.id.clone(), source }
    }

    /// Gives the lock back at once, also for every process that was forked while it was held.
    ///
    /// # Errors
    /// [`StateError::Folder`]; man 2 flock knows no reason why it should fail.
    pub fn unlock(self) -> Result<Folder, StateError> {
        rfs::flock(&self.folder.dir, FlockOperation::Unlock)
            .map_err(|errno| self.folder_error(errno))?;
        Ok(self.folder)
    }

    /// Empties the folder, its record last, and removes it from `containers`.
    pub(super) fn remove_from(self, containers: BorrowedFd<'_>) -> Result<(), StateError> {
        let failed = |source| StateError::Remove { id: self.id.clone(), source };
        tree::empty(self.dir(), &|name| name == RECORD).map_err(failed)?;
        tree::remove(self.dir(), RECORD.as_ref()).map_err(failed)?;
        rfs::unlinkat(containers, OsStr::new(self.id.as_str()), AtFlags::REMOVEDIR)
            .map_err(|errno| failed(errno.into()))
    }
}
