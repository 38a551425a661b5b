//! `start`: finds the shim of the container's group, or becomes one.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use coffer_sys::signalfd::SignalFd;
use coffer_sys::spawn::{Clone3, Parent, spawn};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Signal, getpid, getppid, set_child_subreaper, setsid};
use rustix::thread::UnshareFlags;
use thiserror::Error;

use crate::address::{Address, AddressError, Seat};
use crate::bundle::{Bundle, BundleError};
use crate::flags::Flags;
use crate::journal::Journal;
use crate::publisher::Publisher;
use crate::service::{Setting, Shim};

/// Why no shim could be started.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// The bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// Its socket cannot be had.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The process that stays cannot be made, or cannot set itself up.
    #[error("the shim's process: {step}")]
    Process {
        /// What was tried.
        step: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

/// What the environment says.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// containerd's socket for events.
    pub events: String,
    /// The shim's own program.
    pub program: PathBuf,
    /// The bundle's path.
    pub bundle: String,
}

/// Finds or makes the shim, and gives its address. A new one is a copy of this process, without
/// another exec: it listens before this one ends, so containerd's first connection is not refused.
///
/// # Errors
/// See [`LaunchError`].
pub fn launch(flags: &Flags, surroundings: &Surroundings) -> Result<String, LaunchError> {
    let bundle = Bundle::open(&surroundings.bundle)?;
    let config = bundle.config()?;
    let group = config.group().unwrap_or(&flags.id);
    let address = Address::of(&flags.address, &flags.namespace, group);
    bundle.write_address(&address.uri())?;
    let uri = address.uri();
    if let Seat::Free(listener) = address.claim()? {
        let how =
            Clone3 { namespaces: UnshareFlags::empty(), cgroup: None, parent: Parent::Caller };
        spawn(how, || stay(flags, surroundings, &bundle, address, listener))
            .map_err(|source| LaunchError::Process { step: "clone", source })?;
    }
    Ok(uri)
}

/// The life of the shim itself; gives its exit status.
fn stay(
    flags: &Flags,
    surroundings: &Surroundings,
    bundle: &Bundle,
    address: Address,
    listener: OwnedFd,
) -> i32 {
    let journal = Journal::new(log(bundle));
    let signals = match detach() {
        Ok(signals) => signals,
        Err(error) => {
            journal.note(&crate::journal::chain(&error));
            return 1;
        }
    };
    let beside = surroundings.program.parent().map(PathBuf::from).unwrap_or_default();
    let publisher = Publisher::new(surroundings.events.clone(), flags.namespace.clone());
    let namespace = flags.namespace.clone();
    let setting = Setting { namespace, address, listener, signals, publisher, journal, beside };
    match Shim::new(setting).run() {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

/// Leaves the one who started it: session, streams, folder, and what would be killed with it.
fn detach() -> Result<SignalFd, LaunchError> {
    let failed =
        |step: &'static str| move |source: io::Error| LaunchError::Process { step, source };
    let errno = |step: &'static str| {
        move |errno: rustix::io::Errno| LaunchError::Process { step, source: errno.into() }
    };
    setsid().map_err(errno("setsid"))?;
    let nothing = openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(errno("/dev/null"))?;
    rustix::stdio::dup2_stdin(&nothing).map_err(errno("standard input"))?;
    rustix::stdio::dup2_stdout(&nothing).map_err(errno("standard output"))?;
    rustix::stdio::dup2_stderr(&nothing).map_err(errno("standard error"))?;
    rustix::process::chdir("/").map_err(errno("chdir"))?;
    set_child_subreaper(Some(getpid())).map_err(errno("child subreaper"))?;
    score().map_err(failed("oom_score_adj"))?;
    let signals = [Signal::CHILD, Signal::TERM, Signal::INT, Signal::HUP, Signal::PIPE];
    SignalFd::new(&signals).map_err(failed("signals"))
}

/// Before containerd, the kernel kills its shims (containerd runtime/v2/shim/util_unix.go,
/// AdjustOOMScore).
fn score() -> io::Result<()> {
    let parent = getppid().map_or(1, |pid| pid.as_raw_nonzero().get());
    let read = |path: String| -> io::Result<String> {
        let file = openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        io::read_to_string(File::from(file))
    };
    let Ok(text) = read(format!("/proc/{parent}/oom_score_adj")) else { return Ok(()) };
    let score: i32 = text.trim().parse().unwrap_or_default();
    let own =
        openat(CWD, "/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    File::from(own).write_all((score + 1).min(1000).to_string().as_bytes())
}

/// The fifo that containerd reads; without it the shim is silent. Open for reading too, so that it
/// can be opened before containerd does (man 7 fifo).
fn log(bundle: &Bundle) -> Option<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    openat(bundle, "log", flags, Mode::empty()).ok()
}
