//! Containers: made, started, stopped and removed.
//!
//! [`create`] takes leave to run an image ([`coffer_policy::Admitted`], law 1) and gives a
//! [`Ready`] container, whose lock is held. It is kept for later, run in the foreground, or started
//! with a monitor; [`Container`] is one that was made before. The order of each, and of its undoing,
//! is that of [`crate::state`]: what is written down comes before what is made.
//!
//! Not here: no pulling, no unpacking, no restart policy, and no process that watches
//! over all containers.

mod adopt;
mod config;
mod create;
mod detach;
mod error;
mod exec;
mod files;
mod joined;
mod kept;
mod pause;
mod ready;
mod root;
mod start;
mod volumes;
mod wait;

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use coffer_confine::ids;
use coffer_oci::runtime::NamespaceKind;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, pidfd_send_signal};

pub use config::Config;
pub use create::{Creation, create, usual_limits};
pub use error::{ContainerError, Reported};
pub use files::Files;
pub use joined::JoinError;
pub use ready::Ready;
pub use root::{DataRoot, Settled};

use crate::cgroup::Cgroup;
use crate::monitor::{Attach, Attached, attach, connect_to};
use crate::state::{
    ContainerId, Folder, Name, Phase, ProcessId, Record, Removal, Running, StateError, Status,
};

/// How long a monitor may take from the end of its connections to its own.
const CLOSING: Duration = Duration::from_secs(1);

/// A container that was made before.
#[derive(Debug)]
pub struct Container<'r> {
    root: &'r DataRoot,
    folder: Folder,
    record: Record,
    status: Status,
}

/// What `rm` does with one that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It refuses.
    No,
    /// It kills it first.
    Kill,
}

/// What becomes of a container's volumes that have no name of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// They stay.
    Keep,
    /// They go with it.
    Remove,
}

impl<'r> Container<'r> {
    /// The container that `text` means, after what others left of it half done was settled.
    ///
    /// # Errors
    /// [`StateError::NotFound`] and its like; [`ContainerError::Unsettled`] while it is being made
    /// or removed.
    pub fn find(root: &'r DataRoot, text: &str) -> Result<Self, ContainerError> {
        let folder = root.containers().find(text)?;
        root.settle(&folder)?;
        let gone = |error| match error {
            StateError::Gone { .. } => StateError::NotFound { text: text.to_owned() },
            error => error,
        };
        match folder.status(root.containers().boot()).map_err(gone)? {
            (
                Some(record),
                status @ (Status::Created | Status::Running(_) | Status::Stopped(_)),
            ) => Ok(Self { root, folder, record, status }),
            (None, Status::Wreck) => Err(StateError::NotFound { text: text.to_owned() }.into()),
            _ => Err(ContainerError::Unsettled { text: text.to_owned() }),
        }
    }

