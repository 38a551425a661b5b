//! `kill`: signals for a container.

use std::os::fd::AsFd;

use coffer_sys::signal;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::{BundleError, Folder, State};

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
        Audience::All => to_all(folder, &state, number),
        Audience::Init => {
            let init = folder.init(&state)?.ok_or_else(gone)?;
            signal::send_to(init.as_fd(), number).map_err(|error| failed(folder, &error))
        }
    }
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
