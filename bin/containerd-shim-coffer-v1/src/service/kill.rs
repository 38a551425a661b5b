//! `Kill`, `Pause`, `Resume` and `Update`: what is done to a container that is there.

use std::io::{Seek, Write};
use std::process::Stdio;

use coffer_sys::signal;
use rustix::fs::{MemfdFlags, memfd_create};

use super::container::Motion;
use super::job::{Job, Then};
use super::process::{Caller, Stage};
use super::start::subject;
use super::{Answer, Shim};
use crate::failure::Failure;
use crate::wire::common::Empty;
use crate::wire::event::{TaskPaused, TaskResumed};
use crate::wire::task::{KillRequest, UpdateTaskRequest, Which};

impl Shim {
    /// A signal to one process is sent here: the shim is its parent, so the number is its own until
    /// it was reaped. All processes, and those of a frozen container, are the runtime's work.
    pub(super) fn kill(
        &mut self,
        caller: Caller,
        request: &KillRequest,
    ) -> Result<Answer, Failure> {
        let which = Which { id: request.id.clone(), exec_id: request.exec_id.clone() };
        let container = self.container(&request.id)?;
        let motion = container.motion;
        let process = container.process(&request.id, &request.exec_id)?;
        let number = i32::try_from(request.signal).unwrap_or_default();
        let pid = match (&process.stage, process.pid) {
            (Stage::Created | Stage::Starting { .. } | Stage::Running, Some(pid)) => pid,
            (Stage::Exited(_), _) if !request.all => {
                return Err(Failure::Finished(subject(&which)));
            }
            (Stage::Exited(_), Some(pid)) => pid,
            _ => {
                let state = process.state();
                return Err(Failure::State { subject: subject(&which), state, verb: "kill" });
            }
        };
        if request.exec_id.is_empty() && (request.all || motion == Motion::Frozen) {
            return self.kill_all(Some(caller), request);
        }
        signal::send(pid, number).map_err(|errno| Failure::Process {
            what: "a signal to the end",
            pid: pid.as_raw_nonzero().get(),
            source: errno.into(),
        })?;
        Ok(Answer::now(&Empty {}))
    }

    /// Has the runtime signal a container.
    pub(super) fn kill_all(
        &mut self,
        caller: Option<Caller>,
        request: &KillRequest,
    ) -> Result<Answer, Failure> {
        let (log, exec) = (self.name("log"), String::new());
        let (container, then) = (request.id.clone(), Then::Nothing);
        let job = Job { caller, container, exec, verb: "kill", log, then };
        let (all, id) = (request.all, request.id.clone());
        let number = request.signal.to_string();
        self.call(job, move |command, _| {
            if all {
                command.arg("--all");
            }
            command.args([id, number]);
        })
    }

    pub(super) fn pause(&mut self, caller: Caller, which: &Which) -> Result<Answer, Failure> {
        self.must_be(which, Motion::Free, "pause")?;
        let event = TaskPaused { container_id: which.id.clone() };
        self.simple(Some(caller), &which.id, "pause", Then::Paused(event))
    }

    pub(super) fn resume(&mut self, caller: Caller, which: &Which) -> Result<Answer, Failure> {
        self.must_be(which, Motion::Frozen, "resume")?;
        let event = TaskResumed { container_id: which.id.clone() };
        self.simple(Some(caller), &which.id, "resume", Then::Resumed(event))
    }

    fn must_be(
        &mut self,
        which: &Which,
        motion: Motion,
        verb: &'static str,
    ) -> Result<(), Failure> {
        let container = self.container(&which.id)?;
        if container.init.is_alive() && container.motion == motion {
            return Ok(());
        }
        let state = match container.motion {
            Motion::Frozen => "paused",
            Motion::Free => container.init.state(),
        };
        Err(Failure::State { subject: subject(which), state, verb })
    }

    /// The new limits go to the runtime as containerd gives them: runtime-spec's JSON.
    pub(super) fn update(
        &mut self,
        caller: Caller,
        request: &UpdateTaskRequest,
    ) -> Result<Answer, Failure> {
        let wrong = |reason: String| Failure::Invalid { field: "resources", reason };
        let resources = request.resources.as_ref().ok_or_else(|| wrong("is missing".to_owned()))?;
        let make = || -> std::io::Result<std::fs::File> {
            let memory = memfd_create("resources", MemfdFlags::CLOEXEC)?;
            let mut file = std::fs::File::from(memory);
            file.write_all(&resources.value)?;
            file.rewind()?;
            Ok(file)
        };
        let file = make().map_err(|error| wrong(error.to_string()))?;
        let (log, exec, id) = (self.name("log"), String::new(), request.id.clone());
        let (caller, then) = (Some(caller), Then::Nothing);
        let job = Job { caller, container: id.clone(), exec, verb: "update", log, then };
        self.call(job, move |command, _| {
            command.args(["--resources", "-", &id]).stdin(Stdio::from(file));
        })
    }
}
