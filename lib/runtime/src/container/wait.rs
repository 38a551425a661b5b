//! Waiting for a container's end.

use std::os::fd::{AsFd, OwnedFd};

use super::ready::outcome;
use super::{Container, ContainerError};
use crate::monitor::{connect_to, listen};
use crate::state::{
    Exit, Outcome, Phase, Record, Removal, Running, StateError, Watch, wait_status,
};

impl Container<'_> {
    /// Waits until it has ended and that is written down, and says how. Of a container that is
    /// removed at its end its monitor says it, or the kernel (Linux 6.15): its record is gone. With
    /// a kernel before that nobody knows it of one that ran in the foreground.
    ///
    /// # Errors
    /// Where it cannot be watched.
    pub fn wait(&self) -> Result<Exit, ContainerError> {
        let init = self.init().ok();
        let boot = self.root.containers().boot();
        let mut watch = Watch::new(&self.folder)?;
        loop {
            self.root.settle(&self.folder)?;
            let record = match self.folder.record() {
                Ok(Some(record)) => record,
                Ok(None) | Err(StateError::Gone { .. }) => return self.remembered(init),
                Err(error) => return Err(error.into()),
            };
            match &record.phase {
                Phase::Stopped(exit) => return Ok(exit.clone()),
                Phase::Removing => return self.remembered(init),
                Phase::Running(running) => {
                    if let Some(code) = self.hear(&record)? {
                        return Ok(unseen(Outcome::Exited(code)));
                    }
                    // Without a parent it gets another by the next look, and that one is heard.
                    if self.open_process(&running.parent)?.is_some() {
                        watch.wait(&[&running.init, &running.parent], boot)?;
                    }
                }
                Phase::Creating | Phase::Created => watch.wait(&[], boot)?,
            }
        }
    }

    /// What the monitor says of the end of a container that is then removed. `None` for any other,
    /// and where there is none that would say it.
    fn hear(&self, record: &Record) -> Result<Option<u8>, ContainerError> {
        if record.removal != Removal::AtExit {
            return Ok(None);
        }
        let Ok(socket) = connect_to(self.folder.dir()) else { return Ok(None) };
        let id = || record.id.clone();
        listen(&socket).map_err(|source| ContainerError::Process { id: id(), source })
    }

    /// How the kernel remembers that its first process ended.
    fn remembered(&self, init: Option<OwnedFd>) -> Result<Exit, ContainerError> {
        let (Some(pidfd), Phase::Running(Running { init, .. })) = (init, &self.record.phase) else {
            return Ok(unseen(Outcome::Unknown));
        };
        let status = wait_status(pidfd.as_fd(), init);
        let status = status
            .map_err(|source| ContainerError::Process { id: self.record.id.clone(), source })?;
        Ok(unseen(status.map_or(Outcome::Unknown, outcome)))
    }
}

/// An end whose record is gone.
fn unseen(outcome: Outcome) -> Exit {
    let finished = jiff::Timestamp::now();
    Exit { outcome, started: None, finished, oom_killed: false, ended_for: None }
}
