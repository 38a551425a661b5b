//! What a fence leaves open, as a graph: a thing that the container has, what it can do with it,
//! and what comes of that.
//!
//! A [`Posture`] is what is known of a fence, wherever it comes from: a container's record, a
//! bundle, or a process that runs under any runtime. [`Posture::paths`] holds the rules of
//! [`rules::RULES`] against it. The score is over the consequences, not over the settings: each
//! that can be reached is counted once, however many ways lead there.

mod of_confinement;
mod of_process;
mod path;
mod remedy;
pub mod rules;
mod score;

use coffer_oci::runtime::NamespaceKind;

use crate::capability::{CapSet, Capability};
use crate::seccomp::Profile;
use rules::{Need, RULES, Rule};

pub(crate) use path::is_socket_of_engine;
pub use path::{Access, HostPath};
pub use remedy::{Remedy, Words};
pub use score::{Consequence, Reached, Score};

/// What is known of a fence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posture {
    /// Namespaces of its own.
    pub own: Vec<NamespaceKind>,
    /// Whose its root is.
    pub root: Root,
    /// The capabilities that its processes can come to have.
    pub capabilities: CapSet,
    /// Whether executing a file may give more rights.
    pub set_id: SetId,
    /// Its system calls.
    pub calls: Calls,
    /// Whether `/proc` and `/sys` have covers.
    pub system_paths: Covers,
    /// Whether a security module holds it.
    pub label: Label,
    /// What it is given of the host's files.
    pub host_paths: Vec<HostPath>,
    /// Whether it is given a token for the API of a cluster.
    pub token: Token,
    /// Devices of the host that it has beside the harmless ones.
    pub devices: Vec<String>,
    /// Limits of its control group.
    pub limits: Limits,
}

/// Whose a container's root is on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// The host's root.
    Host,
    /// A user that owns nothing else.
    Range,
    /// The user who started it.
    Caller,
    /// Nobody: it runs as another user of the host's, and nothing makes it root.
    Nobody,
}

/// Whether there is a token for the API of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// There is none.
    None,
    /// It is mounted.
    Mounted,
}

/// Whether executing a file may give more rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetId {
    /// Never: no_new_privs is set.
    Inert,
    /// As the file says.
    Works,
}

/// Which system calls can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Calls {
    /// All.
    All,
    /// Those that this filter lets through.
    Filtered(Box<Profile>),
    /// There is a filter, and nobody can read from outside what it refuses.
    Unreadable,
}

/// Whether paths of the kernel's file systems are covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covers {
    /// They are.
    There,
    /// They are not.
    None,
}

/// Whether a security module holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Label {
    /// None does.
    None,
    /// One does, by this name.
    Held(String),
}

/// Which resources are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Whether memory is.
    pub memory: Limited,
    /// Whether the number of tasks is.
    pub tasks: Limited,
}

/// Whether a resource is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// It is.
    Yes,
    /// It is not.
    No,
}

