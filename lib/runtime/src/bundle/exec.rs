//! `exec`: another process in a container that runs.

use std::os::fd::{AsFd, OwnedFd};

use coffer_confine::confinement::{Confinement, Host, OfBundle, Warning};
use coffer_oci::runtime::Process;
use rustix::process::Pid;

use super::create::authority;
use super::user_home::home_of;
use super::{BundleError, Folder, Saved, State, Status};
use crate::launch::{Gate, Launch, Launched, Stdio, launch};
use crate::plan::{self, JoinInputs, Joined, Lines, Plan, RootChange};

/// What is executed.
#[derive(Clone, Copy, Debug)]
pub struct Exec<'a> {
    /// The process, whole: see [`Saved::process`] for what the container's own is.
    pub process: &'a Process,
    /// What happens in a container that is paused.
    pub paused: Paused,
    /// How many descriptors after the standard three stay open.
    pub preserved: u32,
    /// How the lines end that its terminal writes.
    pub lines: Lines,
    /// The groups that it joins below the container's own, as `[CONTROLLER,…:]PATH`; else those,
    /// or the group of its first process where it has given its controllers away.
    pub groups: &'a [&'a str],
}

/// What happens to a process that is to join a paused container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paused {
    /// It is refused.
    Refuse,
    /// It waits with the container (`--ignore-paused`).
    Join,
}

/// A process that was executed. It is the caller's child.
#[derive(Debug)]
pub struct Executed {
    /// Its number on the host.
    pub pid: Pid,
    /// It, whatever becomes of the number.
    pub process: OwnedFd,
    /// The master side of its terminal, where it has one.
    pub terminal: Option<OwnedFd>,
    /// What of its configuration means nothing on this host and was passed over.
    pub warnings: Vec<Warning>,
}

/// Executes a process in the container of `folder`, behind the container's own fence, which is
/// `saved` there.
///
/// # Errors
/// [`BundleError::NotRunning`], and why it could not be executed.
pub fn exec(folder: &Folder, saved: Saved, wanted: &Exec<'_>) -> Result<Executed, BundleError> {
    let state = running(folder, wanted.paused)?;
    let gone = || BundleError::NotRunning(folder.id().clone());
    let init = folder.init(&state)?.ok_or_else(gone)?;
    let host = Host::read();
    let OfBundle { confinement, warnings } = saved.confinement.of_process(wanted.process, &host)?;
    let pid = Pid::from_raw(state.init.pid).ok_or_else(gone)?;
    let root = format!("/proc/{}/root", pid.as_raw_pid());
    let home = home_of(wanted.process, root.as_ref());
    let bundle = plan::Bundle {
        id: folder.id().as_str(),
        folder: &state.bundle,
        root_change: RootChange::Pivot,
        keyring: saved.keyring,
        preserved: wanted.preserved,
        home: home.as_deref(),
        lines: wanted.lines,
    };
    let joined = Joined {
        bundle,
        annotations: &state.annotations,
        personality: saved.personality.as_ref(),
        memory_policy: saved.memory_policy.as_ref(),
        pid,
    };
    let plan = plan(&init, &confinement, &host, wanted.process, joined)?;
    let mut cgroup = match wanted.groups {
        [] => state.cgroup.open()?.beside(pid)?,
        groups => state.cgroup.open()?.below_each(groups)?,
    };
    let entry = cgroup.entry()?;
    let how = Launch { cgroup: &entry, stdio: Stdio::Inherit, gate: Gate::Open };
    let mut enter = |pid| {
        cgroup.enter(pid).map_err(std::io::Error::other)?;
        let class = state.rdt.as_ref();
        class.map_or(Ok(()), |class| class.enter(pid)).map_err(std::io::Error::other)
    };
    let Launched { pid, pidfd, terminal, .. } = launch(&plan, &how, &mut enter)?;
    Ok(Executed { pid, process: pidfd, terminal, warnings })
}

fn plan(
    init: &OwnedFd,
    confinement: &Confinement,
    host: &Host,
    process: &Process,
    joined: Joined<'_>,
) -> Result<Plan, BundleError> {
    Ok(Plan::join(JoinInputs {
        target: init.as_fd(),
        confinement,
        host,
        identity: &confinement.identity,
        process,
        authority: authority(),
        named: None,
        bundle: Some(joined),
    })?)
}

/// The container's state, where it can be joined. One that was created and not
/// started can: its namespaces are there.
fn running(folder: &Folder, paused: Paused) -> Result<State, BundleError> {
    let id = folder.id();
    let (state, status) = folder.status()?;
    match (status, paused) {
        (Status::Created | Status::Running, _) | (Status::Paused, Paused::Join) => {}
        (Status::Paused, Paused::Refuse) => {
            return Err(BundleError::Paused(id.clone()));
        }
        _ => return Err(BundleError::NotRunning(id.clone())),
    }
    state.ok_or_else(|| BundleError::NotRunning(id.clone()))
}
