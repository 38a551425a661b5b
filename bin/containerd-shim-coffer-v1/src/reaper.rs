//! Children that ended: runtimes that were called, and whatever containers leave to the shim.
//!
//! The shim is a subreaper (man 2 prctl, PR_SET_CHILD_SUBREAPER), so it has to reap strangers too,
//! and a pidfd for each would only tell what `SIGCHLD` tells anyhow. No status can be missed: the
//! signal is read before the children are, and all that are there are reaped each time.

use rustix::process::{Pid, WaitOptions, WaitStatus, wait};

use crate::wire::common::Timestamp;

/// How and when a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its status; 128 and the signal's number where one ended it.
    pub status: u32,
    /// When it was reaped.
    pub at: Timestamp,
}

/// All children that have ended and were not reaped yet.
#[must_use]
pub fn ended() -> Vec<(Pid, Exit)> {
    let next = || wait(WaitOptions::NOHANG).ok().flatten(); // ECHILD: there are none
    std::iter::from_fn(next)
        .map(|(pid, status)| (pid, Exit { status: number(status), at: Timestamp::now() }))
        .collect()
}

fn number(status: WaitStatus) -> u32 {
    let of = |n: i32| u32::try_from(n).unwrap_or_default();
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => of(code),
        (None, Some(signal)) => 128 + of(signal),
        (None, None) => 255,
    }
}
