//! What a profile answers to one call, by its arguments.

use std::fmt;

use super::{Action, Condition, Profile, Test, errno};

/// What a profile answers to one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What is answered where all conditions hold, in this order.
    pub conditional: Vec<(Vec<Condition>, Action)>,
    /// What is answered else.
    pub otherwise: Action,
}

impl Profile {
    /// What it answers to `call`.
    pub fn answer(&self, call: &str) -> Answer {
        let rules = || self.rules.iter().filter(|rule| rule.call == call);
        let plain = rules().find(|rule| rule.when.is_empty());
        let conditional = rules().filter(|rule| !rule.when.is_empty());
        Answer {
            conditional: conditional.map(|rule| (rule.when.clone(), rule.action)).collect(),
            otherwise: plain.map_or(self.default, |rule| rule.action),
        }
    }
}

impl Action {
    /// Whether the call is made.
    pub const fn permits(self) -> bool {
        matches!(self, Self::Allow | Self::Log)
    }
}

impl Answer {
    /// What is answered to these arguments.
    pub fn to(&self, arguments: &[u64; 6]) -> Action {
        let met = |when: &[Condition]| when.iter().all(|condition| condition.holds(arguments));
        let hit = self.conditional.iter().find(|(when, _)| met(when));
        hit.map_or(self.otherwise, |(_, action)| *action)
    }

    /// Whether the call is made whatever its arguments are.
    pub fn always(&self) -> bool {
        self.otherwise.permits() && self.conditional.iter().all(|(_, action)| action.permits())
    }

    /// Whether the call is made with no arguments at all.
    pub fn never(&self) -> bool {
        !self.otherwise.permits() && !self.conditional.iter().any(|(_, action)| action.permits())
    }
}

impl Condition {
    fn holds(&self, arguments: &[u64; 6]) -> bool {
        let Some(argument) = arguments.get(usize::from(self.argument)) else { return false };
        match self.test {
            Test::Equal(value) => *argument == value,
            Test::NotEqual(value) => *argument != value,
            Test::Less(value) => *argument < value,
            Test::LessOrEqual(value) => *argument <= value,
            Test::Greater(value) => *argument > value,
            Test::GreaterOrEqual(value) => *argument >= value,
            Test::Masked { mask, equal } => argument & mask == equal,
        }
    }

    /// Values at and around what it compares with: on both sides of every edge.
    pub(super) fn edges(&self) -> Vec<u64> {
        let (value, mask) = match self.test {
            Test::Masked { mask, equal } => (equal, mask),
            Test::Equal(value) | Test::NotEqual(value) => (value, u64::MAX),
            Test::Less(value) | Test::LessOrEqual(value) => (value, u64::MAX),
            Test::Greater(value) | Test::GreaterOrEqual(value) => (value, u64::MAX),
        };
        let lowest = mask & mask.wrapping_neg();
        vec![value, value.wrapping_add(1), value.wrapping_sub(1), value ^ lowest, value | !mask]
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow => f.write_str("allowed"),
            Self::Log => f.write_str("allowed and logged"),
            Self::Fail(errno) => write!(f, "refused ({})", errno::name(*errno)),
            Self::Trap => f.write_str("SIGSYS"),
            Self::Trace(_) => f.write_str("a tracer decides"),
            Self::Notify => f.write_str("a listener decides"),
            Self::KillThread => f.write_str("kills the thread"),
            Self::KillProcess => f.write_str("kills the process"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.argument;
        match self.test {
            Test::Equal(value) => write!(f, "arg{number} = {value:#x}"),
            Test::NotEqual(value) => write!(f, "arg{number} ≠ {value:#x}"),
            Test::Less(value) => write!(f, "arg{number} < {value:#x}"),
            Test::LessOrEqual(value) => write!(f, "arg{number} ≤ {value:#x}"),
            Test::Greater(value) => write!(f, "arg{number} > {value:#x}"),
            Test::GreaterOrEqual(value) => write!(f, "arg{number} ≥ {value:#x}"),
            Test::Masked { mask, equal } => write!(f, "arg{number} & {mask:#x} = {equal:#x}"),
        }
    }
}

impl fmt::Display for Answer {
    /// `allowed if arg0 = 0x1 or arg0 = 0x2, else refused (EPERM)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for (when, action) in &self.conditional {
            match last {
                Some(before) if before == action => f.write_str(" or ")?,
                Some(_) => write!(f, ", {action} if ")?,
                None => write!(f, "{action} if ")?,
            }
            last = Some(action);
            let words: Vec<String> = when.iter().map(ToString::to_string).collect();
            f.write_str(&words.join(" and "))?;
        }
        match last {
            Some(_) => write!(f, ", else {}", self.otherwise),
            None => self.otherwise.fmt(f),
        }
    }
}
