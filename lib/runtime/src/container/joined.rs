//! Namespaces of other containers: whose they are, when a container is made, and where they are,
//! when it starts.
//!
//! Only who owns a user namespace can do anything with the others that belong to it. So a container
//! that joins another's processes or memory joins its user namespace too, and has its ids. That is
//! a range which nobody else has, and stays so until the last of them is removed.

use std::os::fd::{AsFd, OwnedFd};

use coffer_confine::Confinement;
use coffer_confine::confinement::joined::holder;
use coffer_confine::ids::{self, IdMap};
use coffer_oci::runtime::NamespaceKind;

use super::config::Consent;
use super::{Config, Container, ContainerError, DataRoot};
use crate::launch::shared_memory_of;
use crate::spec::{Ipc, Joined, Pids, Request, Userns};
use crate::state::{ContainerId, Locked, Name, StateError, Status};

/// Why another container cannot be joined. [`JoinError::help`] says how to go on.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// There is no such container.
    #[error("no such container: {0}")]
    NotFound(String),
    /// It keeps its memory to itself.
    #[error("container {0} does not share its memory")]
    Private(Name),
    /// What is asked for is the host's.
    #[error("container {name} has no {what} of its own to share: they are the host's")]
    OfHost {
        /// Which.
        name: Name,
        /// What is asked for.
        what: &'static str,
    },
    /// They cannot all be joined.
    #[error("containers {0} and {1} have different ids, and a container can have those of one")]
    Different(Name, Name),
    /// Ids of its own do not go together with another's processes or memory.
    #[error("a container that joins {0} has the ids of that one, and none of its own")]
    OwnIds(Name),
    /// Its `/dev/shm` cannot be had.
    #[error("the /dev/shm of container {name} cannot be shared")]
    Memory {
        /// Which.
        name: Name,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl JoinError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::NotFound(_) => "coffer ps --all lists the containers that there are".to_owned(),
            Self::Private(name) => format!("make {name} anew with --ipc shareable"),
            Self::OfHost { what: "ids", .. } => "make it anew without --userns host".to_owned(),
            Self::OfHost { .. } => "make it anew without that, or share the host's too".to_owned(),
            Self::Different(one, _) => {
                format!("make the second one with --userns container:{one}, or join one of them")
            }
            Self::OwnIds(_) => "leave --userns out".to_owned(),
            Self::Memory { .. } => return None,
        })
    }
}

/// What a new container has of others.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// Which namespaces.
    pub(super) joined: Joined,
    /// Whose ids, and which these are.
    ids: Option<(String, IdMap)>,
}

impl Choice {
    /// The ids of `locked`, where they are another's.
    pub(super) fn ids(
        &self,
        root: &DataRoot,
        locked: &Locked,
    ) -> Result<Option<IdMap>, ContainerError> {
        let Some((with, ids)) = &self.ids else { return Ok(None) };
        ids::share(root.dir(), locked.id().as_str(), with, ids)?;
        Ok(Some(ids.clone()))
    }
}

/// Finds the containers that `request` names, and what they let others have.
///
/// # Errors
/// There is no such container, or a [`JoinError`].
pub(super) fn choose(root: &DataRoot, request: &Request) -> Result<Choice, ContainerError> {
    let asked = [
        (NamespaceKind::Pid, named_pids(&request.pid)),
        (NamespaceKind::Ipc, named_ipc(&request.ipc)),
        (NamespaceKind::User, named_ids(&request.userns)),
    ];
    let mut choice = Choice::default();
    let mut first: Option<Donor> = None;
    for (kind, name) in asked {
        let Some(name) = name else { continue };
        let donor = Donor::find(root, name)?;
        choice.joined.0.push((kind, donor.lends(root, kind)?));
        match &first {
            Some(before) if before.lends(root, NamespaceKind::User)? != donor.ids_of()? => {
                return Err(JoinError::Different(before.name.clone(), donor.name).into());
            }
            Some(_) => {}
            None => first = Some(donor),
        }
    }
    let Some(first) = first else { return Ok(choice) };
    if matches!(request.userns, Userns::Private | Userns::Host) {
        return Err(JoinError::OwnIds(first.name).into());
    }
    let user = first.ids_of()?;
    if named_ids(&request.userns).is_none() {
        choice.joined.0.push((NamespaceKind::User, user.clone()));
    }
    if first.config.confinement.has_own(NamespaceKind::Time) {
        choice.joined.0.push((NamespaceKind::Time, first.holder(NamespaceKind::Time)));
    }
    choice.ids = first.config.confinement.ids.map(|ids| (user, ids));
    Ok(choice)
}

fn named_pids(pids: &Pids) -> Option<&str> {
    match pids {
        Pids::Container(name) => Some(name),
        _ => None,
    }
}

fn named_ipc(ipc: &Ipc) -> Option<&str> {
    match ipc {
        Ipc::Container(name) => Some(name),
        _ => None,
    }
}

fn named_ids(userns: &Userns) -> Option<&str> {
    match userns {
        Userns::Container(name) => Some(name),
        _ => None,
    }
}

/// A container that is joined.
struct Donor {
    id: String,
    name: Name,
    config: Config,
}

