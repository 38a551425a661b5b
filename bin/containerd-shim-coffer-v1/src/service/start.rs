//! `Start`: of a container that was created, and of an exec that was described.

use prost::Message;

use super::create::{Connected, attach};
use super::job::{Job, Made, Then};
use super::process::{Caller, Stage};
use super::{Answer, Shim};
use crate::cgroup::Oom;
use crate::failure::Failure;
use crate::journal::chain;
use crate::wire::event::{TaskExecStarted, TaskStart};
use crate::wire::task::{PidResponse, Which};

impl Shim {
    pub(super) fn start(&mut self, caller: Caller, which: &Which) -> Result<Answer, Failure> {
        let process = self.container(&which.id)?.process(&which.id, &which.exec_id)?;
        let stage = std::mem::replace(&mut process.stage, Stage::Starting { ended: None });
        let answer = match &stage {
            Stage::Created => match self.container(&which.id)?.images.clone() {
                Some(images) => self.restore(caller, &which.id, &images),
                None => self.simple(Some(caller), &which.id, "start", Then::Started),
            },
            Stage::Added { spec } => self.execute(caller, which, spec),
            _ => {
                process.stage = stage.clone();
                let (subject, state) = (subject(which), process.state());
                Err(Failure::State { subject, state, verb: "start" })
            }
        };
        if answer.is_err() {
            self.container(&which.id)?.process(&which.id, &which.exec_id)?.stage = stage;
        }
        answer
    }

    /// Has the runtime execute a further process.
    fn execute(&mut self, caller: Caller, which: &Which, spec: &[u8]) -> Result<Answer, Failure> {
        let [log, pid_file, process] = ["log", "pid", "process"].map(|what| self.name(what));
        let connected = self.connect_process(&which.id, &which.exec_id)?;
        self.container(&which.id)?.bundle.write(&process, spec)?;
        let Connected { inside, outside, console } = connected;
        let job = Job {
            caller: Some(caller),
            container: which.id.clone(),
            exec: which.exec_id.clone(),
            verb: "exec",
            log,
            then: Then::Executed(Made { pid_file, console }),
        };
        let id = which.id.clone();
        let answer = self.call(job, move |command, then| {
            command.args(["--detach", "--process", &process]);
            attach(command, inside, then);
            command.arg(id);
        })?;
        self.carry(&which.id, &which.exec_id, outside)?;
        Ok(answer)
    }

    /// The runtime has started the container.
    pub(super) fn started(&mut self, job: &Job) -> Result<Vec<u8>, Failure> {
        let container = self.container(&job.container)?;
        let watched = container.groups.as_ref().map_or(Ok(None), Oom::watch);
        let pid = container.init.number();
        match watched {
            Ok(oom) => container.oom = oom,
            Err(error) => {
                self.setting.journal.note(&format!("want of memory: {}", chain(&error)));
            }
        }
        let event = TaskStart { container_id: job.container.clone(), pid };
        self.setting.publisher.publish(&event);
        Ok(PidResponse { pid }.encode_to_vec())
    }

    /// The runtime has executed a further process.
    pub(super) fn executed(&mut self, job: &Job, made: Made) -> Result<Vec<u8>, Failure> {
        let pid = self.read_pid(job, &made.pid_file)?;
        self.container(&job.container)?.process(&job.container, &job.exec)?.pid = Some(pid);
        if let Some(console) = made.console {
            self.take_terminal(&job.container, &job.exec, console)?;
        }
        let process = self.container(&job.container)?.process(&job.container, &job.exec)?;
        let event = TaskExecStarted {
            container_id: job.container.clone(),
            exec_id: job.exec.clone(),
            pid: process.number(),
        };
        self.setting.publisher.publish(&event);
        Ok(PidResponse { pid: event.pid }.encode_to_vec())
    }
}

/// A process in a sentence.
pub(super) fn subject(which: &Which) -> String {
    match which.exec_id.is_empty() {
        true => format!("container {}", which.id),
        false => format!("exec {} of container {}", which.exec_id, which.id),
    }
}
