//! Writing classic BPF from its end to its beginning.
//!
//! A jump in classic BPF only goes forward, and at most 255 instructions far. Written backwards,
//! every target is already in place when something jumps to it: its distance is known, a return
//! that is near is shared, and a target that is too far gets a plain jump (32 bits) on the way.

use coffer_sys::seccomp::Instruction;

use super::{Action, Condition, Test};

/// Source: linux/bpf_common.h.
mod code {
    pub(super) const LOAD_WORD: u16 = 0x20;
    pub(super) const JUMP: u16 = 0x05;
    pub(super) const JUMP_EQUAL: u16 = 0x15;
    pub(super) const JUMP_GREATER: u16 = 0x25;
    pub(super) const JUMP_GREATER_OR_EQUAL: u16 = 0x35;
    pub(super) const AND: u16 = 0x54;
    pub(super) const RETURN: u16 = 0x06;
}

/// Offsets in `struct seccomp_data`. Source: linux/seccomp.h.
pub(super) mod data {
    pub(in crate::seccomp) const NUMBER: u32 = 0;
    pub(in crate::seccomp) const ARCH: u32 = 4;
    pub(in crate::seccomp) const ARGUMENTS: u32 = 16;
}

/// How far a conditional jump may go, less room for the jumps that are put in on the way.
const REACH: usize = 250;

/// A place in the program, counted from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(usize);

/// A program under construction.
#[derive(Debug, Default)]
pub(super) struct Emitter {
    reversed: Vec<Instruction>,
    returns: Vec<(u32, Place)>,
}

impl Emitter {
    /// The program, from its beginning.
    pub(super) fn finish(mut self) -> Vec<Instruction> {
        self.reversed.reverse();
        self.reversed
    }

    /// Returns `action`; the place may be shared.
    pub(super) fn answer(&mut self, action: Action) -> Place {
        let value = action.value();
        let known =
            self.returns.iter().find(|(v, place)| *v == value && self.distance(*place) < REACH / 2);
        if let Some((_, place)) = known {
            return *place;
        }
        let place = self.push(code::RETURN, value);
        self.returns.retain(|(v, _)| *v != value);
        self.returns.push((value, place));
        place
    }

    /// Loads the word at `offset` of the call's data and goes on at `next`.
    pub(super) fn load(&mut self, offset: u32, next: Place) -> Place {
        self.follow(next);
        self.push(code::LOAD_WORD, offset)
    }

    /// `yes` where the loaded word is `k`, else `no`.
    pub(super) fn if_equal(&mut self, k: u32, yes: Place, no: Place) -> Place {
        self.branch(code::JUMP_EQUAL, k, yes, no)
    }

    /// `yes` where the loaded word is `k` or greater, else `no`.
    pub(super) fn if_at_least(&mut self, k: u32, yes: Place, no: Place) -> Place {
        self.branch(code::JUMP_GREATER_OR_EQUAL, k, yes, no)
    }

    /// `yes` where the condition holds, else `no`. An argument has 64 bits and a register 32: the
    /// upper half decides alone or leaves it to the lower. Both architectures are little-endian.
    pub(super) fn if_holds(&mut self, condition: Condition, yes: Place, no: Place) -> Place {
        let offset = data::ARGUMENTS + 8 * u32::from(condition.argument);
        let halves = Halves { low: offset, high: offset + 4 };
        match condition.test {
            Test::Equal(value) => self.masked(halves, u64::MAX, value, yes, no),
            Test::NotEqual(value) => self.masked(halves, u64::MAX, value, no, yes),
            Test::Masked { mask, equal } => self.masked(halves, mask, equal, yes, no),
            Test::Greater(value) => self.ordered(code::JUMP_GREATER, halves, value, yes, no),
            Test::LessOrEqual(value) => self.ordered(code::JUMP_GREATER, halves, value, no, yes),
            Test::GreaterOrEqual(value) => {
                self.ordered(code::JUMP_GREATER_OR_EQUAL, halves, value, yes, no)
            }
            Test::Less(value) => self.ordered(code::JUMP_GREATER_OR_EQUAL, halves, value, no, yes),
        }
    }

    fn masked(&mut self, halves: Halves, mask: u64, equal: u64, yes: Place, no: Place) -> Place {
        let low = self.masked_half(halves.low, low(mask), low(equal), yes, no);
        self.masked_half(halves.high, high(mask), high(equal), low, no)
    }

    fn masked_half(&mut self, offset: u32, mask: u32, equal: u32, yes: Place, no: Place) -> Place {
        if mask == 0 {
            return if equal == 0 { yes } else { no };
        }
        let mut next = self.if_equal(equal, yes, no);
        if mask != u32::MAX {
            next = self.push(code::AND, mask);
        }
        self.load(offset, next)
    }

    /// `yes` where the argument is greater than `value` (or equal, by `compare`), else `no`.
    fn ordered(
        &mut self,
        compare: u16,
        halves: Halves,
        value: u64,
        yes: Place,
        no: Place,
    ) -> Place {
        let next = self.branch(compare, low(value), yes, no);
        let low = self.load(halves.low, next);
        let same = self.if_equal(high(value), low, no);
        let next = self.branch(code::JUMP_GREATER, high(value), yes, same);
        self.load(halves.high, next)
    }

    fn branch(&mut self, code: u16, k: u32, yes: Place, no: Place) -> Place {
        let (yes, no) = (self.near(yes), self.near(no));
        let jump = |emitter: &Self, to| u8::try_from(emitter.distance(to)).unwrap_or(u8::MAX);
        let (jump_true, jump_false) = (jump(self, yes), jump(self, no));
        self.reversed.push(Instruction { code, jump_true, jump_false, k });
        Place(self.reversed.len() - 1)
    }

    /// A place within reach of a conditional jump that leads to `target`.
    fn near(&mut self, target: Place) -> Place {
        if self.distance(target) < REACH { target } else { self.jump(target) }
    }

    /// Makes `next` the instruction that comes after the one that is written next.
    fn follow(&mut self, next: Place) {
        if self.distance(next) > 0 {
            self.jump(next);
        }
    }

    fn jump(&mut self, target: Place) -> Place {
        let distance = u32::try_from(self.distance(target)).unwrap_or(u32::MAX);
        self.push(code::JUMP, distance)
    }

    /// How many instructions lie between the one that is written next and `target`.
    fn distance(&self, target: Place) -> usize {
        self.reversed.len() - 1 - target.0
    }

    fn push(&mut self, code: u16, k: u32) -> Place {
        self.reversed.push(Instruction { code, jump_true: 0, jump_false: 0, k });
        Place(self.reversed.len() - 1)
    }
}

/// Where the halves of an argument lie.
#[derive(Clone, Copy)]
struct Halves {
    low: u32,
    high: u32,
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
const fn low(value: u64) -> u32 {
    value as u32
}

const fn high(value: u64) -> u32 {
    (value >> 32) as u32
}
