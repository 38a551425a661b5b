//! What docker and containerd let through without being told: where somebody else's container
//! says "the engine's default", and the engine cannot be asked.
//!
//! It is coffer's own profile with what theirs allows beyond it, as far as the rules of
//! [`posture`](crate::posture) look at it. Sources: moby, profiles/seccomp (since 25.0);
//! containerd, contrib/seccomp (since 2.0).

use super::{Action, Profile, Rule, default};
use crate::capability::{CapSet, Capability};

/// Calls that their default lets through and ours refuses, and for whom.
const MORE: [(&str, &[Capability]); 5] = [
    ("modify_ldt", &[]),
    ("ptrace", &[]),
    ("bpf", &[Capability::SysAdmin, Capability::Bpf]),
    ("perf_event_open", &[Capability::SysAdmin, Capability::Perfmon]),
    ("syslog", &[Capability::SysAdmin, Capability::Syslog]),
];

/// The engine's default profile of a container that was granted `granted`.
pub fn profile(granted: CapSet) -> Profile {
    let mut profile = default::profile(granted);
    let open = |with: &[Capability]| with.is_empty() || with.iter().any(|one| granted.has(*one));
    let more = MORE.iter().filter(|(_, with)| open(with)).map(|(call, _)| Rule {
        call: (*call).to_owned(),
        when: Vec::new(),
        action: Action::Allow,
    });
    // The first plain rule for a call decides.
    profile.rules.splice(0..0, more);
    profile
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posture::rules::{Need, RULES};
    use Capability::{Bpf, DacReadSearch, Perfmon, SysAdmin, SysBoot, SysModule, SysTime, Syslog};

    /// Who may make which call. Source: docker, "Significant syscalls blocked by the default
    /// profile", and moby 28.3, profiles/seccomp/default.json.
    const TABLE: &[(&str, Who)] = &[
        ("bpf", Who::With(&[SysAdmin, Bpf])),
        ("clock_settime", Who::With(&[SysTime])),
        ("finit_module", Who::With(&[SysModule])),
        ("io_uring_setup", Who::With(&[])),
        ("keyctl", Who::With(&[])),
        ("modify_ldt", Who::All),
        ("mount", Who::With(&[SysAdmin])),
        ("open_by_handle_at", Who::With(&[DacReadSearch])),
        ("perf_event_open", Who::With(&[SysAdmin, Perfmon])),
        ("ptrace", Who::All),
        ("reboot", Who::With(&[SysBoot])),
        ("syslog", Who::With(&[SysAdmin, Syslog])),
        ("userfaultfd", Who::With(&[])),
    ];

    enum Who {
        All,
        With(&'static [Capability]),
    }

    impl Who {
        fn may(&self, granted: CapSet) -> bool {
            match self {
                Self::All => true,
                Self::With(one_of) => one_of.iter().any(|one| granted.has(*one)),
            }
        }
    }

    fn sets() -> impl Iterator<Item = CapSet> {
        let singles = Capability::ALL.iter().map(|one| CapSet::of(&[*one]));
        singles.chain([CapSet::EMPTY, CapSet::DEFAULT, CapSet::ALL])
    }

    #[test]
    fn it_answers_as_the_engines_do_wherever_a_rule_looks() {
        let of = |need: &Need| match need {
            Need::Call(call) => Some(*call),
            _ => None,
        };
        for call in RULES.iter().flat_map(|rule| rule.needs).filter_map(of) {
            let (_, who) = TABLE.iter().find(|(name, _)| *name == call).unwrap();
            for granted in sets() {
                let never = profile(granted).answer(call).never();
                assert_eq!(!never, who.may(granted), "{call} with {granted}");
            }
        }
    }

    /// `unshare(CLONE_NEWUSER)`.
    #[test]
    fn user_namespaces_are_for_administrators() {
        for granted in sets() {
            for call in ["clone", "unshare"] {
                let answer = profile(granted).answer(call).to(&[0x1000_0000, 0, 0, 0, 0, 0]);
                assert_eq!(answer.permits(), granted.has(SysAdmin), "{call} with {granted}");
            }
        }
    }
}
