//! `kill`: signals for a container.

use std::os::fd::AsFd;

use coffer_oci::runtime::{Namespace, NamespaceKind};
use coffer_sys::signal;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use super::{BundleError, Folder, State};

/// The number of the signal that nobody withstands.
const KILL: i32 = Signal::KILL.as_raw();

/// Who gets a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The container's first process.
    Init,
    /// All of its processes (`--all`).
    All,
}

/// Sends signal `number` to the container in `folder`.
///
/// # Errors
/// [`BundleError::NotRunning`] where nobody is there to get it.
pub fn kill(folder: &Folder, number: i32, audience: Audience) -> Result<(), BundleError> {
    let gone = || BundleError::NotRunning(folder.id().clone());
    let state = folder.state()?.ok_or_else(gone)?;
    match audience {
        // Nobody ends the others with the first one where it has no pid namespace of its own.
        Audience::Init if number == KILL && !has_own_pids(folder)? => end_all(folder, &state),
        Audience::All => to_all(folder, &state, number),
        Audience::Init => {
            let init = folder.init(&state)?.ok_or_else(gone)?;
            signal::send_to(init.as_fd(), number).map_err(|error| failed(folder, &error))
        }
    }
}

/// Whether its processes are in a namespace that was made for it.
fn has_own_pids(folder: &Folder) -> Result<bool, BundleError> {
    let saved = folder.saved()?.ok_or_else(|| BundleError::NotRunning(folder.id().clone()))?;
    let own =
        |namespace: &Namespace| namespace.kind == NamespaceKind::Pid && namespace.path.is_empty();
    Ok(saved.confinement.namespaces.iter().any(own))
}

/// Kills every process of its groups, as runc does it, whether the first one is there or not.
fn end_all(folder: &Folder, state: &State) -> Result<(), BundleError> {
    let cgroup = state.cgroup.open()?;
    let init = folder.init(state)?;
    if cgroup.pids()?.is_empty() && init.is_none() {
        return Err(BundleError::NotRunning(folder.id().clone()));
    }
    if let Some(init) = init {
        signal::send_to(init.as_fd(), KILL).map_err(|error| failed(folder, &error))?;
    }
    Ok(cgroup.kill()?)
}

/// To every process of its groups; without groups there is its first process only.
fn to_all(folder: &Folder, state: &State, number: i32) -> Result<(), BundleError> {
    let mut pids = state.cgroup.open()?.pids()?;
    if pids.is_empty() && folder.init(state)?.is_some() {
        pids.push(state.init.pid);
    }
    for pid in pids.into_iter().filter_map(Pid::from_raw) {
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => match signal::send_to(pidfd.as_fd(), number) {
                Err(error) if Errno::from_io_error(&error) != Some(Errno::SRCH) => {
                    return Err(failed(folder, &error));
                }
                _ => {}
            },
            Err(Errno::SRCH) => {}
            Err(errno) => return Err(BundleError::signal(folder.id(), errno)),
        }
    }
    Ok(())
}

fn failed(folder: &Folder, error: &std::io::Error) -> BundleError {
    BundleError::signal(folder.id(), Errno::from_io_error(error).unwrap_or(Errno::IO))
}
