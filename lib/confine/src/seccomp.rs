//! The system call filter: profiles, and the BPF programs made of them.
//!
//! A [`Profile`] says what happens at which call with which arguments. [`compile`] makes a
//! program for one architecture out of it: architecture first, then a binary search over ranges
//! of numbers with the same answer, then the arguments. The default profile, [`default::ENTRIES`],
//! is a table of data with a reason beside every entry; profiles in the form of runtime-spec and
//! of docker are read by [`Profile::from_oci`] and [`docker::parse`].
//!
//! Sources: man 2 seccomp; runtime-spec config-linux.md, "Seccomp"; linux/seccomp.h.

mod answer;
mod arch;
mod compile;
pub mod default;
pub mod diff;
pub mod docker;
pub mod drift;
mod emit;
pub mod engine;
mod errno;
mod oci;
mod saved;
pub mod since;
mod table;

#[cfg(test)]
mod machine;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use answer::Answer;
pub use arch::Arch;
pub use compile::{CompileError, Program, compile};
pub use oci::{FLAGS, ProfileError};
pub use table::nearest;

/// What happens at a call. Source: man 2 seccomp, "Filters".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Action {
    /// The call is made.
    Allow,
    /// The call is made and logged by the host.
    Log,
    /// The call fails with this errno, at most 4095.
    Fail(u16),
    /// The thread gets `SIGSYS`.
    Trap,
    /// A tracer decides, and is told this number.
    Trace(u16),
    /// A listener decides.
    Notify,
    /// The thread is killed.
    KillThread,
    /// The process is killed.
    KillProcess,
}

impl Action {
    /// What a filter returns for it: `SECCOMP_RET_*` and its data.
    pub(crate) const fn value(self) -> u32 {
        match self {
            Self::KillProcess => 0x8000_0000,
            Self::KillThread => 0,
            Self::Trap => 0x0003_0000,
            Self::Fail(errno) => 0x0005_0000 | errno as u32,
            Self::Notify => 0x7fc0_0000,
            Self::Trace(number) => 0x7ff0_0000 | number as u32,
            Self::Log => 0x7ffc_0000,
            Self::Allow => 0x7fff_0000,
        }
    }
}

/// A condition on one argument. Arguments are compared as 64-bit numbers without sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Condition {
    /// Which argument, 0 to 5.
    pub argument: u8,
    /// What must hold of it.
    pub test: Test,
}

/// What must hold of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Test {
    /// It is this.
    Equal(u64),
    /// It is not this.
    NotEqual(u64),
    /// It is less.
    Less(u64),
    /// It is less or the same.
    LessOrEqual(u64),
    /// It is greater.
    Greater(u64),
    /// It is greater or the same.
    GreaterOrEqual(u64),
    /// Its bits under `mask` are those of `equal`. The kernel looks at the lower half alone of an
    /// argument that it takes as an `int`: mask with `0xffff_ffff` where a rule refuses
    /// (CVE-2019-7303).
    Masked {
        /// Which bits count.
        mask: u64,
        /// What they must be.
        equal: u64,
    },
}

/// One rule: what happens at a call if all conditions hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The call, by name.
    pub call: String,
    /// All of these must hold; none is always.
    pub when: Vec<Condition>,
    /// What happens.
    pub action: Action,
}

/// A whole filter.
///
/// Of the rules for one call those with conditions come first, in their order; then the first
/// without. What no rule answers gets the default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// What happens at a call that no rule answers.
    pub default: Action,
    /// What happens at calls that are newer, where that is another thing: `ENOSYS` makes a C
    /// library fall back to the older call.
    pub newer: Option<Action>,
    /// Which calls those are.
    #[serde(default)]
    pub horizon: Horizon,
    /// The rules.
    #[serde(with = "saved")]
    pub rules: Vec<Rule>,
    /// Architectures whose programs it lets run beside the host's own, by the same rules; those of
    /// all others are killed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Arch>,
    /// Whether the host logs what is refused.
    pub logging: Logging,
    /// What else is asked of the kernel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
}

/// Which calls are newer than a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Horizon {
    /// Those with numbers above all that this program knows.
    #[default]
    Program,
    /// Those with numbers above all that the rules name: whoever wrote them knew no others.
    Rules,
}

/// What else is asked of the kernel with a filter. Source: man 2 seccomp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flag {
    /// The mitigation of speculative store bypass is left out (`SECCOMP_FILTER_FLAG_SPEC_ALLOW`).
    SpecAllow,
    /// Only a signal that kills ends the wait for a listener
    /// (`SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV`).
    WaitKillable,
}

/// Whether the host's audit log gets refused calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Logging {
    /// Only those that kill.
    #[default]
    Kills,
    /// All that are refused.
    Refusals,
}
