//! From a profile to a program.

use std::os::fd::OwnedFd;

use coffer_sys::seccomp::{Flags, Instruction, load, load_with_listener};

use super::emit::{Emitter, Place, data};
use super::table::{self, Call, NoNumber};
use super::{Action, Arch, Flag, Horizon, Logging, Profile, Rule};

/// A filter that the kernel takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    instructions: Vec<Instruction>,
    flags: Flags,
}

/// Why a profile cannot be made into a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A rule that refuses names no system call: it would hold nothing back.
    #[error("the system call filter refuses {0:?}, which is no system call")]
    UnknownCall(String),
    /// A condition is on an argument that no call has.
    #[error("the system call filter looks at argument {argument} of {call}; arguments are 0 to 5")]
    Argument {
        /// The call.
        call: String,
        /// The argument.
        argument: u8,
    },
    /// An errno is larger than the kernel takes.
    #[error("the system call filter answers {call} with errno {errno}; the largest is 4095")]
    Errno {
        /// The call, or `*` for the default.
        call: String,
        /// The errno.
        errno: u16,
    },
    /// The program is longer than the kernel takes.
    #[error("the system call filter has {0} instructions; the kernel takes {LONGEST}")]
    TooLong(usize),
}

/// The most instructions that the kernel takes. Source: linux/bpf_common.h, `BPF_MAXINSNS`.
const LONGEST: usize = 4096;

/// `errno` of a call that the kernel does not have.
const ENOSYS: u16 = 38;

impl Program {
    /// Its instructions.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// Puts it in force for this thread and its children, for good. The thread needs
    /// no_new_privs.
    ///
    /// # Errors
    /// What `seccomp` returns.
    pub fn load(&self) -> Result<(), rustix::io::Errno> {
        load(&self.instructions, self.flags)
    }

    /// The same, with the descriptor on which the calls arrive that are handed over.
    ///
    /// # Errors
    /// What `seccomp` returns.
    pub fn load_with_listener(&self) -> Result<OwnedFd, rustix::io::Errno> {
        load_with_listener(&self.instructions, self.flags)
    }
}

/// A rule, and the call that it is for.
type Named<'a> = (&'static Call, &'a Rule);

/// A rule, and the number of its call.
type Numbered<'a> = (u32, &'a Rule);

/// What happens at one call.
#[derive(Clone, Copy, Debug)]
enum Answer<'a> {
    /// The same, whatever its arguments.
    Always(Action),
    /// What its rules say, in their order. One of them has conditions.
    Rules(&'a [Numbered<'a>]),
}

/// Makes the program of `profile` for `arch`.
///
/// Calls of every other architecture kill the process, but for those that the profile has beside;
/// those of x32 get `ENOSYS`. A rule for a call that this architecture has not is left out.
///
/// # Errors
/// A [`CompileError`] for a rule that could not do what it says.
pub fn compile(profile: &Profile, arch: Arch) -> Result<Program, CompileError> {
    check_action("*", profile.default)?;
    let rules = named(profile)?;
    let mut emitter = Emitter::default();
    let mut other = emitter.answer(Action::KillProcess);
    for beside in profile.beside.iter().filter(|beside| **beside != arch) {
        let start = calls(&mut emitter, profile, &rules, *beside);
        other = emitter.if_equal(beside.audit(), start, other);
    }
    let start = calls(&mut emitter, profile, &rules, arch);
    let start = emitter.if_equal(arch.audit(), start, other);
    emitter.load(data::ARCH, start);
    finish(emitter, profile)
}

/// What happens at the calls of one architecture.
fn calls(emitter: &mut Emitter, profile: &Profile, rules: &[Named<'_>], arch: Arch) -> Place {
    let numbered = numbered(rules, arch);
    let mut start = search(emitter, &ranges(&numbered, profile.default), profile.default);
    let beyond = profile.newer.filter(|newer| *newer != profile.default);
    if let Some(newer) = beyond {
        let newest = match profile.horizon {
            Horizon::Program => table::NEWEST,
            Horizon::Rules => numbered.last().map_or(table::NEWEST, |(number, _)| *number),
        };
        let newer = emitter.answer(newer);
        start = emitter.if_at_least(newest + 1, newer, start);
    }
    if let Some(foreign) = arch.foreign() {
        let absent = emitter.answer(Action::Fail(ENOSYS));
        start = emitter.if_at_least(foreign, absent, start);
    }
    emitter.load(data::NUMBER, start)
}

fn finish(emitter: Emitter, profile: &Profile) -> Result<Program, CompileError> {
    let instructions = emitter.finish();
    if instructions.len() > LONGEST {
        return Err(CompileError::TooLong(instructions.len()));
    }
    let logging = match profile.logging {
        Logging::Kills => Flags::NONE,
        Logging::Refusals => Flags::LOG,
    };
    let flags = profile.flags.iter().fold(logging, |flags, flag| {
        flags.with(match flag {
            Flag::SpecAllow => Flags::SPEC_ALLOW,
            // Without a listener there is nothing to wait for, and the kernel refuses the flag.
            Flag::WaitKillable if profile.rules.iter().all(|r| r.action != Action::Notify) => {
                Flags::NONE
            }
            Flag::WaitKillable => Flags::WAIT_KILLABLE,
        })
    });
    Ok(Program { instructions, flags })
}

/// The rules for calls that some architecture has.
fn named(profile: &Profile) -> Result<Vec<Named<'_>>, CompileError> {
    let mut named = Vec::with_capacity(profile.rules.len());
    for rule in &profile.rules {
        check_rule(rule)?;
        match table::call(&rule.call) {
            Ok(call) => named.push((call, rule)),
            Err(NoNumber::Unknown) if !matches!(rule.action, Action::Allow | Action::Log) => {
                return Err(CompileError::UnknownCall(rule.call.clone()));
            }
            Err(NoNumber::Unknown | NoNumber::Elsewhere) => {}
        }
    }
    Ok(named)
}

