//! A container that is about to be started: made just now, or stopped before.

use std::os::fd::{AsFd, OwnedFd};

use coffer_rootfs::Stack;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::detach::{self, Seat};
use super::start::Started;
use super::{Config, ContainerError, DataRoot, ends_within, start};
use crate::disk::{Guard, Reserve, Ward, Watch};
use crate::label;
use crate::log::{Rotation, Writer};
use crate::monitor::{Attach, Attached, Console, Local, Outside, Pump, SignalProxy, pipes};
use crate::state::{
    ContainerId, Exit, Locked, Outcome, Phase, Record, Removal, StateError, wait_status,
};

/// A container with its lock held and all at hand that starting it takes.
#[derive(Debug)]
pub struct Ready<'r> {
    pub(super) root: &'r DataRoot,
    pub(super) locked: Locked,
    pub(super) record: Record,
    pub(super) config: Config,
    pub(super) stack: Stack,
}

impl<'r> Ready<'r> {
    /// One that was made just now.
    pub(super) fn fresh(
        root: &'r DataRoot,
        locked: Locked,
        record: Record,
        config: Config,
        stack: Stack,
    ) -> Self {
        Self { root, locked, record, config, stack }
    }

    /// Its identity.
    pub fn id(&self) -> &ContainerId {
        &self.record.id
    }

    /// Its record.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What the host keeps of the disk that it writes to.
    ///
    /// # Errors
    /// [`ContainerError::Process`] where the disk cannot be looked at.
    pub fn reserve(&self) -> Result<Reserve, ContainerError> {
        let failed = |source| ContainerError::Process { id: self.record.id.clone(), source };
        Reserve::of(self.locked.dir()).map_err(failed)
    }

    /// Leaves it to be started later (`create`).
    ///
    /// # Errors
    /// Where that cannot be recorded.
    pub fn keep(mut self) -> Result<ContainerId, ContainerError> {
        self.record.phase = Phase::Created;
        self.locked.save(&self.record)?;
        self.locked.unlock()?;
        Ok(self.record.id)
    }

    /// Removes it again (`--dry-run`).
    ///
    /// # Errors
    /// What could not be removed.
    pub fn discard(self) -> Result<(), ContainerError> {
        self.root.remove(self.locked, Some(self.record))
    }

    /// Starts it without a terminal, with coffer as its parent, and carries its input and output
    /// until it ends.
    ///
    /// # Errors
    /// [`ContainerError::Output`] where what it wrote is lost; why it did not start: it is then removed if it is to be removed at its end, and else as it
    /// was before.
    pub fn run(mut self, console: Console<'_>, proxy: SignalProxy) -> Result<Exit, ContainerError> {
        let id = self.record.id.clone();
        let carry = |source| ContainerError::Carry { id: id.clone(), source };
        let watch = Watch::at_start(self.locked.dir()).map_err(carry)?;
        let audience = Local::new(console, proxy).map_err(carry)?;
        let (inside, outside) = pipes(self.config.stdin).map_err(carry)?;
        let started = match start::start(&mut self, Some(inside)) {
            Ok(started) => started,
            Err(error) => return Err(self.undo(error)),
        };
        let log = self.log()?;
        let Self { root, locked, record, .. } = self;
        let folder = locked.unlock()?;
        let Started { init, cgroup, .. } = started;
        let mut pump = Pump { init, outside, log: Some(log), audience };
        let ward = Ward::of(&folder, &record, &cgroup, root.authority());
        let mut guard = Guard::new(ward, watch);
        pump.run(Some(&mut guard)).map_err(carry)?;
        let exit = exit_of(&record, &pump.init, &guard, Kin::Child)?;
        finish(root, &folder, record, cgroup, &exit)?;
        pump.audience.check().map_err(|source| ContainerError::Output { id, source })?;
        Ok(exit)
    }

    /// Starts it with a monitor and leaves it (`run -d`, `start`).
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn detach(self) -> Result<ContainerId, ContainerError> {
        let id = self.record.id.clone();
        detach::detach(self, None)?;
        Ok(id)
    }

    /// Starts it with a monitor, and attaches to it from its first byte on (`run -it`,
    /// `start -a`).
    ///
    /// # Errors
    /// As [`Self::run`], and where input and output cannot be carried.
    pub fn attach(self, how: &Attach<'_>) -> Result<(ContainerId, Attached), ContainerError> {
        let id = self.record.id.clone();
        let seat =
            Seat::new().map_err(|source| ContainerError::Carry { id: id.clone(), source })?;
        let attached = detach::detach(self, Some((seat, how)))?;
        Ok((id, attached.unwrap_or(Attached::Lost)))
    }

