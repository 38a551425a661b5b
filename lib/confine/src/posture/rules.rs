//! What leads to what: data, each line with its source in the world.
//!
//! Sources: man 7 capabilities, man 7 user_namespaces; the break-outs in SECURITY.md; what probes
//! inside of containers under several runtimes have reached.

use std::fmt;

use coffer_oci::runtime::NamespaceKind;

use super::remedy::Remedy;
use super::score::Consequence;
use crate::capability::Capability;

/// Something that a container has or lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Every container.
    Nothing,
    /// This capability.
    Capability(Capability),
    /// This system call, with some arguments at least.
    Call(&'static str),
    /// Its root is the host's.
    HostIds,
    /// Its root is the user who started it.
    CallersId,
    /// It runs as a user of the host's that is not root.
    HostUser,
    /// The host's namespace of this kind.
    Shared(NamespaceKind),
    /// No covers in `/proc` and `/sys`.
    NoCovers,
    /// No security module.
    NoLabel,
    /// Set-id programs that work.
    SetId,
    /// A path of the host that it can write.
    HostPath,
    /// A path of the host that it can read.
    ReadPath,
    /// A path that it can write where the host keeps what it runs.
    SystemPath,
    /// A token for the API of a cluster.
    Token,
    /// The socket of an engine.
    EngineSocket,
    /// A device of the host.
    Device,
    /// No limit of memory.
    NoMemoryLimit,
    /// No limit of tasks.
    NoTaskLimit,
    /// User namespaces that it can make.
    NewUserNamespace,
}

/// One way: with all of these it can do this, and that comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What it needs, all of it.
    pub needs: &'static [Need],
    /// What can then be done.
    pub primitive: &'static str,
    /// What comes of it.
    pub consequence: Consequence,
    /// What closes it.
    pub stronger: Remedy,
}

const fn rule(
    needs: &'static [Need],
    primitive: &'static str,
    consequence: Consequence,
    stronger: Remedy,
) -> Rule {
    Rule { needs, primitive, consequence, stronger }
}

use Consequence::{AttackKernel, Disturb, Learn, Others, RiseInside, TakeOver};
use NamespaceKind::{Cgroup, Ipc, Network, Pid};
use Need::{
    Call, CallersId, Device, EngineSocket, HostIds, HostPath, HostUser, NewUserNamespace, NoCovers,
    NoLabel, NoMemoryLimit, NoTaskLimit, Nothing, ReadPath, SetId, Shared, SystemPath, Token,
};
use Remedy::{Drop, Filter, Leave, Private, StrictFilter};

const fn cap(capability: Capability) -> Need {
    Need::Capability(capability)
}

const OWN_IDS: Remedy = Remedy::OwnIds;

