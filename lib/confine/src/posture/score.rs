//! What can come of a fence's gaps, and how much each counts.

use std::fmt;

use serde::Serialize;

use super::rules::Rule;

/// What can come of what a container can do, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consequence {
    /// The host is the container's.
    TakeOver,
    /// What belongs to the host, or to others on it, is read or changed.
    Others,
    /// Much code of the kernel can be attacked: one bug more is one too many.
    AttackKernel,
    /// The host or others on it become slow or stop.
    Disturb,
    /// The host is learnt about.
    Learn,
    /// A user inside becomes another user inside.
    RiseInside,
}

impl Consequence {
    /// All of them, the worst first.
    pub const ALL: [Self; 6] = [
        Self::TakeOver,
        Self::Others,
        Self::AttackKernel,
        Self::Disturb,
        Self::Learn,
        Self::RiseInside,
    ];

    /// How many of a hundred points it costs. They add up to a hundred.
    pub const fn cost(self) -> u32 {
        match self {
            Self::TakeOver => 40,
            Self::Others => 25,
            Self::AttackKernel => 15,
            Self::Disturb => 10,
            Self::Learn => 6,
            Self::RiseInside => 4,
        }
    }

    /// Its name in an identifier.
    pub const fn id(self) -> &'static str {
        match self {
            Self::TakeOver => "take-over",
            Self::Others => "others",
            Self::AttackKernel => "attack-kernel",
            Self::Disturb => "disturb",
            Self::Learn => "learn",
            Self::RiseInside => "rise-inside",
        }
    }
}

impl fmt::Display for Consequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TakeOver => "take over the host",
            Self::Others => "read or change what belongs to the host or to others",
            Self::AttackKernel => "attack the host's kernel",
            Self::Disturb => "slow or stop the host or others",
            Self::Learn => "learn about the host",
            Self::RiseInside => "become another user inside",
        })
    }
}

/// A consequence that can be reached, and the ways to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The consequence.
    pub consequence: Consequence,
    /// What leads there.
    pub ways: Vec<&'static Rule>,
}

/// A hundred less what can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    /// 0 (everything can be reached) to 100 (nothing).
    pub points: u32,
    /// What can be reached, the worst first.
    pub reached: Vec<Reached>,
}

impl Score {
    pub(super) fn of(paths: &[&'static Rule]) -> Self {
        let ways = |consequence| -> Vec<&'static Rule> {
            paths.iter().copied().filter(|rule| rule.consequence == consequence).collect()
        };
        let reach = |consequence| Reached { consequence, ways: ways(consequence) };
        let all = Consequence::ALL.map(reach);
        let reached: Vec<Reached> = all.into_iter().filter(|r| !r.ways.is_empty()).collect();
        let cost: u32 = reached.iter().map(|reached| reached.consequence.cost()).sum();
        Self { points: 100_u32.saturating_sub(cost), reached }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_costs_everything() {
        assert_eq!(Consequence::ALL.map(Consequence::cost).iter().sum::<u32>(), 100);
    }
}
