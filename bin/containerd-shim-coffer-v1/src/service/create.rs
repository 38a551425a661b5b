//! `Create`: the root is mounted, and the runtime makes the container.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use prost::Message;
use rustix::process::Pid;

use super::container::{Container, Motion};
use super::job::{Job, Made, Then};
use super::process::{Caller, Process, Stage};
use super::{Answer, Shim, restore};
use crate::bundle::Bundle;
use crate::cgroup::Groups;
use crate::failure::Failure;
use crate::io::console::Console;
use crate::io::stdio::{self, Inside, Outside, Owner, Shape, Wishes};
use crate::journal::chain;
use crate::rootfs;
use crate::runtime::{self, Runtime, RuntimeError};
use crate::wire::event::TaskCreate;
use crate::wire::task::{CreateTaskRequest, PidResponse};

/// How a new process is connected: to the runtime's command, to the shim, to the terminal's socket.
pub(super) struct Connected {
    pub(super) inside: Inside,
    pub(super) outside: Outside,
    pub(super) console: Option<Console>,
}

impl Shim {
    pub(super) fn create(
        &mut self,
        caller: Caller,
        request: CreateTaskRequest,
    ) -> Result<Answer, Failure> {
        if self.containers.contains_key(&request.id) {
            return Err(Failure::Exists(request.id));
        }
        let id = request.id.clone();
        let container = self.describe(request)?;
        rootfs::mount(&container.bundle, &container.mounts)?;
        let restored = container.images.is_some();
        self.containers.insert(id.clone(), container);
        let made = if restored { self.await_start(&id) } else { self.make(caller, &id) };
        if made.is_err() {
            self.undo(&id);
        }
        made
    }

    /// The container that is asked for, before anything is done for it.
    fn describe(&self, request: CreateTaskRequest) -> Result<Container, Failure> {
        let bundle = Bundle::open(&request.bundle)?;
        let options = runtime::options(request.options.as_ref())?;
        let images = restore::images(&request, &options)?;
        let config = bundle.config()?;
        let setting = &self.setting;
        let runtime = Runtime::new(&options, &setting.namespace, &config, &setting.beside);
        let wishes = Wishes {
            stdin: request.stdin,
            stdout: request.stdout,
            stderr: request.stderr,
            shape: Shape::of(request.terminal),
        };
        Ok(Container {
            bundle,
            runtime,
            pid_namespace: config.pid_namespace(),
            owner: Owner { uid: options.io_uid, gid: options.io_gid },
            mounts: request.rootfs,
            images,
            init: Process::new(wishes, Stage::Creating),
            execs: BTreeMap::new(),
            motion: Motion::Free,
            groups: None,
            oom: None,
        })
    }

    /// Has the runtime make the container.
    fn make(&mut self, caller: Caller, id: &str) -> Result<Answer, Failure> {
        let (log, pid_file) = (self.name("log"), self.name("pid"));
        let connected = self.connect_process(id, "")?;
        let container = self.container(id)?;
        container.runtime.save(&container.bundle)?;
        let (flags, bundle) =
            (container.runtime.create_flags(), container.bundle.path().to_owned());
        let Connected { inside, outside, console } = connected;
        let made = Made { pid_file, console };
        let (id, exec) = (id.to_owned(), String::new());
        let caller = Some(caller);
        let (verb, then) = ("create", Then::Created(made));
        let job = Job { caller, container: id.clone(), exec, verb, log, then };
        let arguments = [id.clone()];
        let answer = self.call(job, move |command, then| {
            command.arg("--bundle").arg(bundle).args(flags);
            attach(command, inside, then);
            command.args(arguments);
        })?;
        self.carry(&id, "", outside)?;
        Ok(answer)
    }

    /// The pipes of a new process, or the socket for its terminal.
    pub(super) fn connect_process(&mut self, id: &str, exec: &str) -> Result<Connected, Failure> {
        let socket = self.name("tty");
        let container = self.container(id)?;
        let owner = container.owner;
        let wishes = container.process(id, exec)?.wishes.clone();
        if wishes.shape == Shape::Terminal {
            let console = Some(Console::listen(container.bundle.as_fd(), socket)?);
            let (inside, outside) = (Inside::nothing(), Outside::default());
            return Ok(Connected { inside, outside, console });
        }
        let (inside, outside) = stdio::pipes(&wishes, owner)?;
        Ok(Connected { inside, outside, console: None })
    }