impl Donor {
    fn find(root: &DataRoot, text: &str) -> Result<Self, ContainerError> {
        let container = match Container::find(root, text) {
            Err(ContainerError::State(StateError::NotFound { text })) => {
                return Err(JoinError::NotFound(text).into());
            }
            found => found?,
        };
        let record = container.record();
        let (id, name) = (record.id.as_str().to_owned(), record.name.clone());
        Ok(Self { id, name, config: container.config()? })
    }

    /// Whose its namespace of this kind is: it may be one that it has joined itself.
    fn holder(&self, kind: NamespaceKind) -> String {
        self.config.confinement.joins(kind).unwrap_or(&self.id).to_owned()
    }

    /// The same, where it lets others have it.
    fn lends(&self, root: &DataRoot, kind: NamespaceKind) -> Result<String, ContainerError> {
        let what = match kind {
            NamespaceKind::Pid => "processes",
            NamespaceKind::Ipc => "shared memory",
            _ => "ids",
        };
        if !self.config.confinement.has_own(kind) {
            return Err(JoinError::OfHost { name: self.name.clone(), what }.into());
        }
        self.ids_of()?;
        let holder = self.holder(kind);
        if kind == NamespaceKind::Ipc {
            let consent = match holder == self.id {
                true => self.config.ipc,
                false => Self::find(root, &holder)?.config.ipc,
            };
            if consent == Consent::Private {
                return Err(JoinError::Private(self.name.clone()).into());
            }
        }
        Ok(holder)
    }

    /// Whose its ids are.
    fn ids_of(&self) -> Result<String, JoinError> {
        match self.config.confinement.has_own(NamespaceKind::User) {
            true => Ok(self.holder(NamespaceKind::User)),
            false => Err(JoinError::OfHost { name: self.name.clone(), what: "ids" }),
        }
    }
}

/// Containers that are joined, as they run now.
#[derive(Debug)]
pub(super) struct Present {
    /// The fence, with the namespaces as the kernel names them.
    pub(super) confinement: Confinement,
    /// The `/dev/shm` that is shared.
    pub(super) memory: Option<OwnedFd>,
    holders: Vec<(ContainerId, Name, OwnedFd, i32)>,
}

impl Present {
    /// Finds the namespaces that `confinement` names; `None` where it names none.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`] for one whose container does not run.
    pub(super) fn find(
        root: &DataRoot,
        confinement: &Confinement,
    ) -> Result<Option<Self>, ContainerError> {
        if confinement.namespaces.iter().all(|namespace| holder(namespace).is_none()) {
            return Ok(None);
        }
        let (confinement, memory) = (confinement.clone(), None);
        let mut present = Self { confinement, memory, holders: Vec::new() };
        for place in 0..present.confinement.namespaces.len() {
            let namespace = &present.confinement.namespaces[place];
            let Some(id) = holder(namespace).map(str::to_owned) else { continue };
            let kind = namespace.kind;
            let held = present.hold(root, &id)?;
            let (_, name, init, pid) = &present.holders[held];
            if kind == NamespaceKind::Ipc && present.memory.is_none() {
                let memory = shared_memory_of(init.as_fd());
                let memory =
                    memory.map_err(|source| JoinError::Memory { name: name.clone(), source })?;
                present.memory = Some(memory);
            }
            let path = format!("/proc/{pid}/ns/{}", file(kind));
            present.confinement.namespaces[place].path = path;
        }
        Ok(Some(present))
    }

    /// The place of the container `id` among those that are held.
    fn hold(&mut self, root: &DataRoot, id: &str) -> Result<usize, ContainerError> {
        let known = self.holders.iter().position(|(held, ..)| held.as_str() == id);
        if let Some(place) = known {
            return Ok(place);
        }
        let container = Container::find(root, id)?;
        let init = container.init()?;
        let Status::Running(running) = container.status() else {
            return Err(ContainerError::NotRunning { name: container.record().name.clone() });
        };
        let record = container.record();
        self.holders.push((record.id.clone(), record.name.clone(), init, running.init.pid));
        Ok(self.holders.len() - 1)
    }

    /// Makes sure that those whose namespaces were opened by the numbers of their processes ran
    /// until then: the numbers were theirs.
    ///
    /// # Errors
    /// [`ContainerError::NotRunning`].
    pub(super) fn still_run(&self) -> Result<(), ContainerError> {
        for (id, name, init, _) in &self.holders {
            let ended = super::ends_within(init, Some(std::time::Duration::ZERO));
            let process = |source| ContainerError::Process { id: id.clone(), source };
            if ended.map_err(process)? {
                return Err(ContainerError::NotRunning { name: name.clone() });
            }
        }
        Ok(())
    }
}

/// What /proc calls a namespace of this kind. Source: man 7 namespaces.
fn file(kind: NamespaceKind) -> &'static str {
    match kind {
        NamespaceKind::Pid => "pid",
        NamespaceKind::Network => "net",
        NamespaceKind::Mount => "mnt",
        NamespaceKind::Ipc => "ipc",
        NamespaceKind::Uts => "uts",
        NamespaceKind::User => "user",
        NamespaceKind::Cgroup => "cgroup",
        NamespaceKind::Time => "time",
    }
}
