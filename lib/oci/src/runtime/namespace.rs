//! Namespaces. Source: runtime-spec config-linux.md, "Namespaces".

use serde::{Deserialize, Serialize};

/// What a namespace separates. Source: man 7 namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NamespaceKind {
    /// Process ids.
    Pid,
    /// Network devices, stacks and ports.
    Network,
    /// Mount points.
    Mount,
    /// System V IPC and POSIX message queues.
    Ipc,
    /// The host name.
    Uts,
    /// User and group ids, and capabilities.
    User,
    /// The root of the control groups.
    Cgroup,
    /// The boot and monotonic clocks.
    Time,
}

impl NamespaceKind {
    /// All of them, in the order of their names.
    pub const ALL: &[Self] = &[
        Self::Cgroup,
        Self::Ipc,
        Self::Mount,
        Self::Network,
        Self::Pid,
        Self::Time,
        Self::User,
        Self::Uts,
    ];
}

/// A namespace of the container: a new one, or one that exists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// What it separates.
    #[serde(rename = "type")]
    pub kind: NamespaceKind,
    /// The namespace to be joined; a new one is made where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
}
