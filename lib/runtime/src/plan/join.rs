//! A plan for a process that joins a running container: `exec`.
//!
//! The new process enters the namespaces by the pidfd of the container's first process, all in
//! one call, and is fenced by the same `Confinement`. Only a child can become a member of a pid
//! namespace: root's is born there; an ordinary user's has to enter the others first, and splits. It is closed to tracers before it enters,
//! has no descriptor of the host but its three, and resolves what it opens in there by fd, below
//! the container's root, without magic links (CVE-2019-5736, CVE-2024-21626).

use std::collections::BTreeMap;
use std::os::fd::{BorrowedFd, OwnedFd};

use coffer_confine::confinement::{Confinement, Host};
use coffer_confine::user::Identity;
use coffer_oci::runtime::{CpuAffinity, MemoryPolicy, NamespaceKind, Personality, Process};
use rustix::process::Pid;
use rustix::thread::{CpuSet, ThreadNameSpaceType};

use super::Waits;
use super::listener::at_listener;
use super::{Authority, Bundle, Mapping, Named, Own, Plan, PlanError, Step, Target, tuning};
use crate::launch::BornIn;
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
    /// What a listener of its filter is told of one that coffer has made itself.
    pub named: Option<Named<'a>>,
    /// The bundle of the container, where it is not one that coffer has made itself.
    pub bundle: Option<Joined<'a>>,
}

/// A container of a bundle that is joined.
#[derive(Clone, Copy, Debug)]
pub struct Joined<'a> {
    /// The bundle; what is preserved and which keyring is used is said for the new process.
    pub bundle: Bundle<'a>,
    /// Its free words, for a listener of its filter.
    pub annotations: &'a BTreeMap<String, String>,
    /// Its execution domain.
    pub personality: Option<&'a Personality>,
    /// Where its memory comes from.
    pub memory_policy: Option<&'a MemoryPolicy>,
    /// The number of the container's first process.
    pub pid: Pid,
}

impl Plan {
    /// Lays out how a process joins a container.
    ///
    /// # Errors
    /// A [`PlanError`] for the first thing that cannot be.
    pub fn join(inputs: JoinInputs<'_>) -> Result<Self, PlanError> {
        let JoinInputs { target, confinement, host, identity, process, authority, named, bundle } =
            inputs;
        let mut plan = Self::empty(confinement, authority)?;
        plan.read_ids(target, confinement)?;
        plan.capabilities = confinement.capabilities_of(identity.uid);
        plan.pipe_owner = plan.host_owner(identity)?;
        let target = rustix::io::fcntl_dupfd_cloexec(target, 3).map_err(PlanError::Keep)?;
        let cpus = bundle.and(process.exec_cpu_affinity.as_ref());
        plan.join_steps(target, confinement, cpus)?;
        if let Some(joined) = &bundle {
            plan.tuning_steps(process, &joined.bundle)?;
            plan.domain_steps(joined.personality, joined.memory_policy)?;
        } else {
            plan.steps.push(Step::SessionKeyring(None));
        }
        let none = BTreeMap::new();
        let words = bundle.map_or(&none, |joined| joined.annotations);
        let of_bundle = bundle.as_ref().map(|joined| Named::of(&joined.bundle, Some(joined.pid)));
        plan.find_listener(confinement, words, of_bundle.or(named))
            .map_err(|error| at_listener(error, bundle.is_some()))?;
        plan.stdio_step(process, identity, bundle.as_ref().map(|joined| &joined.bundle))?;
        let folder = Target { levels: Vec::new(), ..Target::folder(&process.cwd)? };
        plan.steps.extend([Step::WorkingFolder(folder), Step::EnterFolder]);
        let other;
        let confinement = if confinement.identity == *identity {
            confinement
        } else {
            other = Confinement { identity: identity.clone(), ..confinement.clone() };
            &other
        };
        let preserved = bundle.map(|joined| joined.bundle.preserved);
        let own = Own { init: Init::Program, preserved, waits: Waits::Nowhere };
        plan.fence_steps(confinement, host, process, own)?;
        plan.filter_steps();
        let bundle = bundle.as_ref().map(|joined| &joined.bundle);
        plan.program_steps(process, bundle, Init::Program)?;
        Ok(plan)
    }

    /// The steps into the namespaces.
    fn join_steps(
        &mut self,
        target: OwnedFd,
        confinement: &Confinement,
        cpus: Option<&CpuAffinity>,
    ) -> Result<(), PlanError> {
        let mut namespaces = joined(confinement);
        let apart = namespaces.contains(ThreadNameSpaceType::PROCESS_ID);
        if apart {
            self.born_in = BornIn::find(&target).map_err(PlanError::Keep)?;
        }
        if self.born_in.is_some() {
            namespaces.remove(ThreadNameSpaceType::PROCESS_ID);
        }
        if let Some(cpus) = cpus {
            self.affinity("initial", &cpus.initial)?;
        }
        self.steps.extend([Step::Undumpable, Step::Receive]);
        if let Some(cpus) = cpus {
            self.affinity("final", &cpus.final_cpus)?;
        }
        self.steps.push(Step::Join { target, namespaces });
        if apart && self.born_in.is_none() {
            self.steps.push(Step::Split);
        }
        self.steps.push(Step::Session);
        if self.ids.is_some() {
            self.steps.push(Step::ContainerRoot);
        }
        self.mapping = Mapping::There;
        Ok(())
    }

    /// The CPUs of a list, where it names some.
    fn affinity(&mut self, name: &str, list: &str) -> Result<(), PlanError> {
        let cpus = tuning::processors(name, list)?;
        if cpus.is_empty() {
            return Ok(());
        }
        let mut set = Box::new(CpuSet::new());
        cpus.into_iter().for_each(|cpu| set.set(cpu));
        self.steps.push(Step::Affinity(set));
        Ok(())
    }

    /// The ids of a container whose user namespace was joined and not made.
    fn read_ids(
        &mut self,
        target: BorrowedFd<'_>,
        confinement: &Confinement,
    ) -> Result<(), PlanError> {
        if self.ids.is_none() && confinement.has_own(NamespaceKind::User) {
            self.ids = Some(crate::launch::ids_of(target).map_err(PlanError::Ids)?);
        }
        Ok(())
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
