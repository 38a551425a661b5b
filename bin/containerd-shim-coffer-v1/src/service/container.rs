//! One container: its first process, what was executed beside it, and where it is on the host.

use std::collections::BTreeMap;

use rustix::process::Pid;

use super::process::Process;
use crate::bundle::{Bundle, PidNamespace};
use crate::cgroup::{Groups, Oom};
use crate::failure::Failure;
use crate::io::stdio::Owner;
use crate::runtime::Runtime;
use crate::wire::common::Mount;

/// One container.
#[derive(Debug)]
pub struct Container {
    /// Its folder.
    pub bundle: Bundle,
    /// Who makes it.
    pub runtime: Runtime,
    /// Whether its processes end with the first.
    pub pid_namespace: PidNamespace,
    /// Who owns its pipes.
    pub owner: Owner,
    /// The mounts of its root, as they were asked for.
    pub mounts: Vec<Mount>,
    /// The images that its first start restores it from.
    pub images: Option<Images>,
    /// Its first process.
    pub init: Process,
    /// What was executed beside it, by id.
    pub execs: BTreeMap<String, Process>,
    /// Whether it moves.
    pub motion: Motion,
    /// Its control groups; `None` where it has none of its own.
    pub groups: Option<Groups>,
    /// Watches its memory.
    pub oom: Option<Oom>,
}

/// The images of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Their folder.
    pub path: String,
    /// The folder of CRIU's log.
    pub work: String,
}

/// Whether the processes of a container may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// They may.
    Free,
    /// They are frozen.
    Frozen,
}

impl Container {
    /// The process `exec`; the first one where that is empty.
    ///
    /// # Errors
    /// There is none of that id.
    pub fn process(&mut self, id: &str, exec: &str) -> Result<&mut Process, Failure> {
        if exec.is_empty() {
            return Ok(&mut self.init);
        }
        self.execs
            .get_mut(exec)
            .ok_or_else(|| Failure::NoExec { container: id.to_owned(), exec: exec.to_owned() })
    }

    /// The id of the process with the number `pid`: of an exec, or empty.
    #[must_use]
    pub fn exec_of(&self, pid: Pid) -> Option<&str> {
        if self.init.pid == Some(pid) && self.init.exit().is_none() {
            return Some("");
        }
        let mut execs = self.execs.iter();
        let is_it = |process: &Process| process.pid == Some(pid) && process.exit().is_none();
        execs.find(|(_, process)| is_it(process)).map(|(id, _)| id.as_str())
    }
}
