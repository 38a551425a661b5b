//! Which namespaces of other containers a container has.

use coffer_confine::confinement::joined::of_container;
use coffer_oci::runtime::{Namespace, NamespaceKind};

/// Namespaces of other containers that a container has: the kind, and the other's id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined(pub Vec<(NamespaceKind, String)>);

impl Joined {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes those of `own` that are joined another's. The clock goes with the ids: a container
    /// that has none of its own to join shows that of the host, and so does who joins it.
    pub(super) fn apply(&self, own: Vec<NamespaceKind>) -> Vec<Namespace> {
        let of = |kind: NamespaceKind| match self.0.iter().find(|(joined, _)| *joined == kind) {
            Some((_, id)) => Some(of_container(kind, id)),
            None if kind == NamespaceKind::Time && !self.is_empty() => None,
            None => Some(Namespace { kind, path: String::new() }),
        };
        own.into_iter().filter_map(of).collect()
    }
}
