//! A machine for classic BPF as seccomp runs it, and the plain reading of a profile: two ways to
//! the same answer, for the tests to compare.

use std::collections::HashMap;

use coffer_sys::seccomp::Instruction;

use super::{Action, Arch, Condition, Horizon, Profile, Rule, Test, table};

/// `struct seccomp_data`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) number: u32,
    pub(super) arch: u32,
    pub(super) arguments: [u64; 6],
}

impl Call {
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.arch,
            16.. => {
                let place = usize::try_from(offset - 16).unwrap();
                let half = self.arguments[place / 8] >> (8 * (place % 8));
                u32::try_from(half & 0xffff_ffff).unwrap()
            }
            _ => panic!("no word at {offset}"),
        }
    }
}

/// Runs `program`; gives what it returns and how many instructions it took.
pub(super) fn run(program: &[Instruction], call: &Call) -> (u32, usize) {
    let (mut at, mut register, mut steps) = (0, 0, 0);
    loop {
        let instruction = program[at];
        let k = instruction.k;
        at += 1;
        steps += 1;
        let jump =
            |holds| usize::from(if holds { instruction.jump_true } else { instruction.jump_false });
        match instruction.code {
            0x20 => register = call.word(k),
            0x54 => register &= k,
            0x05 => at += usize::try_from(k).unwrap(),
            0x15 => at += jump(register == k),
            0x25 => at += jump(register > k),
            0x35 => at += jump(register >= k),
            0x06 => return (k, steps),
            other => panic!("instruction {other:#x}"),
        }
    }
}

/// A profile with its rules found by number.
pub(super) struct Reading<'a> {
    profile: &'a Profile,
    arch: Arch,
    rules: HashMap<u32, Vec<&'a Rule>>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(profile: &'a Profile, arch: Arch) -> Self {
        let mut rules: HashMap<u32, Vec<&Rule>> = HashMap::new();
        for rule in &profile.rules {
            if let Ok(number) = table::number(&rule.call, arch) {
                rules.entry(number).or_default().push(rule);
            }
        }
        Self { profile, arch, rules }
    }

    /// The rules for a call, in their order.
    pub(super) fn rules(&self, number: u32) -> &[&'a Rule] {
        self.rules.get(&number).map_or(&[], Vec::as_slice)
    }

    /// What the profile says of `call`, rule by rule.
    pub(super) fn answer(&self, call: &Call) -> Action {
        if call.arch != self.arch.audit() {
            return Action::KillProcess;
        }
        if self.arch == Arch::X86_64 && call.number >= 0x4000_0000 {
            return Action::Fail(38);
        }
        let newest = match self.profile.horizon {
            Horizon::Program => table::NEWEST,
            Horizon::Rules => self.rules.keys().copied().max().unwrap_or(table::NEWEST),
        };
        let newer = self.profile.newer.filter(|_| call.number > newest);
        let rules = self.rules(call.number);
        let conditional = rules
            .iter()
            .filter(|rule| !rule.when.is_empty())
            .find(|rule| rule.when.iter().all(|condition| holds(*condition, call)));
        let plain = rules.iter().find(|rule| rule.when.is_empty());
        let rule = conditional.or(plain).map(|rule| rule.action);
        newer.or(rule).unwrap_or(self.profile.default)
    }
}

fn holds(condition: Condition, call: &Call) -> bool {
    let argument = call.arguments[usize::from(condition.argument)];
    match condition.test {
        Test::Equal(value) => argument == value,
        Test::NotEqual(value) => argument != value,
        Test::Less(value) => argument < value,
        Test::LessOrEqual(value) => argument <= value,
        Test::Greater(value) => argument > value,
        Test::GreaterOrEqual(value) => argument >= value,
        Test::Masked { mask, equal } => argument & mask == equal,
    }
}