    /// Its record.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// How it was when it was looked up.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Its folder, to read its log.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Its configuration.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn config(&self) -> Result<Config, ContainerError> {
        config_of(&self.folder)
    }

    /// Its control groups, for what it uses and which processes it has.
    ///
    /// # Errors
    /// Where they cannot be opened.
    pub fn cgroup(&self) -> Result<Cgroup, ContainerError> {
        Ok(self.record.cgroup.open()?)
    }

    /// Its first process.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`].
    pub fn init(&self) -> Result<OwnedFd, ContainerError> {
        let not_running = || ContainerError::NotRunning { name: self.record.name.clone() };
        let Status::Running(Running { init, .. }) = &self.status else { return Err(not_running()) };
        self.open_process(init)?.ok_or_else(not_running)
    }

    /// The number of its first process, while it runs.
    fn number(&self) -> Option<Pid> {
        let Status::Running(Running { init, .. }) = &self.status else { return None };
        Pid::from_raw(init.pid)
    }

    fn open_process(&self, process: &ProcessId) -> Result<Option<OwnedFd>, ContainerError> {
        process
            .open(self.root.containers().boot())
            .map_err(|source| ContainerError::Process { id: self.record.id.clone(), source })
    }

    /// Makes it ready to be started, from what was written down when it was made.
    ///
    /// # Errors
    /// [`ContainerError::Running`], and where its image's layers are gone.
    pub fn prepare(self) -> Result<Ready<'r>, ContainerError> {
        let locked = self.folder.lock()?;
        let record = match locked.status(self.root.containers().boot())? {
            (Some(record), Status::Created | Status::Stopped(_)) => record,
            (_, Status::Running(_)) => {
                return Err(ContainerError::Running { name: self.record.name });
            }
            _ => return Err(ContainerError::Unsettled { text: self.record.name.to_string() }),
        };
        let config = config_of(&locked)?;
        if let Some(ids) = &config.confinement.ids {
            // Those in its specification, or none: they may be others' where the pool was lost.
            let with = config.confinement.joins(NamespaceKind::User);
            ids::keep(self.root.dir(), locked.id().as_str(), ids, with)?;
        }
        let stack = self.root.stack(&locked, &config)?;
        Ok(Ready { root: self.root, locked, record, config, stack })
    }

    /// Sends signal number `signal` to its first process; SIGKILL reaches a paused one too.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`].
    pub fn kill(&self, signal: i32) -> Result<(), ContainerError> {
        if signal == Signal::KILL.as_raw() { self.end_by(signal) } else { self.send(signal) }
    }

    fn send(&self, signal: i32) -> Result<(), ContainerError> {
        let init = self.init()?;
        let sent = match Signal::from_named_raw(signal) {
            Some(signal) => pidfd_send_signal(&init, signal).map_err(std::io::Error::from),
            None => coffer_sys::signal::send_to(init.as_fd(), signal),
        };
        match sent {
            Ok(()) => Ok(()),
            Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => {
                Err(ContainerError::NotRunning { name: self.record.name.clone() })
            }
            Err(source) => Err(ContainerError::Process { id: self.record.id.clone(), source }),
        }
    }

    /// Asks it to stop by `signal`, or its own stop signal, kills it after `grace` (never where that
    /// is `None`), and waits until its end is written down. One that does not run is no error.
    ///
    /// # Errors
    /// Where its process cannot be reached.
    pub fn stop(&self, signal: Option<i32>, grace: Option<Duration>) -> Result<(), ContainerError> {
        let init = match self.init() {
            Err(ContainerError::NotRunning { .. }) => return self.wait().map(|_| ()),
            init => init?,
        };
        let signal = match signal {
            Some(signal) => signal,
            None => self.config()?.stop_signal,
        };
        match self.end_by(signal) {
            Ok(()) | Err(ContainerError::NotRunning { .. }) => {}
            Err(error) => return Err(error),
        }
        if !self.ends_within(&init, grace)? {
            self.kill_all()?;
        }
        self.wait().map(|_| ())
    }

    /// Kills its first process, and with that all in its pid namespace.
    fn kill_all(&self) -> Result<(), ContainerError> {
        match self.kill(Signal::KILL.as_raw()) {
            Ok(()) | Err(ContainerError::NotRunning { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn ends_within(&self, init: &OwnedFd, grace: Option<Duration>) -> Result<bool, ContainerError> {
        ends_within(init, grace).map_err(|source| {
            let id = self.record.id.clone();
            ContainerError::Process { id, source }
        })
    }

    /// Attaches to it. Where its monitor is killed meanwhile, it gets another, and this goes on.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`]; [`ContainerError::Foreground`] where no monitor listens.
    pub fn attach(&self, how: &Attach<'_>) -> Result<Attached, ContainerError> {
        let mut terminal = None;
        match self.attach_once(how, &mut terminal)? {
            Attached::Lost => Self::attach_again(self.root, &self.record.id, how, terminal),
            end => Ok(end),
        }
    }

    fn attach_once(
        &self,
        how: &Attach<'_>,
        terminal: &mut Option<OwnedFd>,
    ) -> Result<Attached, ContainerError> {
        let init = self.init()?;
        self.refuse_paused(&self.cgroup()?)?;
        let socket = connect_to(self.folder.dir())
            .map_err(|_| ContainerError::Foreground { name: self.record.name.clone() })?;
        attach(&socket, how, Some(init.as_fd()), terminal)
            .map_err(|source| ContainerError::Carry { id: self.record.id.clone(), source })
    }

    /// Goes on after the monitor of the container `id` was lost, with its next one, which gets
    /// the `terminal` that the lost one lent.
    fn attach_again(
        root: &DataRoot,
        id: &ContainerId,
        how: &Attach<'_>,
        mut terminal: Option<OwnedFd>,
    ) -> Result<Attached, ContainerError> {
        loop {
            wait_for_parent(root, id)?;
            // Found anew it has a monitor again, or has ended.
            let container = match Container::find(root, id.as_str()) {
                Err(ContainerError::State(StateError::NotFound { .. })) => {
                    return Ok(Attached::Lost);
                }
                found => found?,
            };
            match container.attach_once(how, &mut terminal) {
                Ok(Attached::Lost) => {}
                Err(ContainerError::NotRunning { .. }) => {
                    return Ok(Attached::Ended(container.wait()?.outcome.code()));
                }
                end => return end,
            }
        }
    }

    /// Calls it `name` from now on. A name that only the wreck of a container has is taken from it.
    ///
    /// # Errors
    /// [`StateError::NameTaken`], [`StateError::SameName`].
    pub fn rename(&self, name: &Name) -> Result<(), ContainerError> {
        match self.rename_once(name) {
            Err(ContainerError::State(StateError::NameTaken { holder, .. })) => {
                if let Ok(folder) = self.root.containers().find(holder.as_str()) {
                    self.root.settle(&folder)?;
                }
                self.rename_once(name)
            }
            renamed => renamed,
        }
    }

    fn rename_once(&self, name: &Name) -> Result<(), ContainerError> {
        let locked = self.folder.lock()?;
        let gone = || StateError::NotFound { text: self.record.name.to_string() };
        let record = locked.record()?.ok_or_else(gone)?;
        Ok(self.root.containers().rename(&locked, record, name.clone())?)
    }

    /// Removes it: its control groups, its ids, its name and all its files; and its volumes without
    /// a name, as `volumes` says.
    ///
    /// # Errors
    /// [`ContainerError::Running`] unless `force` kills it; what could not be removed.
    pub fn remove(self, force: Force, volumes: Anonymous) -> Result<(), ContainerError> {
        match (&self.status, force) {
            (Status::Running(_), Force::No) => {
                return Err(ContainerError::Running { name: self.record.name });
            }
            (Status::Running(_), Force::Kill) => {
                self.kill_all()?;
                self.wait()?;
            }
            _ => {}
        }
        let locked = match self.folder.lock() {
            Ok(locked) => locked,
            Err(StateError::Gone { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match locked.status(self.root.containers().boot())? {
            (_, Status::Running(_)) => Err(ContainerError::Running { name: self.record.name }),
            (Some(mut record), _) => {
                if volumes == Anonymous::Remove {
                    // So it is if somebody has to go on with it.
                    record.removal = Removal::AtExit;
                }
                self.root.remove(locked, Some(record))
            }
            (None, _) => self.root.remove(locked, None),
        }
    }
}

/// Waits until the process has ended, or `limit` has passed. Says whether it has.
fn ends_within(pidfd: &OwnedFd, limit: Option<Duration>) -> std::io::Result<bool> {
    let limit = limit.map(|limit| Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(limit.subsec_nanos()),
    });
    loop {
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], limit.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Waits for the end of the container's parent: a monitor that is killed closes its sockets before
/// it is dead to others.
fn wait_for_parent(root: &DataRoot, id: &ContainerId) -> Result<(), ContainerError> {
    let failed = |source| ContainerError::Process { id: id.clone(), source };
    let Ok(folder) = root.containers().find(id.as_str()) else { return Ok(()) };
    let Some(Record { phase: Phase::Running(running), .. }) = folder.record()? else {
        return Ok(());
    };
    match running.parent.open(root.containers().boot()).map_err(failed)? {
        Some(parent) => ends_within(&parent, Some(CLOSING)).map(drop).map_err(failed),
        None => Ok(()),
    }
}

fn config_of(folder: &Folder) -> Result<Config, ContainerError> {
    serde_json::from_slice(&folder.config()?)
        .map_err(|source| ContainerError::Config { id: folder.id().clone(), source })
}
