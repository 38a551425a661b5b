//! A container's files, for whoever copies some.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use coffer_confine::ids::{Beside, IdMap, beside};
use coffer_sys::pidfd::has_ended;
use rustix::event::Timespec;
use rustix::fs::{self as rfs, Mode, OFlags};
use rustix::process::Pid;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::start::plan;
use super::{Container, ContainerError, Ready, Status};
use crate::cgroup::Entry;
use crate::files::{FilesError, Tree};
use crate::label;
use crate::launch::{Gate, Launch, Launched, Stdio, launch};
use crate::monitor::null;

/// Not waited for.
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// The tree of a container's files, with all that is mounted in it: volumes, and what it has in
/// memory.
#[derive(Debug)]
pub struct Files<'r> {
    root: OwnedFd,
    ids: Option<IdMap>,
    /// Of one that does not run.
    _held: Option<Held<'r>>,
}

/// A container that does not run, with its lock held, and a process that has made its mounts and
/// waits: nothing of the container's is ever executed by it.
#[derive(Debug)]
struct Held<'r> {
    _ready: Ready<'r>,
    launched: Option<Launched>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(launched) = self.launched.take() {
            launched.end();
        }
    }
}

impl<'r> Container<'r> {
    /// Its files, whether it runs or not. One that does not run is not started while they are held.
    ///
    /// # Errors
    /// Where its processes cannot be looked at, or its mounts cannot be made.
    pub fn files(self) -> Result<Files<'r>, ContainerError> {
        let id = self.record.id.clone();
        let failed = |source: io::Error| ContainerError::Process { id: id.clone(), source };
        if !matches!(self.status, Status::Running(_)) {
            let ready = self.prepare()?;
            let ids = ready.config.confinement.ids.clone();
            let held = hold(ready)?;
            let pid = held.launched.as_ref().map(|launched| launched.pid);
            let root = root_of(pid).map_err(failed)?;
            return Ok(Files { root, ids, _held: Some(held) });
        }
        let ids = self.config()?.confinement.ids;
        let init = self.init()?;
        let root = root_of(self.number()).map_err(failed)?;
        // While it lives, its number is nobody else's.
        if has_ended(init.as_fd(), NOW).map_err(|errno| failed(errno.into()))? {
            return Err(ContainerError::NotRunning { name: self.record.name });
        }
        Ok(Files { root, ids, _held: None })
    }
}

impl Files<'_> {
    /// Has a process beside this one work on the files, with the container's own ids and no rights
    /// beyond. In it `ours`, this process's end of their pipe, is closed.
    ///
    /// # Errors
    /// Where the process cannot be made.
    pub fn work<T, O>(
        &self,
        ours: &mut Option<O>,
        work: impl FnOnce(&Tree) -> Result<T, FilesError>,
    ) -> Result<Beside<T>, ContainerError>
    where
        T: Serialize + DeserializeOwned,
    {
        let started = beside(self.ids.as_ref(), || {
            drop(ours.take());
            rustix::process::umask(Mode::empty());
            let root = self.root.try_clone().map_err(FilesError::Root)?;
            work(&Tree::new(root))
        });
        Ok(started?)
    }
}

/// The root folder of a process, as it sees it.
fn root_of(pid: Option<Pid>) -> io::Result<OwnedFd> {
    let pid = pid.ok_or(io::ErrorKind::NotFound)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rfs::open(format!("/proc/{}/root", pid.as_raw_nonzero()), flags, Mode::empty())?)
}

/// Makes the container's mounts as a start does, in a process that goes no further.
fn hold(ready: Ready<'_>) -> Result<Held<'_>, ContainerError> {
    let carry = |source| ContainerError::Carry { id: ready.record.id.clone(), source };
    let plan = plan(&ready)?.up_to_its_root();
    let confinement = &ready.config.confinement;
    let ids = confinement.ids.as_ref();
    let relabel = &ready.config.relabel;
    label::apply(ready.locked.dir(), &confinement.labels, &ready.stack, ids, relabel)?;
    let inside = null().map_err(carry)?;
    let how = Launch {
        cgroup: &Entry::Nowhere,
        stdio: Stdio::Fds(inside.each_ref().map(AsFd::as_fd)),
        gate: Gate::Wait(inside[0].as_fd()),
    };
    let launched = launch(&plan, &how, &mut |_| Ok(()))?;
    Ok(Held { _ready: ready, launched: Some(launched) })
}