    /// The log, in the container's folder.
    pub(super) fn log(&self) -> Result<Writer, ContainerError> {
        let dir = self
            .locked
            .dir()
            .try_clone_to_owned()
            .map_err(|source| ContainerError::Carry { id: self.record.id.clone(), source })?;
        Ok(Writer::new(dir, Rotation::default()))
    }

    /// Leaves nothing of a start that failed: the container is removed, or is as it was before.
    pub(super) fn undo(mut self, error: ContainerError) -> ContainerError {
        drop(label::apparmor::unload(self.root.authority(), self.record.id.as_str()));
        let undone = match (self.record.removal, &self.record.phase) {
            (Removal::AtExit, _) => self.root.remove(self.locked, Some(self.record)),
            (Removal::Keep, Phase::Stopped(_)) => {
                self.locked.save(&self.record).map_err(ContainerError::from)
            }
            (Removal::Keep, _) => {
                self.record.phase = Phase::Created;
                self.locked.save(&self.record).map_err(ContainerError::from)
            }
        };
        // The first error is the one to be told: a clean-up that failed is made up for by the next
        // command, which finds the record.
        drop(undone);
        error
    }
}

/// What a process is to the container's first process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kin {
    /// Its parent, whom the kernel tells how it ended.
    Child,
    /// A monitor that came later.
    Adopted,
}

/// How the container's first process, which has ended, did so.
pub(super) fn exit_of(
    record: &Record,
    init: &OwnedFd,
    guard: &Guard<'_>,
    kin: Kin,
) -> Result<Exit, ContainerError> {
    let outcome = match (kin, &record.phase) {
        (Kin::Adopted, Phase::Running(running)) => {
            // Also where its output could not be carried to the end.
            ends_within(init, None)
                .and_then(|_| wait_status(init.as_fd(), &running.init))
                .map(|s| s.map_or(Outcome::Unknown, outcome))
        }
        _ => collect(init),
    };
    let outcome =
        outcome.map_err(|source| ContainerError::Process { id: record.id.clone(), source })?;
    let (started, finished) = (record.started(), jiff::Timestamp::now());
    let (ended_for, oom_killed) = (guard.ended(), guard.cgroup().oom_kills()? > 0);
    if ended_for.is_some() {
        guard.give_back();
    }
    Ok(Exit { outcome, started, finished, oom_killed, ended_for })
}

/// Collects a child that has ended.
pub(super) fn collect(child: &OwnedFd) -> std::io::Result<Outcome> {
    loop {
        match waitid(WaitId::PidFd(child.as_fd()), WaitIdOptions::EXITED) {
            Ok(Some(status)) => {
                return Ok(match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Outcome::Exited(byte(code)),
                    (None, Some(signal)) => Outcome::Killed(byte(signal)),
                    (None, None) => Outcome::Unknown,
                });
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Reads a status as waitpid gives it. Source: man 2 wait.
pub(super) fn outcome(status: i32) -> Outcome {
    match status & 0x7f {
        0 => Outcome::Exited(byte(status >> 8)),
        signal => Outcome::Killed(byte(signal)),
    }
}

fn byte(number: i32) -> u8 {
    u8::try_from(number & 0xff).unwrap_or(u8::MAX)
}

/// Writes down the end of a container, or removes it where that was asked for.
pub(super) fn finish(
    root: &DataRoot,
    folder: &crate::state::Folder,
    record: Record,
    cgroup: crate::cgroup::Cgroup,
    exit: &Exit,
) -> Result<(), ContainerError> {
    cgroup.remove()?;
    let locked = match folder.lock() {
        Ok(locked) => locked,
        // `rm -f` was faster.
        Err(StateError::Gone { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    // A group to be frozen may have been made meanwhile, and on v1 alone.
    let may_differ = record.removal == Removal::Keep || record.cgroup.freezes_late();
    let now = if may_differ { locked.record()? } else { None };
    if let Some(now) = now.as_ref().filter(|now| now.cgroup != record.cgroup) {
        now.cgroup.open()?.remove()?;
    }
    match record.removal {
        Removal::AtExit => {
            root.drop_anonymous(locked.id(), &record.volumes)?;
            root.remove(locked, None)
        }
        Removal::Keep => {
            // It may have been renamed meanwhile.
            let mut record = now.unwrap_or(record);
            record.phase = Phase::Stopped(exit.clone());
            Ok(locked.save(&record)?)
        }
    }
}

/// What is pumped of a container that has started.
pub(super) fn screen_or(
    id: &ContainerId,
    terminal: Option<OwnedFd>,
    outside: Option<Outside>,
) -> Result<Outside, ContainerError> {
    let failed = |source| ContainerError::Carry { id: id.clone(), source };
    match (terminal, outside) {
        (Some(master), _) => Outside::terminal(master).map_err(failed),
        (None, Some(outside)) => Ok(outside),
        (None, None) => Err(failed(std::io::ErrorKind::NotFound.into())),
    }
}
