//! Starts a container's first process.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_confine::confinement::Host;
use coffer_confine::ids::{ContainerGid, ContainerUid};
use coffer_rootfs::{OverlayPlan, Upper};
use jiff::Timestamp;
use rustix::process::Pid;

use super::joined::Present;
use super::{Config, ContainerError, Ready};
use crate::cgroup::{Cgroup, Entry};
use crate::label;
use crate::launch::{Gate, Launch, Launched, Stdio, launch};
use crate::monitor::Inside;
use crate::plan::{Authority, CgroupView, Given, Inputs, MountRoot, Named, Plan, RootFs};
use crate::state::{Phase, ProcessId, Running};

/// A container that has started.
#[derive(Debug)]
pub(super) struct Started {
    /// Its first process.
    pub(super) init: OwnedFd,
    /// The master side of its terminal.
    pub(super) terminal: Option<OwnedFd>,
    /// Its control groups.
    pub(super) cgroup: Cgroup,
}

/// The overlay as launch wants it.
#[derive(Debug)]
struct Overlay(OverlayPlan);

impl MountRoot for Overlay {
    fn mount(
        &self,
        idmap: Option<BorrowedFd<'_>>,
        spent: &mut Vec<OwnedFd>,
    ) -> std::io::Result<OwnedFd> {
        self.0.mount_sparing(idmap, spent)
    }
}

/// Makes the writable layer and the control groups, then the process. It is written down as
/// running before it can do anything; until the lock is given back nobody else acts upon that.
///
/// # Errors
/// Why it did not start. The groups are gone then; the record is the caller's to put right.
pub(super) fn start(
    ready: &mut Ready<'_>,
    inside: Option<Inside>,
) -> Result<Started, ContainerError> {
    let plan = plan(ready)?;
    let Config { confinement, relabel, .. } = &ready.config;
    let ids = confinement.ids.as_ref();
    label::apply(ready.locked.dir(), &confinement.labels, &ready.stack, ids, relabel)?;
    let cgroup = ready.record.cgroup.create(&ready.config.limits.settings()?)?;
    let launched = cgroup
        .entry()
        .map_err(ContainerError::from)
        .and_then(|entry| run(ready, &plan, &entry, inside));
    match launched {
        Ok(Launched { pidfd, terminal, .. }) => Ok(Started { init: pidfd, terminal, cgroup }),
        Err(error) => {
            cgroup.remove()?;
            Err(error)
        }
    }
}

fn run(
    ready: &mut Ready<'_>,
    plan: &Plan,
    entry: &Entry,
    inside: Option<Inside>,
) -> Result<Launched, ContainerError> {
    let stdio = match &inside {
        Some(fds) => Stdio::Fds(fds.each_ref().map(AsFd::as_fd)),
        None => Stdio::Inherit,
    };
    let how = Launch { cgroup: entry, stdio, gate: Gate::Open };
    let launched =
        launch(plan, &how, &mut |pid| record_running(ready, pid).map_err(std::io::Error::other));
    Ok(launched?)
}

fn record_running(ready: &mut Ready<'_>, pid: Pid) -> Result<(), ContainerError> {
    let boot = ready.root.containers().boot();
    let id = ready.record.id.clone();
    let name = |pid| {
        ProcessId::of(pid, boot)
            .map_err(|source| ContainerError::Process { id: id.clone(), source })
    };
    let running = Running {
        init: name(pid)?,
        parent: name(rustix::process::getpid())?,
        started: Timestamp::now(),
    };
    let before = std::mem::replace(&mut ready.record.phase, Phase::Running(running));
    let saved = ready.locked.save(&ready.record);
    // A start that fails later finds what the container was before.
    if saved.is_err() {
        ready.record.phase = before;
    }
    Ok(saved?)
}

/// How a container is started.
pub(super) fn plan(ready: &Ready<'_>) -> Result<Plan, ContainerError> {
    let Ready { root, record, config, .. } = ready;
    let present = Present::find(root, &config.confinement)?;
    let memory = present.as_ref().and_then(|present| present.memory.as_ref());
    let folder = root.folder_of(&record.id);
    let plan = Plan::new(Inputs {
        spec: &config.spec,
        confinement: present.as_ref().map_or(&config.confinement, |found| &found.confinement),
        host: &Host::read(),
        root: RootFs::Overlay(Box::new(Overlay(overlay(ready)?))),
        authority: root.authority(),
        cgroups: CgroupView::of(&record.cgroup),
        init: config.init,
        given: Given {
            files: &config.files,
            limits: Some(&config.limits),
            memory: memory.map(AsFd::as_fd),
            named: Some(Named { id: record.id.as_str(), folder: &folder, pid: None }),
        },
        bundle: None,
    })?;
    present.map_or(Ok(()), |present| present.still_run())?;
    Ok(plan)
}

fn overlay(ready: &Ready<'_>) -> Result<OverlayPlan, ContainerError> {
    let Ready { root, locked, config, stack, .. } = ready;
    let upper = Upper::new(&format!("containers/{}", locked.id()));
    let ids = config.confinement.ids.as_ref();
    let owner = match (root.authority(), ids) {
        (Authority::Root, Some(ids)) => {
            let uid = ids.host_uid(ContainerUid::ROOT).map(|id| id.number());
            uid.zip(ids.host_gid(ContainerGid::ROOT).map(|id| id.number()))
        }
        _ => None,
    };
    let plan = OverlayPlan::new(stack, root.path(), Some(&upper), owner)?
        .labelled(&config.confinement.labels.mounts)?;
    match (root.authority(), ids) {
        // Only the container's own root may make them.
        (Authority::User, Some(_)) => Ok(plan.making(upper.later(locked.dir(), stack)?)),
        _ => {
            upper.make(locked.dir(), stack)?;
            Ok(plan)
        }
    }
}
