//! The OCI runtime at work: a process whose end is waited for like any other event.

use std::process::{Command, Stdio};

use rustix::process::Pid;

use super::process::Caller;
use crate::io::console::Console;
use crate::runtime::RuntimeError;
use crate::wire::event::{TaskCheckpointed, TaskPaused, TaskResumed};

/// More than any log of the runtime's, in bytes.
pub const LOG_LIMIT: u64 = 1 << 20;

/// One call of the runtime.
#[derive(Debug)]
pub struct Job {
    /// Who gets the answer; nobody where the shim itself wants it done.
    pub caller: Option<Caller>,
    /// The container.
    pub container: String,
    /// The exec, or empty.
    pub exec: String,
    /// What it was asked for.
    pub verb: &'static str,
    /// The file in the bundle in which it says what went wrong.
    pub log: String,
    /// What follows.
    pub then: Then,
}

/// What follows once the runtime has done its part.
#[derive(Debug)]
pub enum Then {
    /// A container was created.
    Created(Made),
    /// A container was started.
    Started,
    /// A container goes on from the images of a checkpoint.
    Restored(Made),
    /// A further process runs.
    Executed(Made),
    /// A container was deleted.
    Deleted,
    /// A container is frozen.
    Paused(TaskPaused),
    /// A container goes on.
    Resumed(TaskResumed),
    /// Images of what a container was doing are written.
    Checkpointed(TaskCheckpointed),
    /// Nothing but an answer.
    Nothing,
}

/// Where the runtime leaves what it has made.
#[derive(Debug)]
pub struct Made {
    /// The file in the bundle with the pid.
    pub pid_file: String,
    /// The socket over which the terminal comes.
    pub console: Option<Console>,
}

/// Starts the runtime. It has no input and says what it has to say in its log, unless `command`
/// has been given other streams.
///
/// # Errors
/// It cannot be executed.
pub fn spawn(command: &mut Command) -> Result<Pid, RuntimeError> {
    let program = command.get_program().display().to_string();
    let failed = |source| RuntimeError::Spawn { program: program.clone(), source };
    let child = command.spawn().map_err(failed)?;
    // `child` is dropped without being waited for: the reaper does that for all.
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| failed(std::io::Error::from(rustix::io::Errno::SRCH)))
}

/// Gives `command` no streams at all.
pub fn silence(command: &mut Command) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
}
