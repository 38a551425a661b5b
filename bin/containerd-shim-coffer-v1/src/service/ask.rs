//! What containerd asks without changing much: `State`, `Wait`, `Pids`, `Stats`, `Connect`,
//! `ResizePty`, `CloseIO`.

use std::collections::BTreeSet;

use rustix::termios::{Winsize, tcsetwinsize};

use super::container::Motion;
use super::process::Caller;
use super::{Answer, Shim};
use crate::failure::Failure;
use crate::io::stdio::Shape;
use crate::wire::common::{Any, Empty};
use crate::wire::options::{PROCESS_DETAILS, ProcessDetails};
use crate::wire::task::{
    CloseIoRequest, ConnectResponse, PidsResponse, ProcessInfo, ResizePtyRequest, StateResponse,
    StatsResponse, Status, WaitResponse, Which,
};

impl Shim {
    pub(super) fn state(&mut self, which: &Which) -> Result<Answer, Failure> {
        let container = self.container(&which.id)?;
        let (motion, bundle) = (container.motion, container.bundle.path().to_owned());
        let process = container.process(&which.id, &which.exec_id)?;
        let status = match (process.status(), motion) {
            (Status::Running, Motion::Frozen) => Status::Paused,
            (status, _) => status,
        };
        let exit = process.exit();
        let id = if which.exec_id.is_empty() { &which.id } else { &which.exec_id };
        Ok(Answer::now(&StateResponse {
            id: id.clone(),
            bundle,
            pid: process.number(),
            status: status.into(),
            stdin: process.wishes.stdin.clone(),
            stdout: process.wishes.stdout.clone(),
            stderr: process.wishes.stderr.clone(),
            terminal: process.wishes.shape == Shape::Terminal,
            exit_status: exit.map_or(0, |exit| exit.status),
            exited_at: exit.map(|exit| exit.at),
            exec_id: which.exec_id.clone(),
        }))
    }

    pub(super) fn wait(&mut self, caller: Caller, which: &Which) -> Result<Answer, Failure> {
        let process = self.container(&which.id)?.process(&which.id, &which.exec_id)?;
        let Some(exit) = process.exit() else {
            process.waiters.push(caller);
            return Ok(Answer::Later);
        };
        Ok(Answer::now(&WaitResponse { exit_status: exit.status, exited_at: Some(exit.at) }))
    }

    /// All processes of the container's control groups; where it has none of its own, those that
    /// the shim knows.
    pub(super) fn pids(&mut self, which: &Which) -> Result<Answer, Failure> {
        let container = self.container(&which.id)?;
        let known = [("", &container.init)]
            .into_iter()
            .chain(container.execs.iter().map(|(id, process)| (id.as_str(), process)));
        let known: Vec<(u32, &str)> = known
            .filter(|(_, process)| process.is_alive() && process.pid.is_some())
            .map(|(id, process)| (process.number(), id))
            .collect();
        let pids = match &container.groups {
            Some(groups) => groups
                .pids()
                .map_err(|source| Failure::Group { container: which.id.clone(), source })?,
            None => known.iter().map(|(pid, _)| *pid).collect::<BTreeSet<u32>>(),
        };
        let info = |pid: u32| {
            let (_, exec_id) = known.iter().find(|(known, id)| *known == pid && !id.is_empty())?;
            Some(Any::new(PROCESS_DETAILS, &ProcessDetails { exec_id: (*exec_id).to_owned() }))
        };
        let processes = pids.into_iter().map(|pid| ProcessInfo { pid, info: info(pid) }).collect();
        Ok(Answer::now(&PidsResponse { processes }))
    }

    pub(super) fn stats(&mut self, which: &Which) -> Result<Answer, Failure> {
        let container = self.container(&which.id)?;
        let Some(groups) = &container.groups else {
            return Err(Failure::NoContainer(format!("{}'s control group", which.id)));
        };
        let stats = groups
            .metrics()
            .map_err(|source| Failure::Group { container: which.id.clone(), source })?;
        Ok(Answer::now(&StatsResponse { stats: Some(stats) }))
    }

    pub(super) fn connect(&mut self, which: &Which) -> Result<Answer, Failure> {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        Ok(Answer::now(&ConnectResponse {
            shim_pid: u32::try_from(pid).unwrap_or_default(),
            task_pid: self.containers.get(&which.id).map_or(0, |known| known.init.number()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }

    pub(super) fn resize(&mut self, request: &ResizePtyRequest) -> Result<Answer, Failure> {
        let process = self.container(&request.id)?.process(&request.id, &request.exec_id)?;
        let number = process.number();
        // Before it is started, and without a terminal, there is nothing to be resized.
        let Some(master) = &process.master else { return Ok(Answer::now(&Empty {})) };
        let size = |n: u32| u16::try_from(n).unwrap_or(u16::MAX);
        let size = Winsize {
            ws_row: size(request.height),
            ws_col: size(request.width),
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(master, size).map_err(|errno| Failure::Process {
            what: "the terminal's size",
            pid: i32::try_from(number).unwrap_or_default(),
            source: errno.into(),
        })?;
        Ok(Answer::now(&Empty {}))
    }

    pub(super) fn close_io(&mut self, request: &CloseIoRequest) -> Result<Answer, Failure> {
        let process = self.container(&request.id)?.process(&request.id, &request.exec_id)?;
        if request.stdin {
            process.keeper = None;
        }
        Ok(Answer::now(&Empty {}))
    }
}
