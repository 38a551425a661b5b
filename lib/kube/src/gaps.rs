//! What does not hold: what a field has opened, and what silence leaves open.

use coffer_confine::capability::{CapSet, Capability};
use coffer_confine::confinement::Gap;
use coffer_confine::posture::SetId;
use coffer_oci::runtime::NamespaceKind;

use crate::fence::{Settled, engine_default};
use crate::pod::Users;
use crate::security::{AppArmor, Filter};

/// Sysctls that a kubelet takes without being told to. Source: Kubernetes, "Using sysctls in a
/// Kubernetes Cluster".
const SAFE: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// Opened by a field.
fn opened(what: impl Into<String>, from: impl Into<String>) -> Gap {
    let stronger = Some("leave it out".to_owned());
    Gap { what: what.into(), from: Some(from.into()), stronger }
}

/// Open because nobody has closed it.
fn silent(what: impl Into<String>, stronger: &str) -> Gap {
    Gap { what: what.into(), from: None, stronger: Some(stronger.to_owned()) }
}

/// What does not hold a container.
pub(crate) fn of(settled: &Settled<'_>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if settled.own.privileged {
        let what = "every capability, every system call, every device of the node and all of /proc \
                    and /sys are open to the container";
        gaps.push(opened(what, "privileged: true"));
    } else {
        gaps.extend(settled.own_gaps());
    }
    gaps.extend(settled.pod_gaps());
    gaps.extend(settled.given());
    gaps
}

impl Settled<'_> {
    /// What `privileged` opens all at once.
    fn own_gaps(&self) -> Vec<Gap> {
        let mut gaps = self.capability_gaps();
        if self.set_id == SetId::Works {
            let what = "set-id programs of the image change the user, root of the node included";
            gaps.push(match self.own.escalation {
                Some(_) => opened(what, "allowPrivilegeEscalation: true"),
                None => silent(what, "allowPrivilegeEscalation: false"),
            });
        }
        gaps.extend(self.filter_gap());
        if self.own.unmasked {
            let what = "/proc shows the node and can be written";
            gaps.push(opened(what, "procMount: Unmasked"));
        }
        if self.context.apparmor == Some(AppArmor::Unconfined) {
            gaps.push(opened("AppArmor does not hold it", "appArmorProfile: Unconfined"));
        }
        gaps
    }

    fn capability_gaps(&self) -> Vec<Gap> {
        if self.is_powerless() {
            return Vec::new();
        }
        let default = self.granted.minus(self.granted.minus(engine_default()));
        let added = self.granted.minus(engine_default());
        let mut gaps: Vec<Gap> =
            added.iter().filter_map(|capability| self.capability_gap(capability)).collect();
        if default != CapSet::EMPTY && self.pod.users == Users::Host {
            let count = default.iter().count();
            let what = format!("{count} of the engine's capabilities hold over the node's own ids");
            gaps.push(silent(what, "capabilities.drop: [ALL]"));
        }
        gaps
    }

    fn capability_gap(&self, capability: Capability) -> Option<Gap> {
        let power = capability.power()?;
        let what = match self.pod.users {
            Users::Host => power.on_host,
            Users::Own => power.inside,
        };
        Some(opened(what?, format!("capabilities.add: [{capability}]")))
    }

    fn filter_gap(&self) -> Option<Gap> {
        let what = "every system call of the node's kernel can be made";
        match (&self.filter, &self.context.filter) {
            (Filter::Unconfined, Some(_)) => Some(opened(what, "seccompProfile: Unconfined")),
            (Filter::Unconfined, None) => {
                let what = format!("{what}, unless the kubelet has seccompDefault");
                Some(silent(what, "seccompProfile: RuntimeDefault"))
            }
            (Filter::Localhost(file), _) => Some(Gap {
                what: format!("what {file} refuses stands on the node, and was not read"),
                from: None,
                stronger: None,
            }),
            (Filter::Runtime, _) => None,
        }
    }

    fn pod_gaps(&self) -> Vec<Gap> {
        let shared = self.pod.shared.iter().filter_map(|kind| match kind {
            NamespaceKind::Network => Some(opened(
                "the node's network and its abstract sockets can be reached",
                "hostNetwork: true",
            )),
            NamespaceKind::Pid => Some(opened("the node's processes can be seen", "hostPID: true")),
            NamespaceKind::Ipc => {
                Some(opened("the node's shared memory can be reached", "hostIPC: true"))
            }
            _ => None,
        });
        let mut gaps: Vec<Gap> = shared.collect();
        if self.pod.users == Users::Host {
            let what = match self.is_powerless() {
                true => "its user is the node's user of the same number",
                false => "root in the container is root on the node",
            };
            gaps.push(silent(what, "hostUsers: false"));
        }
        let risky = self.pod.sysctls.iter().filter(|(name, _)| !SAFE.contains(&name.as_str()));
        gaps.extend(risky.map(|(name, _)| {
            let what = format!("the sysctl {name} is one that a kubelet has to be told to take");
            opened(what, "securityContext.sysctls")
        }));
        match &self.pod.runtime_class {
            Some(class) => gaps.push(Gap {
                what: format!("runtime class {class} may change all of this, on the node"),
                from: None,
                stronger: None,
            }),
            None => gaps.push(silent(
                "shares the node's kernel",
                "a runtimeClassName with a kernel of its own",
            )),
        }
        gaps
    }

    /// What it is given of the node and the cluster, and what nobody limits.
    fn given(&self) -> Vec<Gap> {
        let paths = self.own.host_paths.iter().map(|path| {
            let can = if path.writable() { "read and written" } else { "read" };
            opened(format!("{} of the node can be {can}", path.path), "hostPath")
        });
        let ports = self.own.host_ports.iter().map(|port| {
            opened(format!("port {port} of the node leads to it"), format!("hostPort: {port}"))
        });
        let mut gaps: Vec<Gap> = paths.chain(ports).collect();
        if self.pod.token {
            let what = "a token for the cluster's API is mounted, unless its service account says \
                        otherwise";
            gaps.push(silent(what, "automountServiceAccountToken: false"));
        }
        if !self.has_memory_limit() {
            gaps.push(silent("memory has no limit", "resources.limits.memory"));
        }
        let what = "the number of tasks is limited by the kubelet alone, which no manifest shows";
        gaps.push(silent(what, "podPidsLimit of the kubelet"));
        gaps
    }
}
