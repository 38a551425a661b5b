//! The three streams of a process without a terminal: pipes, and who carries.

use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;

use rustix::fs::{OFlags, fchown, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Gid, Uid};

use super::IoError;
use super::pump::Pump;
use super::source::Source;
use super::target::Target;

/// What containerd asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Path of a fifo, or empty.
    pub stdin: String,
    /// As [`Target::parse`] takes it.
    pub stdout: String,
    /// As [`Target::parse`] takes it.
    pub stderr: String,
    /// Pipes or a terminal.
    pub shape: Shape,
}

/// How a process sees its input and output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Three pipes.
    #[default]
    Pipes,
    /// One terminal.
    Terminal,
}

impl Shape {
    /// As containerd's messages say it.
    #[must_use]
    pub const fn of(terminal: bool) -> Self {
        if terminal { Self::Terminal } else { Self::Pipes }
    }
}

/// Who owns the pipes, as the options say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// User on the host.
    pub uid: u32,
    /// Group on the host.
    pub gid: u32,
}

/// The process's ends, handed to the runtime that makes it.
#[derive(Debug)]
pub struct Inside {
    /// Standard input.
    pub stdin: Stdio,
    /// Standard output.
    pub stdout: Stdio,
    /// Standard error.
    pub stderr: Stdio,
}

impl Inside {
    /// Nothing to read, nobody to write to.
    #[must_use]
    pub fn nothing() -> Self {
        Self { stdin: Stdio::null(), stdout: Stdio::null(), stderr: Stdio::null() }
    }
}

/// The shim's side.
#[derive(Debug, Default)]
pub struct Outside {
    /// Carries standard input.
    pub input: Option<Pump>,
    /// Carry standard output and error.
    pub outputs: Vec<Pump>,
    /// See [`Source::keeper`].
    pub keeper: Option<OwnedFd>,
}

/// Makes the pipes of a process that has no terminal.
///
/// # Errors
/// A fifo cannot be opened, or a pipe not made.
pub fn pipes(wishes: &Wishes, owner: Owner) -> Result<(Inside, Outside), IoError> {
    let (mut inside, mut outside) = (Inside::nothing(), Outside::default());
    if !wishes.stdin.is_empty() {
        let source = Source::open(&wishes.stdin)?;
        let (theirs, ours) = pipe("input", owner)?;
        inside.stdin = theirs.into();
        non_blocking(&ours, "input")?;
        outside.input = Some(Pump::new(source.reader, ours));
        outside.keeper = Some(source.keeper);
    }
    let outputs = [
        (&wishes.stdout, &mut inside.stdout, "output"),
        (&wishes.stderr, &mut inside.stderr, "error"),
    ];
    for (named, end, stream) in outputs {
        if let Some(target) = Target::parse(named)?.open()? {
            let (ours, theirs) = pipe(stream, owner)?;
            *end = theirs.into();
            non_blocking(&ours, stream)?;
            outside.outputs.push(Pump::new(ours, target));
        }
    }
    Ok((inside, outside))
}

/// The shim's side of a process whose terminal is `master`.
///
/// # Errors
/// A fifo cannot be opened.
pub fn terminal(wishes: &Wishes, master: &OwnedFd) -> Result<Outside, IoError> {
    non_blocking(master, "output")?;
    let copy = || {
        let failed = |source| IoError::Pipe { stream: "output", source };
        master.as_fd().try_clone_to_owned().map_err(failed)
    };
    let mut outside = Outside::default();
    if !wishes.stdin.is_empty() {
        let source = Source::open(&wishes.stdin)?;
        outside.input = Some(Pump::new(source.reader, copy()?));
        outside.keeper = Some(source.keeper);
    }
    if let Some(target) = Target::parse(&wishes.stdout)?.open()? {
        outside.outputs.push(Pump::new(copy()?, target));
    }
    Ok(outside)
}

/// A pipe's reading and writing end.
fn pipe(stream: &'static str, owner: Owner) -> Result<(OwnedFd, OwnedFd), IoError> {
    let failed = |errno: rustix::io::Errno| IoError::Pipe { stream, source: errno.into() };
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    if owner != Owner::default() {
        // One inode behind both ends.
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        fchown(&reader, Some(uid), Some(gid)).map_err(failed)?;
    }
    Ok((reader, writer))
}

/// Only the shim's end: each end of a pipe has flags of its own, and a program does not expect
/// `EAGAIN` from its standard output.
fn non_blocking(fd: &OwnedFd, stream: &'static str) -> Result<(), IoError> {
    let failed = |errno: rustix::io::Errno| IoError::Pipe { stream, source: errno.into() };
    let flags = fcntl_getfl(fd).map_err(failed)?;
    fcntl_setfl(fd, flags | OFlags::NONBLOCK).map_err(failed)
}
