//! How rules are written down: calls in a row that share conditions and action share an entry. A
//! profile has hundreds of calls and a few ways to answer, and is read at each `exec`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Action, Condition, Rule};

/// Some rules, as they are written.
#[derive(Serialize)]
struct Written<'a> {
    calls: Vec<&'a str>,
    when: &'a [Condition],
    action: Action,
}

/// Some rules, as they are read.
#[derive(Deserialize)]
struct Read {
    calls: Vec<String>,
    when: Vec<Condition>,
    action: Action,
}

pub(super) fn serialize<S: Serializer>(rules: &[Rule], to: S) -> Result<S::Ok, S::Error> {
    let alike = |a: &Rule, b: &Rule| a.action == b.action && a.when == b.when;
    to.collect_seq(rules.chunk_by(alike).map(|rules| Written {
        calls: rules.iter().map(|rule| rule.call.as_str()).collect(),
        when: &rules[0].when,
        action: rules[0].action,
    }))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Rule>, D::Error> {
    let groups = Vec::<Read>::deserialize(from)?;
    let mut rules = Vec::with_capacity(groups.iter().map(|group| group.calls.len()).sum());
    for Read { calls, when, action } in groups {
        rules.extend(calls.into_iter().map(|call| Rule { call, when: when.clone(), action }));
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use crate::capability::CapSet;
    use crate::seccomp::{Profile, default};

    #[test]
    fn rules_come_back_in_their_order() {
        let profile = default::profile(CapSet::DEFAULT);
        let written = serde_json::to_string(&profile).unwrap();
        assert_eq!(serde_json::from_str::<Profile>(&written).unwrap(), profile);
        assert!(written.matches("action").count() < profile.rules.len() / 2);
    }
}
