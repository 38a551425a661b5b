//! One process of a container, from its description to its end.

use std::os::fd::OwnedFd;

use rustix::process::Pid;

use crate::io::stdio::{Shape, Wishes};
use crate::reaper::Exit;
use crate::wire::event::TaskIo;
use crate::wire::task::Status;

/// Whom to answer, and which of his calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The connection.
    pub connection: u64,
    /// The call.
    pub stream: u32,
}

/// How far a process is.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// An exec that is described.
    Added {
        /// runtime-spec's `Process`, as JSON.
        spec: Vec<u8>,
    },
    /// A container whose runtime is making it.
    Creating,
    /// A container whose program waits to be started.
    Created,
    /// The runtime is starting it. An end that comes first is told after the start.
    Starting {
        /// That end.
        ended: Option<Exit>,
    },
    /// At work.
    Running,
    /// Over.
    Exited(Exit),
}

/// One process.
#[derive(Debug)]
pub struct Process {
    /// Its input and output, as they were asked for.
    pub wishes: Wishes,
    /// How far it is.
    pub stage: Stage,
    /// Its number, once it has one.
    pub pid: Option<Pid>,
    /// Who waits for its end.
    pub waiters: Vec<Caller>,
    /// Its streams, by their numbers in [`super::streams::Streams`].
    pub streams: Vec<u64>,
    /// The stream of its input, which is also in `streams`.
    pub input: Option<u64>,
    /// See [`crate::io::source::Source::keeper`].
    pub keeper: Option<OwnedFd>,
    /// Its terminal's master end.
    pub master: Option<OwnedFd>,
}

impl Process {
    /// A process with nothing but a description.
    #[must_use]
    pub const fn new(wishes: Wishes, stage: Stage) -> Self {
        Self {
            wishes,
            stage,
            pid: None,
            waiters: Vec::new(),
            streams: Vec::new(),
            input: None,
            keeper: None,
            master: None,
        }
    }

    /// Its number as containerd's messages carry it; 0 where it has none.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.pid.map_or(0, |pid| u32::try_from(pid.as_raw_nonzero().get()).unwrap_or_default())
    }

    /// How it ended, if it did.
    #[must_use]
    pub const fn exit(&self) -> Option<Exit> {
        match self.stage {
            Stage::Exited(exit) => Some(exit),
            _ => None,
        }
    }

    /// Whether it may be frozen, signalled and counted.
    #[must_use]
    pub const fn is_alive(&self) -> bool {
        matches!(self.stage, Stage::Created | Stage::Starting { .. } | Stage::Running)
    }

    /// As containerd's messages say it.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self.stage {
            Stage::Added { .. } | Stage::Creating | Stage::Created | Stage::Starting { .. } => {
                Status::Created
            }
            Stage::Running => Status::Running,
            Stage::Exited(_) => Status::Stopped,
        }
    }

    /// The same, for a sentence.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        match self.stage {
            Stage::Added { .. } => "not started",
            Stage::Creating => "being created",
            Stage::Created => "created",
            Stage::Starting { .. } => "being started",
            Stage::Running => "running",
            Stage::Exited(_) => "stopped",
        }
    }

    /// Its input and output, as an event says it.
    #[must_use]
    pub fn task_io(&self) -> TaskIo {
        TaskIo {
            stdin: self.wishes.stdin.clone(),
            stdout: self.wishes.stdout.clone(),
            stderr: self.wishes.stderr.clone(),
            terminal: self.wishes.shape == Shape::Terminal,
        }
    }
}
