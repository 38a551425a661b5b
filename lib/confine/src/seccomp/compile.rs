//! From a profile to a program.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use coffer_sys::seccomp::{Flags, Instruction, load, load_with_listener};

use super::emit::{Emitter, Place, data};
use super::table::{self, NoNumber};
use super::{Action, Arch, Flag, Logging, Profile, Rule};

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

/// What happens at one call: rules with conditions in their order, then the action without.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer<'a> {
    conditional: Vec<&'a Rule>,
    otherwise: Option<Action>,
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
    let mut emitter = Emitter::default();
    let mut other = emitter.answer(Action::KillProcess);
    for beside in profile.beside.iter().filter(|beside| **beside != arch) {
        let start = calls(&mut emitter, profile, *beside)?;
        other = emitter.if_equal(beside.audit(), start, other);
    }
    let start = calls(&mut emitter, profile, arch)?;
    let start = emitter.if_equal(arch.audit(), start, other);
    emitter.load(data::ARCH, start);
    finish(emitter, profile)
}

/// What happens at the calls of one architecture.
fn calls(emitter: &mut Emitter, profile: &Profile, arch: Arch) -> Result<Place, CompileError> {
    let answers = collect(profile, arch)?;
    let mut ranges = vec![(0, None)];
    for (number, answer) in &answers {
        push_range(&mut ranges, *number, Some(answer));
        push_range(&mut ranges, number + 1, None);
    }
    let beyond = profile.newer.filter(|newer| *newer != profile.default);
    let mut start = search(emitter, &ranges, profile.default);
    if let Some(newer) = beyond {
        let newer = emitter.answer(newer);
        start = emitter.if_at_least(table::NEWEST + 1, newer, start);
    }
    if let Some(foreign) = arch.foreign() {
        let absent = emitter.answer(Action::Fail(ENOSYS));
        start = emitter.if_at_least(foreign, absent, start);
    }
    Ok(emitter.load(data::NUMBER, start))
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

/// The answers of all rules, by number.
fn collect(profile: &Profile, arch: Arch) -> Result<BTreeMap<u32, Answer<'_>>, CompileError> {
    let mut answers: BTreeMap<u32, Answer<'_>> = BTreeMap::new();
    for rule in &profile.rules {
        check_rule(rule)?;
        match table::number(&rule.call, arch) {
            Ok(number) => {
                let answer = answers.entry(number).or_default();
                if rule.when.is_empty() {
                    answer.otherwise.get_or_insert(rule.action);
                } else {
                    answer.conditional.push(rule);
                }
            }
            Err(NoNumber::Unknown) if !matches!(rule.action, Action::Allow | Action::Log) => {
                return Err(CompileError::UnknownCall(rule.call.clone()));
            }
            Err(NoNumber::Unknown | NoNumber::Elsewhere) => {}
        }
    }
    Ok(answers)
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

/// A range of numbers with the same answer, from its first number on; `None` is the default.
type Ranges<'a> = Vec<(u32, Option<&'a Answer<'a>>)>;

/// Begins a range, unless it would go on as the one before.
fn push_range<'a>(ranges: &mut Ranges<'a>, first: u32, answer: Option<&'a Answer<'a>>) {
    if ranges.last().is_some_and(|last| last.0 == first) {
        ranges.pop();
    }
    if ranges.last().is_none_or(|last| last.1 != answer) {
        ranges.push((first, answer));
    }
}

/// A binary search: half of the ranges lie behind each comparison.
fn search(emitter: &mut Emitter, ranges: &[(u32, Option<&Answer<'_>>)], default: Action) -> Place {
    if let [(_, answer)] = ranges {
        return decide(emitter, *answer, default);
    }
    let (below, above) = ranges.split_at(ranges.len() / 2);
    let first = above[0].0;
    let above = search(emitter, above, default);
    let below = search(emitter, below, default);
    emitter.if_at_least(first, above, below)
}

fn decide(emitter: &mut Emitter, answer: Option<&Answer<'_>>, default: Action) -> Place {
    let otherwise = answer.and_then(|answer| answer.otherwise).unwrap_or(default);
    let mut next = emitter.answer(otherwise);
    for rule in answer.iter().flat_map(|answer| answer.conditional.iter().rev()) {
        let mut hit = emitter.answer(rule.action);
        for condition in rule.when.iter().rev() {
            hit = emitter.if_holds(*condition, hit, next);
        }
        next = hit;
    }
    next
}
