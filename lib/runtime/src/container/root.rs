//! The data root, as far as containers need it.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use coffer_confine::ids;
use coffer_rootfs::{Flavour, Layers, Stack};
use coffer_sys::{dir, tree};

use super::adopt::{Orphan, adopt};
use super::{Config, ContainerError};
use crate::label;
use crate::plan::Authority;
use crate::state::{
    ContainerId, Containers, Folder, Listed, Locked, Outcome, Phase, ProcessId, Record, Removal,
    StateError, Status,
};

/// The data root with its containers, and whose rights coffer has on it.
#[derive(Debug)]
pub struct DataRoot {
    path: PathBuf,
    dir: OwnedFd,
    containers: Containers,
    authority: Authority,
}

/// What a container lacks whose makers or keepers were killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Nothing,
    /// Somebody to wait for its end.
    Parent,
    /// Somebody to finish what was begun, unless somebody is at it.
    CleanUp,
}

/// What was done to a container whose makers or keepers were killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing: it was settled before, or somebody else is at it.
    Before,
    /// It runs and has a new monitor.
    Adopted,
    /// It had ended unseen, and that is recorded now.
    Ended,
    /// What was left of it has been removed.
    Removed,
}

/// What an ordinary user cannot remove without the container's ids.
const OF_CONTAINER: [&str; 2] = ["upper", "work"];

impl DataRoot {
    /// Opens the data root at the absolute path `path`, which is there.
    ///
    /// # Errors
    /// [`ContainerError::Root`], and where the containers cannot be opened.
    pub fn open(path: &Path) -> Result<Self, ContainerError> {
        let dir = dir::open(path)
            .map_err(|source| ContainerError::Root { path: path.to_owned(), source })?;
        Self::at(path, dir.as_fd())
    }

