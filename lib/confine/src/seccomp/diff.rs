//! How two profiles differ, call by call.
//!
//! Two answers are held against each other on both sides of every edge that either of them
//! looks at, so that a change of conditions is found by what it does and not by how it is written.

use super::{Answer, Arch, Condition, Profile, table};

/// The most combinations of arguments that are tried for one call: enough for three arguments
/// with a dozen edges each.
const TRIED: usize = 4096;

/// How the answer to one call changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The call.
    pub call: &'static str,
    /// What the first profile answers.
    pub before: Answer,
    /// What the second answers.
    pub after: Answer,
    /// Arguments with which the second makes the call and the first does not.
    pub opened: Option<[u64; 6]>,
    /// The other way round.
    pub closed: Option<[u64; 6]>,
}

impl Change {
    /// Whether the second profile makes a call that the first does not.
    pub fn opens(&self) -> bool {
        self.opened.is_some()
    }
}

/// The calls of this machine to which the profiles give different answers, in the order of their
/// names.
pub fn changes(before: &Profile, after: &Profile) -> Vec<Change> {
    let changes = table::all(Arch::HOST).filter_map(|(call, _)| {
        let (before, after) = (before.answer(call), after.answer(call));
        (before != after).then(|| change(call, before, after))?
    });
    changes.collect()
}

/// The change, or `None` where the same is only written in another way.
fn change(call: &'static str, before: Answer, after: Answer) -> Option<Change> {
    let (mut differs, mut opened, mut closed) = (false, None, None);
    for arguments in combinations(&before, &after) {
        let (old, new) = (before.to(&arguments), after.to(&arguments));
        differs |= old != new;
        match (old.permits(), new.permits()) {
            (false, true) => opened = opened.or(Some(arguments)),
            (true, false) => closed = closed.or(Some(arguments)),
            _ => {}
        }
    }
    differs.then_some(Change { call, before, after, opened, closed })
}

/// Every combination of edges of the arguments that are looked at; those that are not are 0.
fn combinations(before: &Answer, after: &Answer) -> Vec<[u64; 6]> {
    let conditions = || before.conditional.iter().chain(&after.conditional).flat_map(|(w, _)| w);
    let mut all = vec![[0; 6]];
    for argument in 0..6_u8 {
        let about = conditions().filter(|condition| condition.argument == argument);
        let mut values: Vec<u64> = about.flat_map(Condition::edges).collect();
        if values.is_empty() {
            continue;
        }
        values.push(0);
        values.sort_unstable();
        values.dedup();
        all = all.iter().flat_map(|base| with_each(base, argument, &values)).take(TRIED).collect();
    }
    all
}

fn with_each(base: &[u64; 6], argument: u8, values: &[u64]) -> Vec<[u64; 6]> {
    let with = |value: &u64| {
        let mut arguments = *base;
        arguments[usize::from(argument)] = *value;
        arguments
    };
    values.iter().map(with).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::{CapSet, Capability};
    use crate::seccomp::{Action, Horizon, Logging, Rule, Test, default};

    fn profile(rules: Vec<Rule>) -> Profile {
        let (default, logging) = (Action::Fail(1), Logging::Kills);
        let horizon = Horizon::Program;
        Profile {
            default,
            newer: None,
            horizon,
            rules,
            beside: Vec::new(),
            logging,
            flags: Vec::new(),
        }
    }

    fn socket(test: Test) -> Rule {
        let when = vec![Condition { argument: 0, test }];
        Rule { call: "socket".to_owned(), when, action: Action::Allow }
    }

    #[test]
    fn a_profile_does_not_differ_from_itself() {
        let own = default::profile(CapSet::DEFAULT);
        assert_eq!(changes(&own, &own), []);
    }

    #[test]
    fn a_capability_opens_its_calls_and_closes_none() {
        let (few, many) = (default::profile(CapSet::EMPTY), CapSet::of(&[Capability::SysPtrace]));
        let changes = changes(&few, &default::profile(many));
        assert!(changes.iter().any(|change| change.call == "ptrace" && change.opens()));
        assert!(changes.iter().all(|change| change.closed.is_none()));
    }

    #[test]
    fn another_spelling_is_no_change() {
        let one = profile(vec![socket(Test::Equal(1))]);
        let same = profile(vec![socket(Test::Masked { mask: u64::MAX, equal: 1 })]);
        assert_eq!(changes(&one, &same), []);
        let wider = profile(vec![socket(Test::Masked { mask: 0xffff_ffff, equal: 1 })]);
        let changes = changes(&one, &wider);
        assert_eq!(changes[0].opened.map(|arguments| arguments[0] & 0xffff_ffff), Some(1));
    }

    #[test]
    fn an_argument_that_is_no_longer_allowed_is_shown() {
        let one = profile(vec![socket(Test::Equal(1)), socket(Test::Equal(38))]);
        let less = profile(vec![socket(Test::Equal(1))]);
        let changes = changes(&one, &less);
        assert_eq!((changes[0].opened, changes[0].closed), (None, Some([38, 0, 0, 0, 0, 0])));
        assert_eq!(
            changes[0].before.to_string(),
            "allowed if arg0 = 0x1 or arg0 = 0x26, else refused (EPERM)"
        );
    }
}
