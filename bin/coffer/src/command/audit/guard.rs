//! Who clears away behind an audit that is killed: a process that waits for its end.
//!
//! What an audit aims at lies in the host's kernel, where nothing goes with its maker.

use std::os::fd::AsFd;

use coffer_sys::{exec, spawn};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{PidfdFlags, getpid, pidfd_open, setsid};

use crate::failure::Failure;

/// Has `clear` called once this process has ended, however that was. To be called before there is
/// a thread.
pub(super) fn start(clear: impl FnOnce()) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new("cannot make a process that clears away behind the audit")
            .because(error.to_string())
    };
    let audit = pidfd_open(getpid(), PidfdFlags::empty()).map_err(|error| failed(error.into()))?;
    if spawn::fork().map_err(failed)?.is_some() {
        return Ok(());
    }
    // Nobody waits for this one: it stays out of the way of the terminal's signals and of whoever
    // reads what the audit prints.
    setsid().map(drop).unwrap_or_default();
    exec::close_all_except(3, &[audit.as_fd()]).unwrap_or_default();
    while poll(&mut [PollFd::new(&audit, PollFlags::IN)], None).is_err() {}
    clear();
    spawn::exit_now(0)
}