/// The rules.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    // The host is the container's.
    rule(&[HostIds, cap(Capability::SysAdmin), Call("mount")], "mount the host's disks and file systems", TakeOver, OWN_IDS),
    rule(&[HostIds, cap(Capability::SysAdmin), Call("mount"), NoLabel], "set release_agent of a control group (CVE-2022-0492)", TakeOver, OWN_IDS),
    rule(&[HostIds, cap(Capability::SysModule), Call("finit_module")], "load a kernel module", TakeOver, Drop(Capability::SysModule)),
    rule(&[HostIds, cap(Capability::SysRawio)], "write raw disks and I/O ports", TakeOver, Drop(Capability::SysRawio)),
    rule(&[HostIds, cap(Capability::DacReadSearch), Call("open_by_handle_at")], "open files of the host by handle (shocker)", TakeOver, Drop(Capability::DacReadSearch)),
    rule(&[HostIds, cap(Capability::SysPtrace), Shared(Pid), Call("ptrace")], "trace processes of the host's root", TakeOver, Private(Pid)),
    rule(&[HostIds, NoCovers], "set core_pattern and other helpers that the kernel runs as root", TakeOver, Leave),
    rule(&[HostIds, cap(Capability::Bpf), Call("bpf")], "program the kernel", TakeOver, Drop(Capability::Bpf)),
    rule(&[EngineSocket], "ask an engine on the host for a container with everything", TakeOver, Remedy::NoSocket),
    rule(&[HostIds, SetId, HostPath], "leave a set-id program of root's on a volume", TakeOver, OWN_IDS),
    rule(&[HostIds, SystemPath], "plant what the host runs as root: units, cron's tables, programs, pods", TakeOver, Remedy::NoPath),
    // What belongs to others.
    rule(&[HostIds, cap(Capability::Mknod)], "make nodes of the host's devices", Others, Drop(Capability::Mknod)),
    rule(&[HostIds, cap(Capability::DacOverride), HostPath], "write files of anybody's on volumes", Others, OWN_IDS),
    rule(&[HostPath], "change files of the host", Others, Remedy::ReadOnly),
    rule(&[Token], "ask the API of the cluster in the name of its service account", Others, Remedy::NoToken),
    rule(&[CallersId], "act as the user who started it, wherever that user can be reached", Others, Remedy::AsRoot),
    rule(&[Device], "use devices of the host", Others, Leave),
    rule(&[Shared(Network)], "reach services that listen on the host's loopback, and abstract sockets (CVE-2020-15257)", Others, Private(Network)),
    rule(&[Shared(Network), cap(Capability::NetRaw)], "read and forge the host's packets", Others, Drop(Capability::NetRaw)),
    rule(&[Shared(Network), HostIds, cap(Capability::NetAdmin)], "reconfigure the host's network", Others, Drop(Capability::NetAdmin)),
    rule(&[Shared(Ipc)], "reach shared memory of others", Others, Private(Ipc)),
    rule(&[Shared(Pid), HostIds, cap(Capability::Kill)], "signal any process of the host", Disturb, Private(Pid)),
    rule(&[Call("keyctl")], "read keyrings that no namespace separates", Others, Filter),
    // The kernel.
    rule(&[Nothing], "make the calls that it needs", AttackKernel, Remedy::Machine),
    rule(&[NewUserNamespace], "have every capability in a user namespace, and the code behind them", AttackKernel, Filter),
    rule(&[cap(Capability::NetAdmin)], "reach netfilter, routing and traffic control", AttackKernel, Drop(Capability::NetAdmin)),
    rule(&[cap(Capability::SysAdmin), Call("mount")], "reach the parsers of file systems", AttackKernel, Drop(Capability::SysAdmin)),
    rule(&[cap(Capability::Bpf), Call("bpf")], "reach the verifier of BPF", AttackKernel, Drop(Capability::Bpf)),
    rule(&[Call("io_uring_setup")], "queue calls that no filter sees", AttackKernel, Filter),
    rule(&[Call("userfaultfd")], "hold the kernel inside a page fault, which makes races easy", AttackKernel, Filter),
    rule(&[Call("perf_event_open")], "reach the performance counters' code", AttackKernel, Filter),
    rule(&[Call("modify_ldt")], "make 16-bit segments", AttackKernel, StrictFilter),
    rule(&[Call("ptrace")], "trace processes of the container's own", AttackKernel, StrictFilter),
    // The host or others suffer.
    rule(&[NoMemoryLimit], "take all memory", Disturb, Remedy::Memory),
    rule(&[NoTaskLimit], "take all process numbers", Disturb, Remedy::Tasks),
    rule(&[HostIds, cap(Capability::SysTime), Call("clock_settime")], "set the host's clock", Disturb, Drop(Capability::SysTime)),
    rule(&[HostIds, cap(Capability::SysBoot), Shared(Pid), Call("reboot")], "restart the host", Disturb, Drop(Capability::SysBoot)),
    rule(&[HostIds], "use up quotas of the host's root: inotify, keys, processes", Disturb, OWN_IDS),
    rule(&[HostUser], "use up quotas of the host's user of the same number: inotify, keys, processes", Disturb, OWN_IDS),
    // The host is learnt about.
    rule(&[ReadPath], "read files of the host", Learn, Remedy::NoPath),
    rule(&[NoCovers], "read the host's timers, interrupts, command line and addresses", Learn, Leave),
    rule(&[Shared(Pid)], "see the host's processes and their arguments", Learn, Private(Pid)),
    rule(&[Shared(Cgroup)], "see where on the host its control groups are", Learn, Private(Cgroup)),
    rule(&[Nothing], "read memory, load and processors of the host in /proc", Learn, Remedy::Size),
    rule(&[HostIds, cap(Capability::Syslog), Call("syslog")], "read the kernel's log", Learn, Drop(Capability::Syslog)),
    // Inside.
    rule(&[SetId], "use set-id programs of the image", RiseInside, Remedy::NoSetId),
    rule(&[cap(Capability::Setuid)], "become any user inside", RiseInside, Remedy::OtherUser),
    rule(&[cap(Capability::NetRaw)], "forge packets on the container's network", RiseInside, Drop(Capability::NetRaw)),
];

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("the host's kernel"),
            Self::Capability(capability) => write!(f, "capability {capability}"),
            Self::Call(call) => write!(f, "system call {call}"),
            Self::HostIds => f.write_str("the host's ids"),
            Self::CallersId => f.write_str("the caller's own id"),
            Self::HostUser => f.write_str("an id of the host's"),
            Self::Shared(kind) => {
                write!(f, "the host's {} namespace", format!("{kind:?}").to_ascii_lowercase())
            }
            Self::NoCovers => f.write_str("uncovered /proc and /sys"),
            Self::NoLabel => f.write_str("no security module"),
            Self::SetId => f.write_str("working set-id programs"),
            Self::HostPath => f.write_str("a writable path of the host"),
            Self::ReadPath => f.write_str("a path of the host"),
            Self::SystemPath => f.write_str("a writable path where the host keeps what it runs"),
            Self::Token => f.write_str("a token of the cluster"),
            Self::EngineSocket => f.write_str("the socket of an engine"),
            Self::Device => f.write_str("a device of the host"),
            Self::NoMemoryLimit => f.write_str("no limit of memory"),
            Self::NoTaskLimit => f.write_str("no limit of tasks"),
            Self::NewUserNamespace => f.write_str("new user namespaces"),
        }
    }
}

impl Rule {
    /// What it needs, in words.
    pub fn cause(&self) -> String {
        let words: Vec<String> = self.needs.iter().map(ToString::to_string).collect();
        words.join(" + ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::since::calls;

    #[test]
    fn rules_name_calls_that_there_are_and_stand_once() {
        for (place, rule) in RULES.iter().enumerate() {
            for need in rule.needs {
                if let Call(name) = need {
                    assert!(calls().any(|(call, _)| call == *name), "{name}");
                }
            }
            let twice = |other: &&Rule| other.primitive == rule.primitive;
            assert!(!RULES[..place].iter().any(|other| twice(&other)), "{}", rule.primitive);
        }
    }
}
