//! Whether a profile still does what it was written for on a newer kernel.

use super::since::{KIN, Kin, Kinship, Version, since};
use super::{Action, Profile};

/// Something about a profile that a newer kernel has undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The two calls.
    pub kin: Kin,
    /// What has become of it.
    pub effect: Effect,
    /// The Linux that brought it; `None` is older than 3.0.
    pub since: Option<Version>,
}

/// What a newer call does to a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The older call is refused and the newer, which does the same, is not.
    Bypassed,
    /// The older call is refused for some arguments, and the newer has them where no filter looks.
    Unseen,
    /// The older call is allowed, and the newer is answered in a way that programs do not take
    /// for "there is no such call".
    Broken,
}

/// `errno` of a call that the kernel does not have.
const ENOSYS: u16 = 38;

/// What newer calls do to `profile`.
pub fn drift(profile: &Profile) -> Vec<Drift> {
    let look = |kin: &Kin| {
        let effect = effect(profile, kin)?;
        Some(Drift { kin: *kin, effect, since: since(kin.newer) })
    };
    KIN.iter().filter_map(look).collect()
}

fn effect(profile: &Profile, kin: &Kin) -> Option<Effect> {
    let (older, newer) = (profile.answer(kin.older), profile.answer(kin.newer));
    // An allowlist may leave old calls out, which new programs do not make.
    let meant = profile.rules.iter().any(|rule| rule.call == kin.older);
    // As on an older kernel: programs take the older call.
    let absent = newer.conditional.is_empty() && newer.otherwise == Action::Fail(ENOSYS);
    match kin.kinship {
        Kinship::Hidden if newer.always() && !older.always() => Some(Effect::Unseen),
        Kinship::Way if older.never() && newer.always() => Some(Effect::Bypassed),
        Kinship::Variant if older.never() && newer.always() && meant => Some(Effect::Bypassed),
        Kinship::Variant if older.always() && newer.never() && !absent => Some(Effect::Broken),
        Kinship::Hidden if !older.never() && newer.never() && !absent => Some(Effect::Broken),
        _ => None,
    }
}

impl Drift {
    /// What is wrong.
    pub fn what(&self) -> String {
        let Kin { newer, older, .. } = self.kin;
        match self.effect {
            Effect::Bypassed => format!("{older} is refused, and {newer} does the same"),
            Effect::Unseen => {
                format!("{older} is allowed by its arguments, and those of {newer} lie in memory")
            }
            Effect::Broken => format!("{older} is allowed, and newer C libraries call {newer}"),
        }
    }

    /// What to change in the profile.
    pub fn fix(&self) -> String {
        let Kin { newer, kinship, .. } = self.kin;
        let absent = format!("answer {newer} with errnoRet 38 (ENOSYS)");
        match (self.effect, kinship) {
            (Effect::Bypassed, _) => format!("refuse {newer} too"),
            (Effect::Unseen, _) | (Effect::Broken, Kinship::Hidden) => absent,
            (Effect::Broken, _) => format!("allow {newer}, or {absent}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::CapSet;
    use crate::seccomp::{Horizon, Logging, Rule, default};

    fn profile(default: Action, rules: &[(&str, Action)]) -> Profile {
        let rule = |(call, action): &(&str, Action)| {
            let (call, action) = ((*call).to_owned(), *action);
            Rule { call, when: Vec::new(), action }
        };
        let rules = rules.iter().map(rule).collect();
        Profile {
            default,
            newer: None,
            horizon: Horizon::Program,
            rules,
            beside: Vec::new(),
            logging: Logging::Kills,
            flags: Vec::new(),
        }
    }

    #[test]
    fn our_own_has_not_drifted() {
        for granted in [CapSet::EMPTY, CapSet::DEFAULT, CapSet::ALL] {
            assert_eq!(drift(&default::profile(granted)), [], "{granted}");
        }
    }

    #[test]
    fn a_newer_way_around_a_refusal_is_found() {
        let refuses = [("ptrace", Action::Fail(1)), ("mount", Action::Fail(1))];
        let found = drift(&profile(Action::Allow, &refuses));
        assert!(found.iter().all(|drift| drift.effect == Effect::Bypassed));
        assert!(
            found.iter().any(|d| d.kin.newer == "process_vm_writev" && d.since == Some((3, 2)))
        );
        assert!(found.iter().any(|d| d.fix() == "refuse move_mount too"));
    }

    #[test]
    fn a_c_library_that_moves_on_is_found() {
        let allows = [("openat", Action::Allow), ("clone", Action::Allow)];
        let found = drift(&profile(Action::Fail(1), &allows));
        let of = |newer: &str| found.iter().find(|drift| drift.kin.newer == newer).unwrap();
        assert_eq!(of("openat2").effect, Effect::Broken);
        assert_eq!(of("clone3").fix(), "answer clone3 with errnoRet 38 (ENOSYS)");
        assert_eq!(drift(&profile(Action::Fail(38), &allows)), []);
    }
}
