//! What the rows do, inside the container. Each runs in a process of its own, which it may change.
#![expect(clippy::disallowed_methods, reason = "the prober looks at its own container by path")]

pub(crate) mod devices;
pub(crate) mod files;
pub(crate) mod groups;
pub(crate) mod mounts;
pub(crate) mod objects;
pub(crate) mod processes;
pub(crate) mod programs;
pub(crate) mod resources;
pub(crate) mod settings;
pub(crate) mod sockets;
pub(crate) mod volume;

use std::io;

use coffer_sys::attempt::{Call, attempt};

/// What a row gives: what it reached, or how it was stopped.
pub(crate) type Tried = Result<String, Stop>;

/// Why a row reached nothing.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It was stopped.
    Refused(io::Error),
    /// It could not be tried.
    Untried(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Refused(error)
    }
}

impl From<rustix::io::Errno> for Stop {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Refused(errno.into())
    }
}

/// Stopped, in words of ours.
pub(crate) fn refused<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Refused(io::Error::other(why.into())))
}

/// Not tried, and why.
pub(crate) fn untried<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Untried(why.into()))
}

/// One call.
pub(crate) fn call(what: Call) -> Tried {
    attempt(what)?;
    Ok("the kernel took the call".to_owned())
}

/// Two calls, the second of which needs the first.
pub(crate) fn calls(first: Call, second: Call) -> Tried {
    attempt(first)?;
    call(second)
}

/// Whether a capability is in force. Source: man 5 proc_pid_status, "CapEff".
pub(crate) fn holds(number: u32) -> Tried {
    let status = files::read("/proc/self/status", files::MOST)?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = line.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    match set {
        Some(set) if set >> number & 1 == 1 => Ok("in force".to_owned()),
        Some(_) => refused("not in force"),
        None => untried("/proc/self/status does not say"),
    }
}

/// A call by the 32-bit entry.
pub(crate) fn entry() -> Tried {
    coffer_sys::attempt::by_32_bit_entry()?;
    Ok("the kernel took the call".to_owned())
}