impl Posture {
    /// The rules that hold: what it has, what it can do with it, what comes of it.
    pub fn paths(&self) -> Vec<&'static Rule> {
        RULES.iter().filter(|rule| rule.needs.iter().all(|need| self.has(need))).collect()
    }

    /// The score.
    pub fn score(&self) -> Score {
        Score::of(&self.paths())
    }

    /// Whether a call can be made, where that can be told. A filter that cannot be read is taken
    /// to refuse it: what is said to be open is open.
    fn may_call(&self, call: &str) -> bool {
        match &self.calls {
            Calls::All => true,
            Calls::Filtered(profile) => !profile.answer(call).never(),
            Calls::Unreadable => false,
        }
    }

    fn has(&self, need: &Need) -> bool {
        match need {
            Need::Nothing => true,
            Need::Capability(capability) => self.capabilities.has(*capability),
            Need::Call(call) => self.may_call(call),
            Need::HostIds => self.root == Root::Host,
            Need::CallersId => self.root == Root::Caller,
            Need::HostUser => self.root == Root::Nobody,
            Need::Shared(kind) => !self.own.contains(kind),
            Need::NoCovers => self.system_paths == Covers::None,
            Need::NoLabel => self.label == Label::None,
            Need::SetId => self.set_id == SetId::Works,
            Need::HostPath => self.host_paths.iter().any(HostPath::writable),
            Need::ReadPath => !self.host_paths.is_empty(),
            Need::SystemPath => self.host_paths.iter().any(HostPath::is_system),
            Need::EngineSocket => self.host_paths.iter().any(HostPath::has_engine),
            Need::Token => self.token == Token::Mounted,
            Need::Device => !self.devices.is_empty(),
            Need::NoMemoryLimit => self.limits.memory == Limited::No,
            Need::NoTaskLimit => self.limits.tasks == Limited::No,
            Need::NewUserNamespace => self.may_make_user_namespaces(),
        }
    }

    /// Whether `unshare` or `clone` makes user namespaces, in which all capabilities are there.
    fn may_make_user_namespaces(&self) -> bool {
        /// Source: linux/sched.h, `CLONE_NEWUSER`.
        const NEWUSER: u64 = 0x1000_0000;
        match &self.calls {
            Calls::All => true,
            Calls::Filtered(profile) => ["unshare", "clone"]
                .iter()
                .any(|call| profile.answer(call).to(&[NEWUSER, 0, 0, 0, 0, 0]).permits()),
            Calls::Unreadable => false,
        }
    }

    /// Whether it is root of its user namespace with every capability.
    pub fn is_privileged(&self) -> bool {
        self.capabilities.has(Capability::SysAdmin) && self.calls == Calls::All
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::default;

    pub(super) fn strict() -> Posture {
        use NamespaceKind::{Cgroup, Ipc, Mount, Network, Pid, User, Uts};
        Posture {
            own: vec![User, Pid, Mount, Ipc, Uts, Cgroup, Network],
            root: Root::Range,
            capabilities: CapSet::EMPTY,
            set_id: SetId::Inert,
            calls: Calls::Filtered(Box::new(default::profile(CapSet::EMPTY))),
            system_paths: Covers::There,
            label: Label::Held("coffer".to_owned()),
            host_paths: Vec::new(),
            token: Token::None,
            devices: Vec::new(),
            limits: Limits { memory: Limited::Yes, tasks: Limited::Yes },
        }
    }

    fn reaches(posture: &Posture) -> Vec<Consequence> {
        posture.score().reached.iter().map(|reached| reached.consequence).collect()
    }

    #[test]
    fn the_strictest_shares_the_kernel_and_nothing_more() {
        assert_eq!(reaches(&strict()), [Consequence::AttackKernel, Consequence::Learn]);
    }

    #[test]
    fn the_hosts_root_with_mounts_is_the_host() {
        let admin = CapSet::of(&[Capability::SysAdmin]);
        let weak = Posture { root: Root::Host, capabilities: admin, calls: Calls::All, ..strict() };
        assert!(reaches(&weak).contains(&Consequence::TakeOver));
        let mapped = Posture { root: Root::Range, ..weak };
        assert!(!reaches(&mapped).contains(&Consequence::TakeOver));
    }

    /// A mount that cannot be written does not keep anybody from connecting.
    #[test]
    fn the_socket_of_an_engine_is_the_host() {
        for access in [Access::Write, Access::Read] {
            let paths = vec![HostPath { path: "/run/docker.sock".to_owned(), access }];
            let weak = Posture { host_paths: paths, ..strict() };
            assert!(reaches(&weak).contains(&Consequence::TakeOver));
        }
    }

    #[test]
    fn a_user_without_a_way_to_root_writes_no_units() {
        let paths = vec![HostPath { path: "/etc/cron.d".to_owned(), access: Access::Write }];
        let root = Posture { root: Root::Host, host_paths: paths, ..strict() };
        assert!(reaches(&root).contains(&Consequence::TakeOver));
        let user = Posture { root: Root::Nobody, ..root };
        assert!(!reaches(&user).contains(&Consequence::TakeOver));
    }

    /// Each thing more that is opened never makes the score better.
    #[test]
    fn opening_costs() {
        let all = strict().score().points;
        for opened in [
            Posture { root: Root::Host, ..strict() },
            Posture { capabilities: CapSet::ALL, ..strict() },
            Posture { calls: Calls::All, ..strict() },
            Posture { own: Vec::new(), ..strict() },
            Posture { system_paths: Covers::None, ..strict() },
            Posture { limits: Limits { memory: Limited::No, tasks: Limited::No }, ..strict() },
        ] {
            assert!(opened.score().points <= all, "{opened:?}");
        }
    }
}
