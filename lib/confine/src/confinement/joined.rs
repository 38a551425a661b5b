//! Namespaces that a container has of another's.
//!
//! A record names the other container and not its namespaces: those are new each time it starts.
//! What is in there can be done by nobody but the owner of the user namespace that they belong
//! to, so that one is always joined with them, and its ids and its clock are the other's too.

use coffer_oci::runtime::{Namespace, NamespaceKind};

use super::{Confinement, Gap};

/// What the path of such a namespace begins with.
const WORD: &str = "container:";

/// How many digits of an id are shown. Source: docker.
const SHORT: usize = 12;

/// The namespace of `kind` that the container `id` has.
pub fn of_container(kind: NamespaceKind, id: &str) -> Namespace {
    Namespace { kind, path: format!("{WORD}{id}") }
}

/// Whose a namespace is, where it is another container's.
pub fn holder(namespace: &Namespace) -> Option<&str> {
    namespace.path.strip_prefix(WORD)
}

/// As much of an id as is shown.
pub(super) fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

impl Confinement {
    /// The container whose namespace of this kind it has.
    pub fn joins(&self, kind: NamespaceKind) -> Option<&str> {
        self.namespaces.iter().find(|namespace| namespace.kind == kind).and_then(holder)
    }

    /// What each flag that joins another container opens: its ids are shared in any case.
    pub(super) fn joined_gaps(&self) -> impl Iterator<Item = Gap> {
        let flags = [
            (NamespaceKind::Pid, "pid", "signals its processes"),
            (NamespaceKind::Ipc, "ipc", "reaches its shared memory"),
        ];
        let mut gaps: Vec<Gap> = flags
            .into_iter()
            .filter_map(|(kind, flag, what)| Some(gap(flag, self.joins(kind)?, what)))
            .collect();
        if let (true, Some(id)) = (gaps.is_empty(), self.joins(NamespaceKind::User)) {
            gaps.push(gap("userns", id, "is root there as here"));
        }
        gaps.into_iter()
    }
}

fn gap(flag: &str, id: &str, what: &str) -> Gap {
    let id = short(id);
    Gap {
        what: format!("it has the ids of another container, and {what}"),
        from: Some(format!("--{flag} {WORD}{id}")),
        stronger: Some("leave it out".to_owned()),
    }
}