/// The rules for calls of one architecture, by their numbers, and those of one call in their order.
fn numbered<'a>(rules: &[Named<'a>], arch: Arch) -> Vec<Numbered<'a>> {
    let number = |(call, rule): &Named<'a>| Some((call.number(arch)?, *rule));
    let mut numbered: Vec<Numbered<'a>> = rules.iter().filter_map(number).collect();
    numbered.sort_by_key(|(number, _)| *number);
    numbered
}

fn check_rule(rule: &Rule) -> Result<(), CompileError> {
    check_action(&rule.call, rule.action)?;
    match rule.when.iter().find(|condition| condition.argument > 5) {
        Some(bad) => {
            Err(CompileError::Argument { call: rule.call.clone(), argument: bad.argument })
        }
        None => Ok(()),
    }
}

fn check_action(call: &str, action: Action) -> Result<(), CompileError> {
    match action {
        Action::Fail(errno) if errno > 4095 => {
            Err(CompileError::Errno { call: call.to_owned(), errno })
        }
        _ => Ok(()),
    }
}

/// A range of numbers with the same answer, from its first number on.
type Range<'a> = (u32, Answer<'a>);

/// All numbers, in ranges.
fn ranges<'a>(numbered: &'a [Numbered<'a>], default: Action) -> Vec<Range<'a>> {
    let mut ranges = vec![(0, Answer::Always(default))];
    for rules in numbered.chunk_by(|a, b| a.0 == b.0) {
        let number = rules[0].0;
        push_range(&mut ranges, number, Answer::of(rules, default));
        push_range(&mut ranges, number + 1, Answer::Always(default));
    }
    ranges
}

impl<'a> Answer<'a> {
    fn of(rules: &'a [Numbered<'a>], default: Action) -> Self {
        match rules.iter().all(|(_, rule)| rule.when.is_empty()) {
            true => Self::Always(otherwise(rules, default)),
            false => Self::Rules(rules),
        }
    }

    fn is(self, other: Answer<'_>) -> bool {
        matches!((self, other), (Self::Always(one), Answer::Always(other)) if one == other)
    }
}

/// What happens where no condition holds: the first rule without any says it.
fn otherwise(rules: &[Numbered<'_>], default: Action) -> Action {
    let plain = rules.iter().find(|(_, rule)| rule.when.is_empty());
    plain.map_or(default, |(_, rule)| rule.action)
}

/// Begins a range, unless it would go on as the one before.
fn push_range<'a>(ranges: &mut Vec<Range<'a>>, first: u32, answer: Answer<'a>) {
    if ranges.last().is_some_and(|last| last.0 == first) {
        ranges.pop();
    }
    if ranges.last().is_none_or(|last| !last.1.is(answer)) {
        ranges.push((first, answer));
    }
}

/// A binary search: half of the ranges lie behind each comparison.
fn search(emitter: &mut Emitter, ranges: &[Range<'_>], default: Action) -> Place {
    if let [(_, answer)] = ranges {
        return decide(emitter, *answer, default);
    }
    let (below, above) = ranges.split_at(ranges.len() / 2);
    let first = above[0].0;
    let above = search(emitter, above, default);
    let below = search(emitter, below, default);
    emitter.if_at_least(first, above, below)
}

fn decide(emitter: &mut Emitter, answer: Answer<'_>, default: Action) -> Place {
    let rules = match answer {
        Answer::Always(action) => return emitter.answer(action),
        Answer::Rules(rules) => rules,
    };
    let mut next = emitter.answer(otherwise(rules, default));
    for (_, rule) in rules.iter().rev().filter(|(_, rule)| !rule.when.is_empty()) {
        let mut hit = emitter.answer(rule.action);
        for condition in rule.when.iter().rev() {
            hit = emitter.if_holds(*condition, hit, next);
        }
        next = hit;
    }
    next
}
