//! A plan for a process that joins a running container: `exec`.
//!
//! The new process enters the namespaces by the pidfd of the container's first process, all in
//! one call, and is fenced by the same `Confinement`. It is closed to tracers before it enters,
//! has no descriptor of the host but its three, and resolves what it opens in there by fd, below
//! the container's root, without magic links (CVE-2019-5736, CVE-2024-21626).

use std::os::fd::{BorrowedFd, OwnedFd};

use coffer_confine::confinement::{Confinement, Host};
use coffer_confine::user::Identity;
use coffer_oci::runtime::{NamespaceKind, Process};
use rustix::thread::ThreadNameSpaceType;

use super::{Authority, Mapping, Own, Plan, PlanError, Step, Target};
use crate::spec::Init;

/// What a plan to join is made from.
#[derive(Debug)]
pub struct JoinInputs<'a> {
    /// The container's first process.
    pub target: BorrowedFd<'a>,
    /// The fence from the container's record.
    pub confinement: &'a Confinement,
    /// The host.
    pub host: &'a Host,
    /// Whom the new process runs as.
    pub identity: &'a Identity,
    /// What it executes, with which environment, where.
    pub process: &'a Process,
    /// Whose rights coffer has.
    pub authority: Authority,
    /// How many descriptors after the standard three stay open.
    pub preserved: u32,
}

impl Plan {
    /// Lays out how a process joins a container.
    ///
    /// # Errors
    /// A [`PlanError`] for the first thing that cannot be.
    pub fn join(inputs: JoinInputs<'_>) -> Result<Self, PlanError> {
        let JoinInputs { target, confinement, host, identity, process, authority, preserved } =
            inputs;
        let mut plan = Self::empty(confinement, authority)?;
        plan.capabilities = confinement.capabilities_of(identity.uid);
        plan.pipe_owner = plan.host_owner(identity)?;
        let target = rustix::io::fcntl_dupfd_cloexec(target, 3).map_err(PlanError::Keep)?;
        plan.join_steps(target, confinement);
        plan.stdio_step(process, identity)?;
        let folder = Target { levels: Vec::new(), ..Target::folder(&process.cwd)? };
        plan.steps.extend([Step::WorkingFolder(folder), Step::EnterFolder]);
        let confinement = &Confinement { identity: identity.clone(), ..confinement.clone() };
        plan.fence_steps(confinement, host, process, Own { init: Init::Program, preserved })?;
        plan.program_steps(process, Init::Program)?;
        Ok(plan)
    }

    /// The steps into the namespaces.
    fn join_steps(&mut self, target: OwnedFd, confinement: &Confinement) {
        let namespaces = joined(confinement);
        self.steps.extend([Step::Undumpable, Step::Receive, Step::Join { target, namespaces }]);
        self.steps.extend([Step::Split, Step::Session]);
        if self.ids.is_some() {
            self.steps.push(Step::ContainerRoot);
        }
        self.mapping = Mapping::There;
    }
}

/// The namespaces of the container's own. The host's cannot be entered from its user namespace,
/// and need not be.
fn joined(confinement: &Confinement) -> ThreadNameSpaceType {
    let kinds = confinement.namespaces.iter().map(|namespace| match namespace.kind {
        NamespaceKind::Pid => ThreadNameSpaceType::PROCESS_ID,
        NamespaceKind::Network => ThreadNameSpaceType::NETWORK,
        NamespaceKind::Mount => ThreadNameSpaceType::MOUNT,
        NamespaceKind::Ipc => ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION,
        NamespaceKind::Uts => ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME,
        NamespaceKind::User => ThreadNameSpaceType::USER,
        NamespaceKind::Cgroup => ThreadNameSpaceType::CONTROL_GROUP,
        NamespaceKind::Time => ThreadNameSpaceType::TIME,
    });
    kinds.fold(ThreadNameSpaceType::empty(), ThreadNameSpaceType::union)
}