    /// The same for who has it open, as `dir`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn at(path: &Path, dir: BorrowedFd<'_>) -> Result<Self, ContainerError> {
        let failed = |source| ContainerError::Root { path: path.to_owned(), source };
        if !path.is_absolute() {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        }
        let dir = dir.try_clone_to_owned().map_err(failed)?;
        let containers = Containers::open(dir.as_fd())?;
        let is_root = rustix::process::geteuid().is_root();
        let authority = if is_root { Authority::Root } else { Authority::User };
        Ok(Self { path: path.to_owned(), dir, containers, authority })
    }

    /// Its containers.
    pub fn containers(&self) -> &Containers {
        &self.containers
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a container, as it is told to others.
    pub(super) fn folder_of(&self, id: &ContainerId) -> PathBuf {
        self.path.join("containers").join(id.as_str())
    }

    pub(super) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// The descriptors that it holds.
    pub(super) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds = vec![self.dir.as_fd()];
        fds.extend(self.containers.fds());
        fds
    }

    pub(super) fn authority(&self) -> Authority {
        self.authority
    }

    /// The layers that `config` names, opened again.
    pub(super) fn stack(&self, folder: &Folder, config: &Config) -> Result<Stack, ContainerError> {
        let flavour = match self.authority {
            Authority::Root => Flavour::Root,
            Authority::User => Flavour::User,
        };
        Layers::open(self.dir(), flavour)?
            .stack_of(&config.layers)?
            .ok_or_else(|| ContainerError::LayerMissing { id: folder.id().clone() })
    }

    /// Settles every container that was left half made, half removed, or unattended at its end.
    ///
    /// # Errors
    /// The first that cannot be settled.
    pub fn sweep(&self) -> Result<(), ContainerError> {
        for id in self.containers.ids()? {
            match self.containers.find(id.as_str()) {
                Ok(folder) => self.settle(&folder).map(drop)?,
                Err(StateError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Settles the containers of `list` whose monitors are gone: those that run get new ones, and
    /// those that were to go at their end leave the list. Wrecks stay, to be shown.
    ///
    /// # Errors
    /// The first that cannot be settled.
    pub fn settle_all(&self, list: &mut Vec<Listed>) -> Result<(), ContainerError> {
        let mut removed = Vec::new();
        for listed in list.iter() {
            let seen = match &listed.status {
                Status::Running(_) => true,
                Status::Stopped(_) => {
                    listed.record.as_ref().is_some_and(|r| matches!(r.phase, Phase::Running(_)))
                }
                _ => false,
            };
            if seen
                && let Ok(folder) = self.containers.find(listed.id.as_str())
                && self.settle(&folder)? == Settled::Removed
            {
                removed.push(listed.id.clone());
            }
        }
        list.retain(|listed| !removed.contains(&listed.id));
        Ok(())
    }

    /// Finishes what a command or a monitor that was killed began with this container: what was
    /// half made or half removed is removed; what ended unseen is recorded as ended, with an
    /// unknown status, and removed where that was asked for; what runs without anybody who reads
    /// its output and waits for its end gets a new monitor. Nothing is done to any other.
    ///
    /// # Errors
    /// What could not be done; the next command tries again.
    pub fn settle(&self, folder: &Folder) -> Result<Settled, ContainerError> {
        let locked = match self.need_of(folder)? {
            Need::Nothing => return Ok(Settled::Before),
            // Who is at it makes the monitor that the caller wants to meet.
            Need::Parent => folder.lock().map(Some),
            Need::CleanUp => folder.lock_soon(),
        };
        let locked = match locked {
            Ok(Some(locked)) => locked,
            // Somebody else is at it.
            Ok(None) | Err(StateError::Gone { .. }) => return Ok(Settled::Before),
            Err(error) => return Err(error.into()),
        };
        // The lock is ours now: somebody else may have been faster.
        match locked.record()? {
            None => self.remove(locked, None).map(|()| Settled::Removed),
            Some(record) => match &record.phase {
                Phase::Creating | Phase::Removing => {
                    self.remove(locked, Some(record)).map(|()| Settled::Removed)
                }
                Phase::Running(running) => {
                    let (init, parent) = (
                        self.process(&record, &running.init)?,
                        self.process(&record, &running.parent)?,
                    );
                    match (init, parent) {
                        (_, Some(_)) => Ok(Settled::Before),
                        (Some(init), None) => self.adopt(locked, record, init),
                        (None, None) => self.end_unseen(locked, record),
                    }
                }
                Phase::Created | Phase::Stopped(_) => Ok(Settled::Before),
            },
        }
    }

    fn process(
        &self,
        record: &Record,
        process: &ProcessId,
    ) -> Result<Option<OwnedFd>, ContainerError> {
        let failed = |source| ContainerError::Process { id: record.id.clone(), source };
        process.open(self.containers.boot()).map_err(failed)
    }

    fn adopt(
        &self,
        locked: Locked,
        record: Record,
        init: OwnedFd,
    ) -> Result<Settled, ContainerError> {
        adopt(Orphan { root: self, locked, record, init }).map(|()| Settled::Adopted)
    }

    fn end_unseen(&self, locked: Locked, record: Record) -> Result<Settled, ContainerError> {
        match record.removal {
            Removal::AtExit => self.remove(locked, Some(record)).map(|()| Settled::Removed),
            Removal::Keep => self.record_unseen_end(&locked, record).map(|()| Settled::Ended),
        }
    }

    /// What is to be done, as far as can be seen without the lock.
    fn need_of(&self, folder: &Folder) -> Result<Need, ContainerError> {
        let (record, status) = match folder.status(self.containers.boot()) {
            Ok(found) => found,
            Err(StateError::Gone { .. }) => return Ok(Need::Nothing),
            Err(error) => return Err(error.into()),
        };
        Ok(match (status, record) {
            // Whoever was at it may have been killed a moment ago.
            (Status::Wreck | Status::Creating | Status::Removing, _)
            | (Status::Stopped(_), Some(Record { phase: Phase::Running(_), .. })) => Need::CleanUp,
            (Status::Running(running), Some(record)) => {
                match self.process(&record, &running.parent)? {
                    Some(_) => Need::Nothing,
                    None => Need::Parent,
                }
            }
            _ => Need::Nothing,
        })
    }

    fn record_unseen_end(&self, locked: &Locked, mut record: Record) -> Result<(), ContainerError> {
        record.cgroup.open()?.remove()?;
        record.phase = Phase::Stopped(crate::state::Exit {
            outcome: Outcome::Unknown,
            started: record.started(),
            finished: jiff::Timestamp::now(),
            oom_killed: false,
            ended_for: None,
        });
        Ok(locked.save(&record)?)
    }

    /// Gives back all that the container has outside its folder, then removes the folder.
    pub(super) fn remove(
        &self,
        locked: Locked,
        record: Option<Record>,
    ) -> Result<(), ContainerError> {
        if let Some(mut record) = record {
            record.cgroup.open()?.remove()?;
            let goes = record.removal == Removal::AtExit || record.phase == Phase::Creating;
            // From here on it cannot be started: its ids may be another's soon.
            record.phase = Phase::Removing;
            locked.save(&record)?;
            if goes {
                self.drop_anonymous(locked.id(), &record.volumes)?;
            }
        }
        label::apparmor::unload(self.authority, locked.id().as_str())?;
        match self.authority {
            Authority::Root => ids::release(self.dir(), locked.id().as_str())?,
            Authority::User => remove_files_of_container(&locked)?,
        }
        Ok(self.containers.remove(locked)?)
    }
}

/// The files that the container made belong to ids which only its user namespace has.
fn remove_files_of_container(locked: &Locked) -> Result<(), ContainerError> {
    let present = dir::entries(locked.dir())
        .map_err(|source| StateError::Remove { id: locked.id().clone(), source })?;
    if !present.iter().any(|entry| OF_CONTAINER.iter().any(|name| entry.name == *name)) {
        return Ok(());
    }
    ids::in_user_namespace(&ids::of_caller()?, || {
        OF_CONTAINER
            .iter()
            .try_for_each(|name| tree::remove(locked.dir(), OsStr::new(name)).map(|_| ()))
    })?;
    Ok(())
}
