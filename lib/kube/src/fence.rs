//! What holds a container, put together from its pod, itself and the engine's defaults.

use coffer_confine::capability::{CapSet, CapWord, Capability, WITHHELD};
use coffer_confine::confinement::{Control, Gap};
use coffer_confine::posture::{Calls, Covers, Label, Limited, Limits, Posture, Root, SetId, Token};
use coffer_confine::seccomp::engine;
use coffer_oci::runtime::NamespaceKind;

use crate::container::Container;
use crate::pod::{Pod, Users};
use crate::security::{AppArmor, Context, Filter};
use crate::{controls, gaps};

/// The fence of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// Where it stands: `Deployment/web/nginx`.
    pub name: String,
    /// Its image, as written.
    pub image: String,
    /// What holds.
    pub controls: Vec<Control>,
    /// What does not.
    pub gaps: Vec<Gap>,
    /// What it is scored by.
    pub posture: Posture,
}

/// A container with what its pod and the engine say where it is silent.
pub(crate) struct Settled<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) own: &'a Container,
    pub(crate) context: Context,
    /// What the engine grants it.
    pub(crate) granted: CapSet,
    /// Whether executing a file may give more rights.
    pub(crate) set_id: SetId,
    pub(crate) filter: Filter,
}

/// The SELinux type that holds nothing. Source: container-selinux, `spc_t`.
pub(crate) const UNCONFINED_TYPE: &str = "spc_t";

/// The fences of a pod's containers.
pub(crate) fn of(pod: &Pod) -> Vec<Fence> {
    pod.containers.iter().map(|container| Settled::of(pod, container).fence()).collect()
}

impl<'a> Settled<'a> {
    fn of(pod: &'a Pod, own: &'a Container) -> Self {
        let context = own.context.clone().or(&pod.context);
        let filter = match (own.privileged, &context.filter) {
            (true, _) | (false, None) => Filter::Unconfined,
            (false, Some(filter)) => filter.clone(),
        };
        let set_id = match own.privileged || own.escalation.unwrap_or(true) {
            true => SetId::Works,
            false => SetId::Inert,
        };
        Self { pod, own, granted: granted(own), context, set_id, filter }
    }

    fn fence(&self) -> Fence {
        Fence {
            name: format!("{}/{}", self.pod.name, self.own.name),
            image: self.own.image.clone(),
            controls: controls::of(self),
            gaps: gaps::of(self),
            posture: self.posture(),
        }
    }

    fn posture(&self) -> Posture {
        Posture {
            own: self.namespaces(),
            root: self.root(),
            capabilities: match self.is_powerless() {
                true => CapSet::EMPTY,
                false => self.granted,
            },
            set_id: self.set_id,
            calls: match &self.filter {
                Filter::Unconfined => Calls::All,
                Filter::Runtime => Calls::Filtered(Box::new(engine::profile(self.granted))),
                Filter::Localhost(_) => Calls::Unreadable,
            },
            system_paths: self.covers(),
            label: self.label(),
            host_paths: self.own.host_paths.clone(),
            token: if self.pod.token { Token::Mounted } else { Token::None },
            devices: self.devices(),
            limits: Limits {
                memory: match self.has_memory_limit() {
                    true => Limited::Yes,
                    false => Limited::No,
                },
                tasks: Limited::No,
            },
        }
    }

    /// Whether it starts without a right, and no file gives it one.
    pub(crate) fn is_powerless(&self) -> bool {
        self.context.starts_as_other() && self.set_id == SetId::Inert
    }

    fn root(&self) -> Root {
        match self.pod.users {
            Users::Own => Root::Range,
            Users::Host if self.is_powerless() => Root::Nobody,
            Users::Host => Root::Host,
        }
    }

    /// Its own namespaces. A privileged container sees the node's control groups. Source:
    /// containerd, internal/cri/server/container_create_linux.go.
    pub(crate) fn namespaces(&self) -> Vec<NamespaceKind> {
        use NamespaceKind::{Cgroup, Ipc, Mount, Network, Pid, User, Uts};
        let shared = |kind: &NamespaceKind| match kind {
            User => self.pod.users == Users::Host,
            Cgroup => self.own.privileged,
            kind => self.pod.shared.contains(kind),
        };
        [User, Pid, Mount, Ipc, Uts, Cgroup, Network].into_iter().filter(|k| !shared(k)).collect()
    }

    pub(crate) fn covers(&self) -> Covers {
        if self.own.unmasked || self.own.privileged { Covers::None } else { Covers::There }
    }

    fn label(&self) -> Label {
        let apparmor = match &self.context.apparmor {
            _ if self.own.privileged => return Label::None,
            Some(AppArmor::Runtime) => Some("the engine's AppArmor profile".to_owned()),
            Some(AppArmor::Localhost(name)) => Some(name.clone()),
            Some(AppArmor::Unconfined) | None => None,
        };
        let selinux = self.context.selinux.clone().filter(|kind| kind != UNCONFINED_TYPE);
        apparmor.or(selinux).map_or(Label::None, Label::Held)
    }

    pub(crate) fn has_memory_limit(&self) -> bool {
        self.pod.memory || self.own.limits.contains_key("memory")
    }

    /// Devices of the node, by the names that its plugins give them.
    fn devices(&self) -> Vec<String> {
        let plugged = |name: &&String| name.contains('/') && !name.contains("kubernetes.io/");
        let mut devices: Vec<String> = self.own.limits.keys().filter(plugged).cloned().collect();
        if self.own.privileged {
            devices.push("every device of the node".to_owned());
        }
        devices
    }
}

/// What containerd grants: its default is docker's. What is both given and taken is not there,
/// other than with docker. Source: containerd, internal/cri/opts/spec_linux_opts.go.
fn granted(own: &Container) -> CapSet {
    if own.privileged {
        return CapSet::ALL;
    }
    let basics = match (own.add.contains(&CapWord::All), own.drop.contains(&CapWord::All)) {
        (_, true) => CapSet::EMPTY,
        (true, false) => CapSet::ALL,
        (false, false) => engine_default(),
    };
    basics.union(named(&own.add)).minus(named(&own.drop))
}

pub(crate) fn engine_default() -> CapSet {
    let withheld: CapSet = WITHHELD.iter().map(|grant| grant.capability).collect();
    CapSet::DEFAULT.union(withheld)
}

fn named(words: &[CapWord]) -> CapSet {
    let one = |word: &CapWord| -> Option<Capability> {
        match word {
            CapWord::All => None,
            CapWord::One(capability) => Some(*capability),
        }
    };
    words.iter().filter_map(one).collect()
}
