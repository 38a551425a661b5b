//! The task service: what containerd asks of a shim, and what follows.
//!
//! [`Shim`] is all the state there is. A request is answered at once, or remembered as a [`job`]
//! or a waiter and answered when the event comes. Each file has the requests and the events of one
//! stretch of a container's life.

pub mod container;
pub mod job;
pub mod process;
pub mod streams;

mod ask;
mod checkpoint;
mod create;
mod delete;
mod end;
mod exec;
mod kill;
mod restore;
mod start;
mod turn;

use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Command;

use coffer_sys::signalfd::SignalFd;
use prost::Message;
use rustix::process::Pid;

use self::container::Container;
use self::job::{Job, Then};
use self::process::Caller;
use self::streams::Streams;
use crate::address::Address;
use crate::failure::Failure;
use crate::journal::Journal;
use crate::publisher::Publisher;
use crate::reaper::Exit;
use crate::runtime::RuntimeError;
use crate::transport::Connection;
use crate::wire::call::{Request, Response};
use crate::wire::common::Empty;
use crate::wire::task;

/// What a shim is made of when it begins.
#[derive(Debug)]
pub struct Setting {
    /// containerd's namespace.
    pub namespace: String,
    /// Where it listens.
    pub address: Address,
    /// The socket there.
    pub listener: OwnedFd,
    /// `SIGCHLD`, and what would end a shim by mistake.
    pub signals: SignalFd,
    /// Events go here.
    pub publisher: Publisher,
    /// What nobody asked goes here.
    pub journal: Journal,
    /// The folder of the shim's own program.
    pub beside: PathBuf,
}

/// A shim.
#[derive(Debug)]
pub struct Shim {
    setting: Setting,
    containers: BTreeMap<String, Container>,
    connections: BTreeMap<u64, Connection>,
    jobs: HashMap<Pid, Job>,
    /// Ends of processes that nobody knows yet: their numbers come when the runtime has ended.
    early: HashMap<Pid, Exit>,
    streams: Streams,
    count: u64,
    phase: Phase,
}

/// Whether the shim goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// As soon as everything that was to be said is said.
    Leaving,
}

/// What a request comes to.
#[derive(Debug)]
enum Answer {
    /// This message.
    Now(Vec<u8>),
    /// An event will answer it.
    Later,
}

impl Answer {
    fn now(message: &impl Message) -> Self {
        Self::Now(message.encode_to_vec())
    }
}

impl Shim {
    /// A shim without containers.
    #[must_use]
    pub fn new(setting: Setting) -> Self {
        Self {
            setting,
            containers: BTreeMap::new(),
            connections: BTreeMap::new(),
            jobs: HashMap::new(),
            early: HashMap::new(),
            streams: Streams::default(),
            count: 0,
            phase: Phase::Serving,
        }
    }

    /// Does what is asked.
    fn serve(&mut self, caller: Caller, request: &Request) -> Result<Answer, Failure> {
        if request.service != task::SERVICE {
            return Err(Failure::Unimplemented(request.service.clone()));
        }
        let message = request.payload.as_slice();
        match &*request.method {
            "Create" => self.create(caller, Message::decode(message)?),
            "Start" => self.start(caller, &Message::decode(message)?),
            "Delete" => self.delete(caller, &Message::decode(message)?),
            "Exec" => self.exec(Message::decode(message)?),
            "Kill" => self.kill(caller, &Message::decode(message)?),
            "Wait" => self.wait(caller, &Message::decode(message)?),
            "State" => self.state(&Message::decode(message)?),
            "Pids" => self.pids(&Message::decode(message)?),
            "Pause" => self.pause(caller, &Message::decode(message)?),
            "Resume" => self.resume(caller, &Message::decode(message)?),
            "Update" => self.update(caller, &Message::decode(message)?),
            "Checkpoint" => self.checkpoint(caller, &Message::decode(message)?),
            "Stats" => self.stats(&Message::decode(message)?),
            "ResizePty" => self.resize(&Message::decode(message)?),
            "CloseIO" => self.close_io(&Message::decode(message)?),
            "Connect" => self.connect(&Message::decode(message)?),
            "Shutdown" => Ok(self.shutdown()),
            other => Err(Failure::Unimplemented(format!("{}.{other}", task::SERVICE))),
        }
    }

    /// Answers a call.
    fn answer(&mut self, caller: Caller, result: Result<Vec<u8>, Failure>) {
        let response = match result {
            Ok(payload) => Response { status: None, payload },
            Err(failure) => Response { status: Some(failure.status()), payload: Vec::new() },
        };
        // A client that has gone wants no answer.
        if let Some(connection) = self.connections.get_mut(&caller.connection) {
            connection.answer(caller.stream, &response);
        }
    }

    fn container(&mut self, id: &str) -> Result<&mut Container, Failure> {
        self.containers.get_mut(id).ok_or_else(|| Failure::NoContainer(id.to_owned()))
    }

    /// A name that nothing else has in a bundle.
    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("coffer-{what}-{}", self.count)
    }

    /// Calls the runtime for `id`; `prepare` adds to its command line.
    fn call(
        &mut self,
        job: Job,
        prepare: impl FnOnce(&mut Command, &mut Then),
    ) -> Result<Answer, Failure> {
        let mut job = job;
        let container = self.container(&job.container)?;
        let mut command = container.runtime.command(&container.bundle, &job.log, job.verb);
        job::silence(&mut command);
        prepare(&mut command, &mut job.then);
        let pid = job::spawn(&mut command)?;
        self.jobs.insert(pid, job);
        Ok(Answer::Later)
    }

    /// A call of the runtime that takes no more than the container's id.
    fn simple(
        &mut self,
        caller: Option<Caller>,
        container: &str,
        verb: &'static str,
        then: Then,
    ) -> Result<Answer, Failure> {
        let (exec, log) = (String::new(), self.name("log"));
        let job = Job { caller, container: container.to_owned(), exec, verb, log, then };
        let id = container.to_owned();
        self.call(job, |command, _| {
            command.arg(id);
        })
    }

    /// What the runtime has to say for itself.
    fn verdict(&mut self, job: &Job, exit: Exit) -> Result<(), Failure> {
        let container = self.container(&job.container)?;
        let log = container.bundle.read(&job.log, job::LOG_LIMIT)?.unwrap_or_default();
        container.bundle.remove(&job.log)?;
        if exit.status == 0 {
            return Ok(());
        }
        let program = container.runtime.program();
        let said = crate::runtime::last_words(&log)
            .unwrap_or_else(|| format!("{program} ended with status {}", exit.status));
        Err(RuntimeError::Refused { verb: job.verb, said }.into())
    }

    fn shutdown(&mut self) -> Answer {
        // containerd asks after each container; a pod's shim stays for the others.
        if self.containers.is_empty() {
            self.phase = Phase::Leaving;
        }
        Answer::now(&Empty {})
    }
}
