//! What a capability reaches: inside its own namespaces, and where ids are the host's.
//!
//! Sources: man 7 capabilities; man 7 user_namespaces, "Capabilities"; for what each has been
//! abused for, the break-outs that SECURITY.md lists.

use super::Capability;

/// What a capability reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Power {
    /// The capability.
    pub capability: Capability,
    /// What it opens although the container has ids of its own; `None` where that is its own
    /// affair.
    pub inside: Option<&'static str>,
    /// What it opens where the container's root is the host's.
    pub on_host: Option<&'static str>,
}

const fn own(capability: Capability, on_host: &'static str) -> Power {
    Power { capability, inside: None, on_host: Some(on_host) }
}

const fn both(capability: Capability, inside: &'static str, on_host: &'static str) -> Power {
    Power { capability, inside: Some(inside), on_host: Some(on_host) }
}

/// The capabilities that reach something. Those that are not here never leave the container.
#[rustfmt::skip]
pub const POWERS: &[Power] = &[
    own(Capability::Chown, "owners of files on volumes can be changed as the host's root does"),
    own(Capability::DacOverride, "every file that is mounted can be written, whosever it is"),
    own(Capability::DacReadSearch, "files outside of the container can be opened by handle (shocker)"),
    own(Capability::Fowner, "modes of files on volumes can be changed as the host's root does"),
    own(Capability::Setuid, "every user of the host can be become"),
    own(Capability::Setgid, "every group of the host can be joined"),
    own(Capability::Setfcap, "files on volumes can be given capabilities that hold on the host"),
    own(Capability::LinuxImmutable, "files on volumes can be made immutable"),
    both(Capability::NetAdmin, "netfilter and routing code of the kernel is open to the container", "the network that it shares can be reconfigured"),
    both(Capability::NetRaw, "packets can be forged in the container's network", "packets can be forged in the network that it shares"),
    own(Capability::IpcLock, "memory can be locked without a limit"),
    own(Capability::SysModule, "kernel modules can be loaded: the host is the container's"),
    own(Capability::SysRawio, "I/O ports and raw disks can be reached: the host is the container's"),
    both(Capability::SysPtrace, "processes in the container can read each other", "processes of the host that it sees can be traced"),
    both(Capability::SysAdmin, "mounts and namespaces are open to the container", "file systems of the host can be mounted: the host is the container's"),
    own(Capability::SysBoot, "the host can be restarted with another kernel"),
    own(Capability::SysNice, "processes of the host can be slowed down"),
    own(Capability::SysResource, "limits and quotas of the host do not hold"),
    own(Capability::SysTime, "the host's clock can be set"),
    own(Capability::Mknod, "nodes of the host's devices can be made"),
    own(Capability::AuditWrite, "the host's audit log can be written"),
    own(Capability::AuditControl, "the host's auditing can be switched off"),
    own(Capability::AuditRead, "the host's audit log can be read"),
    own(Capability::MacOverride, "mandatory access control of the host does not hold"),
    own(Capability::MacAdmin, "mandatory access control of the host can be configured"),
    own(Capability::Syslog, "the host's kernel log and addresses can be read"),
    own(Capability::WakeAlarm, "the host can be woken"),
    own(Capability::BlockSuspend, "the host can be kept awake"),
    both(Capability::Perfmon, "the kernel's performance code is open to the container", "all processes of the host can be observed"),
    both(Capability::Bpf, "the kernel's BPF verifier is open to the container", "the kernel can be programmed"),
    own(Capability::CheckpointRestore, "processes of the host can be looked into"),
];

impl Capability {
    /// What it reaches, where it reaches anything.
    pub fn power(self) -> Option<&'static Power> {
        POWERS.iter().find(|power| power.capability == self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stands_once_and_reaches_something() {
        for (place, power) in POWERS.iter().enumerate() {
            assert!(POWERS[..place].iter().all(|before| before.capability != power.capability));
            assert!(power.on_host.is_some());
        }
    }

    /// What is granted by default reaches nothing beyond the container's own ids.
    #[test]
    fn the_default_reaches_nothing_outside() {
        for grant in crate::capability::GRANTED {
            assert_eq!(grant.capability.power().and_then(|power| power.inside), None);
        }
    }
}
