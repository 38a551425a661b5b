//! What closes a way, in the words of whoever is asked.

use coffer_oci::runtime::NamespaceKind;

use crate::capability::Capability;

/// What closes a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Ids of its own.
    OwnIds,
    /// Not asking for what was opened.
    Leave,
    /// One capability less.
    Drop(Capability),
    /// A namespace of its own.
    Private(NamespaceKind),
    /// A filter that refuses the call, as the default ones do.
    Filter,
    /// A filter that refuses what the engines' default lets through.
    StrictFilter,
    /// No socket of an engine.
    NoSocket,
    /// Volumes that cannot be written.
    ReadOnly,
    /// Nothing of the host.
    NoPath,
    /// Ids by root, who has ranges to give.
    AsRoot,
    /// Another kernel.
    Machine,
    /// A limit of memory.
    Memory,
    /// A limit of tasks.
    Tasks,
    /// No set-id programs.
    NoSetId,
    /// Another user than root.
    OtherUser,
    /// No token of the cluster.
    NoToken,
    /// Limits that `/proc` follows.
    Size,
}

/// Whose words a remedy is said in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Flags of coffer's.
    Coffer,
    /// Fields of a Kubernetes Pod.
    Kubernetes,
}

impl Remedy {
    /// What to type or to write.
    pub fn say(self, words: Words) -> String {
        match words {
            Words::Coffer => self.flag(),
            Words::Kubernetes => self.field(),
        }
    }

    fn flag(self) -> String {
        let flag = match self {
            Self::OwnIds => "ids of its own: leave out --userns host",
            Self::Leave => "leave the flag out",
            Self::Drop(capability) => return format!("--cap-drop {capability}"),
            Self::Private(NamespaceKind::Network) => "--network none",
            Self::Private(NamespaceKind::Cgroup) => "a control group namespace of its own",
            Self::Private(kind) => {
                return format!("--{} private", format!("{kind:?}").to_lowercase());
            }
            Self::Filter | Self::StrictFilter => "coffer's own filter",
            Self::NoSocket => "leave the socket out",
            Self::ReadOnly => "volumes with :ro",
            Self::NoPath => "leave the volume out",
            Self::AsRoot => "run as root: each container then has a range of its own",
            Self::Machine => "a virtual machine; coffer has no such tier yet",
            Self::Memory => "--memory SIZE",
            Self::Tasks => "--pids-limit NUMBER",
            Self::NoSetId => "leave out --allow-setuid",
            Self::OtherUser => "--cap-drop SETUID, --user NAME",
            Self::NoToken => "leave the token out",
            Self::Size => "--memory SIZE, --cpus NUMBER; the kernel still answers who asks it",
        };
        flag.to_owned()
    }

    /// Source: Kubernetes API reference, Pod v1 core.
    fn field(self) -> String {
        let field = match self {
            Self::OwnIds | Self::AsRoot => "hostUsers: false",
            Self::Leave => "leave out privileged and procMount",
            Self::Drop(capability) => return format!("capabilities.drop: [{capability}] or [ALL]"),
            Self::Private(NamespaceKind::Pid) => "leave out hostPID",
            Self::Private(NamespaceKind::Ipc) => "leave out hostIPC",
            Self::Private(NamespaceKind::Cgroup) => "leave out privileged",
            Self::Private(_) => "leave out hostNetwork",
            Self::Filter => "seccompProfile: RuntimeDefault",
            Self::StrictFilter => "a seccompProfile of type Localhost that refuses it",
            Self::NoSocket | Self::NoPath => "leave out the hostPath volume",
            Self::ReadOnly => "volumeMounts with readOnly: true",
            Self::Machine => "a runtimeClassName with a kernel of its own",
            Self::Memory => "resources.limits.memory",
            Self::Tasks => "the kubelet's podPidsLimit",
            Self::NoSetId => "allowPrivilegeEscalation: false",
            Self::OtherUser => "runAsUser, and capabilities.drop: [ALL]",
            Self::NoToken => "automountServiceAccountToken: false",
            Self::Size => "lxcfs, or a runtimeClassName with a kernel of its own",
        };
        field.to_owned()
    }
}
