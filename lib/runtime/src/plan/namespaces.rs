//! Namespaces: which are made, which are joined, and in which order.
//!
//! What is joined is opened and its kind looked at before the fork. A user namespace is entered
//! first, for in it are the rights to enter the others. A process in a joined pid namespace, and
//! one whose user namespace is to be new beside others that are the host's, is made by a second
//! clone: the first process has entered what there is to enter by then.

use std::os::fd::{AsFd, OwnedFd};

use coffer_confine::confinement::Confinement;
use coffer_oci::runtime::{Namespace, NamespaceKind};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use super::{Plan, PlanError, Step};

/// A namespace to be joined.
#[derive(Debug)]
pub(crate) struct Entered {
    /// Its kind.
    pub(crate) kind: NamespaceKind,
    /// The namespace.
    pub(crate) fd: OwnedFd,
    /// What it is called in messages.
    pub(crate) path: String,
}

impl Plan {
    /// Takes the namespaces of the fence: the steps into those that exist, and the flags of those
    /// that are new. The control group namespace is made later, in the group that is to be its
    /// root.
    pub(super) fn take_namespaces(&mut self, confinement: &Confinement) -> Result<(), PlanError> {
        let mut fresh = UnshareFlags::empty();
        let mut entered = Vec::new();
        for (place, namespace) in confinement.namespaces.iter().enumerate() {
            let at = |error: PlanError| error.at(&format!("linux.namespaces[{place}]"));
            if namespace.path.is_empty() {
                fresh |= made(namespace.kind);
            } else {
                entered.push((namespace.kind, open(namespace).map_err(at)?));
            }
        }
        if !fresh.contains(UnshareFlags::NEWNS) {
            let why = "a container needs a mount namespace of its own";
            return Err(PlanError::field("linux.namespaces", why));
        }
        let joined = entered.iter().map(|(kind, _)| made(*kind));
        self.own = joined.fold(fresh, UnshareFlags::union);
        (self.fresh, self.namespaces) = (fresh, fresh);
        if let Some((_, user)) = entered.iter().find(|(kind, _)| *kind == NamespaceKind::User) {
            self.mapping = Mapping::There;
            if self.ids.is_none() {
                let ids = crate::launch::ids_of(user.fd.as_fd());
                self.ids = Some(ids.map_err(PlanError::Ids)?);
            }
        }
        self.joins(entered);
        Ok(())
    }

    /// The steps into the namespaces that exist.
    fn joins(&mut self, mut entered: Vec<(NamespaceKind, Entered)>) {
        if entered.is_empty() {
            return;
        }
        let has = |kind| entered.iter().any(|(found, _)| *found == kind);
        let (user, pid) = (has(NamespaceKind::User), has(NamespaceKind::Pid));
        let twice = user || pid || self.namespaces.contains(UnshareFlags::NEWUSER);
        entered.sort_by_key(|(kind, _)| *kind != NamespaceKind::User);
        if user || pid {
            // Closed to those who are in there already.
            self.steps.push(Step::Undumpable);
        }
        self.steps.extend(entered.into_iter().map(|(_, entered)| Step::Enter(entered)));
        if twice {
            let fresh = std::mem::replace(&mut self.namespaces, UnshareFlags::empty());
            self.steps.push(Step::SplitInto(fresh));
            self.split = true;
        }
    }
}

/// Who gives the container's user namespace its ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// The parent.
    ByParent,
    /// It has them.
    There,
}

/// The flag by which a namespace is made with the process.
fn made(kind: NamespaceKind) -> UnshareFlags {
    match kind {
        NamespaceKind::Pid => UnshareFlags::NEWPID,
        NamespaceKind::Network => UnshareFlags::NEWNET,
        NamespaceKind::Mount => UnshareFlags::NEWNS,
        NamespaceKind::Ipc => UnshareFlags::NEWIPC,
        NamespaceKind::Uts => UnshareFlags::NEWUTS,
        NamespaceKind::User => UnshareFlags::NEWUSER,
        // Made by steps of their own.
        NamespaceKind::Cgroup | NamespaceKind::Time => UnshareFlags::empty(),
    }
}

/// Opens a namespace by the caller's own path, and looks whether it is one of that kind.
fn open(namespace: &Namespace) -> Result<Entered, PlanError> {
    if namespace.kind == NamespaceKind::Mount {
        return Err(PlanError::field("path", "a mount namespace cannot be joined"));
    }
    let path = namespace.path.clone();
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let fd = rustix::fs::openat(CWD, path.as_str(), flags, Mode::empty())
        .map_err(|source| PlanError::Namespace { path: path.clone(), source })
        .map_err(|error| error.at("path"))?;
    let wanted = match namespace.kind {
        NamespaceKind::Cgroup => UnshareFlags::NEWCGROUP,
        NamespaceKind::Time => UnshareFlags::NEWTIME,
        kind => made(kind),
    };
    match coffer_sys::namespace::kind(fd.as_fd()) {
        Ok(found) if found == wanted => Ok(Entered { kind: namespace.kind, fd, path }),
        Ok(_) => Err(PlanError::field("path", "is a namespace of another type")),
        Err(Errno::NOTTY) => Err(PlanError::field("path", "is no namespace")),
        Err(source) => Err(PlanError::Namespace { path, source }.at("path")),
    }
}
