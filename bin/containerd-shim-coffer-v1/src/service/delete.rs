//! `Delete`: of an exec, and of a container that has ended.

use prost::Message;

use super::job::{Job, Then};
use super::process::{Caller, Stage};
use super::start::subject;
use super::{Answer, Shim};
use crate::failure::Failure;
use crate::rootfs;
use crate::wire::event::TaskDelete;
use crate::wire::task::{DeleteResponse, Which};

impl Shim {
    pub(super) fn delete(&mut self, caller: Caller, which: &Which) -> Result<Answer, Failure> {
        let container = self.container(&which.id)?;
        let process = container.process(&which.id, &which.exec_id)?;
        match (&process.stage, which.exec_id.is_empty()) {
            (Stage::Exited(_), _) | (Stage::Created, true) | (Stage::Added { .. }, false) => {}
            _ => {
                let state = process.state();
                return Err(Failure::State { subject: subject(which), state, verb: "delete" });
            }
        }
        if !which.exec_id.is_empty() {
            let response = response(process);
            let streams = process.streams.clone();
            container.execs.remove(&which.exec_id);
            streams.into_iter().for_each(|stream| self.streams.close(stream));
            return Ok(Answer::now(&response));
        }
        container.oom = None; // its group goes, which is no want of memory
        // By force: what the runtime has forgotten already is deleted too.
        self.delete_by_force(Some(caller), &which.id, Then::Deleted)
    }

    /// Has the runtime delete a container, in whatever state it is.
    pub(super) fn delete_by_force(
        &mut self,
        caller: Option<Caller>,
        id: &str,
        then: Then,
    ) -> Result<Answer, Failure> {
        let (log, exec, container) = (self.name("log"), String::new(), id.to_owned());
        let job = Job { caller, container, exec, verb: "delete", log, then };
        self.call(job, move |command, _| {
            command.args(["--force", id]);
        })
    }

    /// The runtime has deleted the container.
    pub(super) fn deleted(&mut self, job: &Job) -> Result<Vec<u8>, Failure> {
        let container = self.container(&job.container)?;
        rootfs::unmount(&container.bundle)?;
        let response = response(&container.init);
        if let Some(container) = self.containers.remove(&job.container) {
            let processes = container.execs.into_values().chain([container.init]);
            for stream in processes.flat_map(|process| process.streams) {
                self.streams.close(stream);
            }
        }
        let event = TaskDelete {
            container_id: job.container.clone(),
            pid: response.pid,
            exit_status: response.exit_status,
            exited_at: response.exited_at,
            id: String::new(),
        };
        self.setting.publisher.publish(&event);
        Ok(response.encode_to_vec())
    }
}

fn response(process: &super::process::Process) -> DeleteResponse {
    let exit = process.exit();
    DeleteResponse {
        pid: process.number(),
        exit_status: exit.map_or(0, |exit| exit.status),
        exited_at: exit.map(|exit| exit.at),
    }
}