    /// Carries the streams of a process from now on.
    pub(super) fn carry(&mut self, id: &str, exec: &str, outside: Outside) -> Result<(), Failure> {
        let input = outside.input.map(|pump| self.streams.add(pump));
        let mut streams: Vec<u64> =
            outside.outputs.into_iter().map(|pump| self.streams.add(pump)).collect();
        streams.extend(input);
        let process = self.container(id)?.process(id, exec)?;
        process.streams = streams;
        process.input = input;
        process.keeper = outside.keeper;
        Ok(())
    }

    /// Takes over the terminal that the runtime has made.
    pub(super) fn take_terminal(
        &mut self,
        id: &str,
        exec: &str,
        console: Console,
    ) -> Result<(), Failure> {
        let master: OwnedFd = console.take()?;
        let process = self.container(id)?.process(id, exec)?;
        let outside = stdio::terminal(&process.wishes, &master)?;
        process.master = Some(master);
        self.carry(id, exec, outside)
    }

    /// The pid that the runtime has written down.
    pub(super) fn read_pid(&mut self, job: &Job, file: &str) -> Result<Pid, Failure> {
        let container = self.container(&job.container)?;
        let text = container.bundle.read(file, 64)?.unwrap_or_default();
        container.bundle.remove(file)?;
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
        number
            .and_then(Pid::from_raw)
            .ok_or_else(|| RuntimeError::NoPid { verb: job.verb, file: file.to_owned() }.into())
    }

    /// The runtime has ended.
    pub(super) fn created(&mut self, job: &Job, made: Made) -> Result<Vec<u8>, Failure> {
        let done = self.read_pid(job, &made.pid_file).and_then(|pid| {
            self.container(&job.container)?.init.pid = Some(pid);
            match made.console {
                Some(console) => self.take_terminal(&job.container, "", console).map(|()| pid),
                None => Ok(pid),
            }
        });
        let pid = match done {
            Ok(pid) => pid,
            Err(failure) => {
                // The runtime holds it for done, so it has to be asked to take it back.
                self.simple(None, &job.container, "delete", Then::Nothing)?;
                return Err(failure);
            }
        };
        self.find_groups(&job.container, pid)?;
        self.announce(&job.container).map(|response| response.encode_to_vec())
    }

    /// Looks up the control groups of a container's first process.
    pub(super) fn find_groups(&mut self, id: &str, pid: Pid) -> Result<(), Failure> {
        match Groups::of(pid) {
            Ok(groups) => self.container(id)?.groups = groups,
            Err(error) => self.setting.journal.note(&format!("control groups: {}", chain(&error))),
        }
        Ok(())
    }

    /// The container waits for its start: containerd is told.
    pub(super) fn announce(&mut self, id: &str) -> Result<PidResponse, Failure> {
        let container = self.container(id)?;
        container.init.stage = Stage::Created;
        let event = TaskCreate {
            container_id: id.to_owned(),
            bundle: container.bundle.path().to_owned(),
            rootfs: container.mounts.clone(),
            io: Some(container.init.task_io()),
            checkpoint: container.images.as_ref().map(|i| i.path.clone()).unwrap_or_default(),
            pid: container.init.number(),
        };
        self.setting.publisher.publish(&event);
        Ok(PidResponse { pid: event.pid })
    }

    /// Takes back what was done for a container that there will not be.
    pub(super) fn undo(&mut self, id: &str) {
        let Some(container) = self.containers.remove(id) else { return };
        for stream in &container.init.streams {
            self.streams.close(*stream);
        }
        if let Err(error) = rootfs::unmount(&container.bundle) {
            self.setting.journal.note(&chain(&error));
        }
    }
}

/// Gives the runtime's command the streams of the process, and the files to write to.
pub(super) fn attach(command: &mut std::process::Command, inside: Inside, then: &Then) {
    command.stdin(inside.stdin).stdout(inside.stdout).stderr(inside.stderr);
    if let Then::Created(made) | Then::Restored(made) | Then::Executed(made) = then {
        command.arg("--pid-file").arg(&made.pid_file);
        if let Some(console) = &made.console {
            command.arg("--console-socket").arg(console.name());
        }
    }
}
