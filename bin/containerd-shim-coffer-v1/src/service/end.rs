//! Ends: of runtimes that were called, and of containers' processes.

use prost::Message;
use rustix::process::Pid;

use super::Shim;
use super::container::Motion;
use super::job::{Job, Then};
use super::process::Stage;
use crate::bundle::PidNamespace;
use crate::failure::Failure;
use crate::journal::chain;
use crate::reaper::Exit;
use crate::wire::common::Empty;
use crate::wire::event::TaskExit;
use crate::wire::task::{KillRequest, WaitResponse};

impl Shim {
    /// Process `pid` was reaped.
    pub(super) fn reaped(&mut self, pid: Pid, exit: Exit) {
        if let Some(job) = self.jobs.remove(&pid) {
            self.finish(job, exit);
            if !self.jobs.values().any(Job::makes_a_process) {
                self.early.clear(); // nobody will ask for them any more
            }
            return;
        }
        let mut containers = self.containers.iter();
        let known = containers
            .find_map(|(id, known)| known.exec_of(pid).map(|exec| (id.clone(), exec.to_owned())));
        match known {
            Some((id, exec)) => self.ended(&id, &exec, exit),
            None if self.jobs.values().any(Job::makes_a_process) => {
                self.early.insert(pid, exit);
            }
            None => {} // what a container left behind
        }
    }

    /// The runtime has ended: answers, and goes on with what follows.
    fn finish(&mut self, job: Job, exit: Exit) {
        let mut job = job;
        let then = std::mem::replace(&mut job.then, Then::Nothing);
        let starts = matches!(then, Then::Started | Then::Restored(_) | Then::Executed(_));
        let creates = matches!(then, Then::Created(_));
        let result = self.verdict(&job, exit).and_then(|()| self.follow(&job, then));
        let is_done = result.is_ok();
        if creates && !is_done {
            self.undo(&job.container);
        }
        match job.caller {
            Some(caller) => self.answer(caller, result),
            None => {
                if let Err(failure) = result {
                    self.setting.journal.note(&chain(&failure));
                }
            }
        }
        if starts {
            self.settle(&job, is_done);
        } else if creates {
            self.catch_up(&job);
        }
    }

    fn follow(&mut self, job: &Job, then: Then) -> Result<Vec<u8>, Failure> {
        match then {
            Then::Created(made) => self.created(job, made),
            Then::Started => self.started(job),
            Then::Restored(made) => self.restored(job, made),
            Then::Executed(made) => self.executed(job, made),
            Then::Deleted => self.deleted(job),
            Then::Paused(event) => {
                self.container(&job.container)?.motion = Motion::Frozen;
                self.setting.publisher.publish(&event);
                Ok(Empty {}.encode_to_vec())
            }
            Then::Resumed(event) => {
                self.container(&job.container)?.motion = Motion::Free;
                self.setting.publisher.publish(&event);
                Ok(Empty {}.encode_to_vec())
            }
            Then::Checkpointed(event) => {
                self.setting.publisher.publish(&event);
                Ok(Empty {}.encode_to_vec())
            }
            Then::Nothing => Ok(Empty {}.encode_to_vec()),
        }
    }

    /// After a start, told in this order: it runs, it has ended.
    fn settle(&mut self, job: &Job, is_done: bool) {
        let Ok(container) = self.container(&job.container) else { return };
        let restores = container.images.is_some();
        let Ok(process) = container.process(&job.container, &job.exec) else { return };
        let Stage::Starting { ended } = process.stage else { return };
        process.stage = match (is_done, job.exec.is_empty()) {
            (true, _) => Stage::Running,
            (false, true) => Stage::Created,
            // An exec that could not be started is over, and can only be deleted.
            (false, false) => Stage::Exited(Exit { status: 255, ..ended.unwrap_or(NEVER) }),
        };
        if !is_done && (restores || !job.exec.is_empty()) {
            // There is no process that the streams could be of.
            let streams = std::mem::take(&mut process.streams);
            process.pid = None;
            streams.into_iter().for_each(|stream| self.streams.close(stream));
            return;
        }
        if let Some(exit) = ended {
            self.ended(&job.container, &job.exec, exit);
        }
        self.catch_up(job);
    }

    /// A process may have ended before anybody knew its number.
    fn catch_up(&mut self, job: &Job) {
        let Ok(container) = self.container(&job.container) else { return };
        let Ok(process) = container.process(&job.container, &job.exec) else { return };
        if let Some(pid) = process.pid
            && let Some(exit) = self.early.remove(&pid)
        {
            self.ended(&job.container, &job.exec, exit);
        }
    }

    /// A process of a container has ended.
    fn ended(&mut self, id: &str, exec: &str, exit: Exit) {
        let Some(container) = self.containers.get_mut(id) else { return };
        let pid_namespace = container.pid_namespace;
        let Ok(process) = container.process(id, exec) else { return };
        if let Stage::Starting { ended } = &mut process.stage {
            *ended = Some(exit);
            return;
        }
        process.stage = Stage::Exited(exit);
        process.keeper = None;
        let pid = process.number();
        let waiters = std::mem::take(&mut process.waiters);
        let input = process.input.take();
        let streams = process.streams.clone();
        if let Some(input) = input {
            self.streams.close(input);
        }
        streams.into_iter().for_each(|stream| self.streams.last(stream));
        self.setting.publisher.publish(&TaskExit {
            container_id: id.to_owned(),
            id: if exec.is_empty() { id } else { exec }.to_owned(),
            pid,
            exit_status: exit.status,
            exited_at: Some(exit.at),
        });
        let response = WaitResponse { exit_status: exit.status, exited_at: Some(exit.at) };
        for caller in waiters {
            self.answer(caller, Ok(response.encode_to_vec()));
        }
        if exec.is_empty() && pid_namespace == PidNamespace::Shared {
            self.sweep(id);
        }
    }

    /// Kills what the first process of a container without a pid namespace has left.
    fn sweep(&mut self, id: &str) {
        let request =
            KillRequest { id: id.to_owned(), exec_id: String::new(), signal: 9, all: true };
        if let Err(failure) = self.kill_all(None, &request) {
            self.setting.journal.note(&chain(&failure));
        }
    }
}

/// The end of what never ran.
const NEVER: Exit =
    Exit { status: 255, at: crate::wire::common::Timestamp { seconds: 0, nanos: 0 } };

impl Job {
    /// Whether a process comes of it whose number is not known yet.
    fn makes_a_process(&self) -> bool {
        matches!(self.then, Then::Created(_) | Then::Restored(_) | Then::Executed(_))
    }
}
