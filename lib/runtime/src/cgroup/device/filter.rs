//! The device filter of v2: a small program that the kernel asks at each `open` and `mknod`.
//!
//! Source: the kernel's bpf/standardization/instruction-set.rst; linux/bpf.h, `struct
//! bpf_cgroup_dev_ctx`: the way of use in the upper half of the first word and the kind of device
//! in its lower half, then the major and the minor number.
//!
//! The program walks the rules from the last to the first and strikes out the letters that a rule
//! allows; a rule that denies one that is left decides, and so does one that leaves none. It is a
//! straight line with forward jumps only, which the kernel's verifier takes as it is.
//!
//! The verifier follows both ways of each look at something, and loading costs what it follows.
//! Rules in a row that name nodes of one kind, and say the same of them, therefore share one look
//! at the kind and one answer, and major and minor number are compared as one.

use coffer_sys::bpf::Instruction;

use super::rule::{Access, Kind, Rule, Verdict};

/// `BPF_DEVCG_DEV_BLOCK`.
const BLOCK: i32 = 1;
/// `BPF_DEVCG_DEV_CHAR`.
const CHAR: i32 = 2;

/// The result; before that, for what is looked at.
const R0: u8 = 0;
/// The letters that are left.
const LETTERS: u8 = 1;
/// The kind of device.
const KIND: u8 = 2;
/// The major number.
const MAJOR: u8 = 3;
/// The minor number.
const MINOR: u8 = 4;
/// Both, as the kernel's `dev_t` has them.
const NODE: u8 = 5;

/// `BPF_LDX | BPF_MEM | BPF_W`.
const LOAD: u8 = 0x61;
/// `BPF_ALU | BPF_MOV | BPF_K`, and `BPF_X`; `BPF_AND | BPF_K`; `BPF_RSH | BPF_K`; on 32 bits.
const MOVE: u8 = 0xb4;
const MOVE_REGISTER: u8 = 0xbc;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
/// `BPF_ALU | BPF_LSH | BPF_K`, and `BPF_OR | BPF_X`.
const SHIFT_LEFT: u8 = 0x64;
const OR_REGISTER: u8 = 0x4c;
/// `BPF_JMP32 | BPF_JNE | BPF_K`, and `BPF_JEQ`.
const JUMP_UNLESS: u8 = 0x56;
const JUMP_IF: u8 = 0x16;
/// `BPF_JMP | BPF_JA`.
const JUMP: u8 = 0x05;
/// `BPF_JMP | BPF_EXIT`.
const EXIT: u8 = 0x95;

/// The program that decides as `rules` do.
pub(in super::super) fn program(rules: &[Rule]) -> Vec<Instruction> {
    let mut program = Vec::with_capacity(16 + rules.len() * 8);
    // The context is in R1, and goes last, for R1 is LETTERS from then on.
    program.extend([
        load(KIND, 0),
        load(MAJOR, 4),
        load(MINOR, 8),
        register(LETTERS, KIND),
        alu(SHIFT_RIGHT, LETTERS, 16),
        alu(AND, KIND, 0xffff),
        register(NODE, MAJOR),
        alu(SHIFT_LEFT, NODE, Node::MINOR_BITS),
        Instruction { code: OR_REGISTER, ..register(NODE, MINOR) },
    ]);
    // What a total rule says ends the program: behind it nothing could be reached, which the
    // verifier refuses.
    let total = rules.iter().rposition(Rule::is_total);
    let rest = rules.iter().skip(total.map_or(0, |at| at + 1)).rev();
    let rest: Vec<&Rule> = rest.filter(|rule| can_match(rule)).collect();
    for group in rest.chunk_by(|one, next| belong_together(one, next)) {
        match group {
            [rule] => block(&mut program, rule),
            rules => rules.chunks(LONGEST).for_each(|rules| nodes(&mut program, rules)),
        }
    }
    program.extend(answer(total.map_or(Verdict::Deny, |at| rules[at].verdict)));
    program
}

/// The most rules of a group: a jump goes 32,767 instructions far.
const LONGEST: usize = 10_000;

/// A device number as one word. Source: linux/kdev_t.h, `MINORBITS`.
struct Node;

impl Node {
    const MINOR_BITS: i32 = 20;
    const MAJORS: u32 = 1 << (32 - Self::MINOR_BITS);
    const MINORS: u32 = 1 << Self::MINOR_BITS;

    fn of(major: u32, minor: u32) -> i32 {
        bits(major << Self::MINOR_BITS | minor)
    }
}

/// Whether there is a device of these numbers. The kernel has none of others.
fn can_match(rule: &Rule) -> bool {
    rule.major.is_none_or(|n| n < Node::MAJORS) && rule.minor.is_none_or(|n| n < Node::MINORS)
}

/// Whether two rules that follow each other are of one group.
fn belong_together(one: &Rule, next: &Rule) -> bool {
    let named = |rule: &Rule| rule.access == Access::ALL && rule.major.is_some();
    named(one) && named(next) && (one.kind, one.verdict) == (next.kind, next.verdict)
}

/// A group: jumps past it where it is about another kind, and to its answer at the first node.
fn nodes(program: &mut Vec<Instruction>, rules: &[&Rule]) {
    let nodes = rules.iter().map(|rule| match (rule.major, rule.minor) {
        (Some(major), Some(minor)) => (NODE, Node::of(major, minor)),
        (major, _) => (MAJOR, bits(major.unwrap_or(0))),
    });
    let ahead = |steps: usize| i16::try_from(steps).unwrap_or(0);
    let answer = answer(rules[0].verdict);
    let past = 1 + answer.len();
    if let Some(kind) = number(rules[0].kind) {
        program.push(jump(JUMP_UNLESS, KIND, kind, ahead(rules.len() + past)));
    }
    for (at, (register, value)) in nodes.enumerate() {
        program.push(jump(JUMP_IF, register, value, ahead(rules.len() - at)));
    }
    program.push(jump(JUMP, 0, 0, ahead(answer.len())));
    program.extend(answer);
}

/// One rule: jumps past itself where it is about something else. A rule about all letters decides
/// without a look at them: each look doubles what the verifier has to follow.
fn block(program: &mut Vec<Instruction>, rule: &Rule) {
    let access = i32::try_from(rule.access.0).unwrap_or(0);
    let mut act = match (rule.access, rule.verdict) {
        (Access::ALL, _) => Vec::new(),
        (_, Verdict::Allow) => vec![alu(AND, LETTERS, !access), jump(JUMP_UNLESS, LETTERS, 0, 2)],
        (_, Verdict::Deny) => {
            vec![register(R0, LETTERS), alu(AND, R0, access), jump(JUMP_IF, R0, 0, 2)]
        }
    };
    act.extend(answer(rule.verdict));
    let tests = tests(rule);
    let mut rest = tests.len() + act.len();
    for (at, value) in tests {
        rest -= 1;
        program.push(jump(JUMP_UNLESS, at, value, i16::try_from(rest).unwrap_or(0)));
    }
    program.extend(act);
}

/// What must be equal for a rule to be about a device.
fn tests(rule: &Rule) -> Vec<(u8, i32)> {
    let all =
        [(KIND, number(rule.kind)), (MAJOR, rule.major.map(bits)), (MINOR, rule.minor.map(bits))];
    all.into_iter().filter_map(|(register, value)| Some((register, value?))).collect()
}

fn number(kind: Kind) -> Option<i32> {
    match kind {
        Kind::All => None,
        Kind::Char => Some(CHAR),
        Kind::Block => Some(BLOCK),
    }
}

/// The same bits: comparisons are on 32 of them, without a sign.
fn bits(number: u32) -> i32 {
    number.cast_signed()
}

fn answer(verdict: Verdict) -> [Instruction; 2] {
    let value = i32::from(verdict == Verdict::Allow);
    [alu(MOVE, R0, value), Instruction { code: EXIT, registers: 0, offset: 0, immediate: 0 }]
}

fn load(to: u8, offset: i16) -> Instruction {
    Instruction { code: LOAD, registers: to | (1 << 4), offset, immediate: 0 }
}

fn register(to: u8, from: u8) -> Instruction {
    Instruction { code: MOVE_REGISTER, registers: to | (from << 4), offset: 0, immediate: 0 }
}

fn alu(code: u8, on: u8, immediate: i32) -> Instruction {
    Instruction { code, registers: on, offset: 0, immediate }
}

fn jump(code: u8, on: u8, immediate: i32, offset: i16) -> Instruction {
    Instruction { code, registers: on, offset, immediate }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the kernel asks.
    #[derive(Clone, Copy, Debug)]
    struct Request {
        letters: u32,
        kind: u32,
        major: u32,
        minor: u32,
    }

    /// The rules as they are written: the last that is about the device and the letter decides.
    fn oracle(rules: &[Rule], asked: Request) -> bool {
        let about = |rule: &&Rule| {
            let kind = match rule.kind {
                Kind::All => true,
                Kind::Char => asked.kind == 2,
                Kind::Block => asked.kind == 1,
            };
            kind && rule.major.is_none_or(|n| n == asked.major)
                && rule.minor.is_none_or(|n| n == asked.minor)
        };
        let last = |letter: u32| {
            let mut rules = rules.iter().rev().filter(about).filter(|r| r.access.0 & letter != 0);
            rules.next().is_some_and(|rule| rule.verdict == Verdict::Allow)
        };
        [1, 2, 4].into_iter().filter(|letter| asked.letters & letter != 0).all(last)
    }

    /// Just enough of the machine; anything else is a mistake of the assembler.
    fn run(program: &[Instruction], asked: Request) -> bool {
        let context = [(asked.letters << 16) | asked.kind, asked.major, asked.minor];
        let mut registers = [0u32; 11];
        let mut at = 0;
        loop {
            let Instruction { code, registers: pair, offset, immediate } = program[at];
            let (to, from) = (usize::from(pair & 15), usize::from(pair >> 4));
            let (value, skip) = (immediate.cast_unsigned(), usize::try_from(offset).unwrap());
            at += 1;
            match code {
                LOAD => registers[to] = context[skip / 4],
                MOVE => registers[to] = value,
                MOVE_REGISTER => registers[to] = registers[from],
                AND => registers[to] &= value,
                SHIFT_RIGHT => registers[to] >>= value,
                SHIFT_LEFT => registers[to] <<= value,
                OR_REGISTER => registers[to] |= registers[from],
                JUMP => at += skip,
                JUMP_UNLESS if registers[to] != value => at += skip,
                JUMP_IF if registers[to] == value => at += skip,
                JUMP_UNLESS | JUMP_IF => {}
                EXIT => return registers[0] == 1,
                other => panic!("{other:#x} is not known"),
            }
        }
    }

    /// Numbers that meet often, at the ends of what the kernel has, and beyond.
    fn some_number() -> impl Strategy<Value = u32> {
        let ends = [0xfff, 0x1000, 0xf_ffff, 0x10_0000, u32::MAX];
        prop_oneof![8 => 0u32..4, 1 => Just(136), 2 => proptest::sample::select(ends.to_vec())]
    }

    fn rule() -> impl Strategy<Value = Rule> {
        let verdict = prop_oneof![Just(Verdict::Allow), Just(Verdict::Deny)];
        let kind = prop_oneof![Just(Kind::All), Just(Kind::Char), Just(Kind::Block)];
        let some = || proptest::option::of(some_number());
        let access = prop_oneof![1u32..8, Just(7)];
        (verdict, kind, some(), some(), access).prop_map(|(verdict, kind, major, minor, access)| {
            Rule { verdict, kind, major, minor, access: Access(access) }
        })
    }

    /// Numbers that the kernel has, at `number` and beside it.
    fn beside(number: Option<u32>, count: u32) -> impl Iterator<Item = u32> {
        let number = number.unwrap_or(7);
        let all = [number.wrapping_sub(1), number, number.wrapping_add(1)];
        all.into_iter().filter(move |number| *number < count)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn the_program_decides_as_the_rules_do(rules in proptest::collection::vec(rule(), 0..12)) {
            let program = program(&rules);
            for rule in &rules {
                for (major, minor) in beside(rule.major, Node::MAJORS).flat_map(|major| {
                    beside(rule.minor, Node::MINORS).map(move |minor| (major, minor))
                }) {
                    for (letters, kind) in (1..8).flat_map(|l| [(l, 1), (l, 2)]) {
                        let asked = Request { letters, kind, major, minor };
                        prop_assert_eq!(run(&program, asked), oracle(&rules, asked), "{:?}", asked);
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_is_allowed_without_a_rule() {
        let asked = Request { letters: 1, kind: 2, major: 1, minor: 3 };
        assert!(!run(&program(&[]), asked));
    }

    #[test]
    fn root_the_kernels_verifier_takes_the_program() {
        if !rustix::process::geteuid().is_root() {
            println!("only root loads programs");
            return;
        }
        let all = Rule { verdict: Verdict::Allow, ..Rule::for_bundle(&[]).unwrap()[0] };
        for rules in [Rule::for_bundle(&[]).unwrap(), Vec::new(), vec![all]] {
            coffer_sys::bpf::load_device_filter(&program(&rules)).unwrap();
        }
    }

    #[test]
    fn rules_before_a_total_one_cost_nothing() {
        let long = Rule::for_bundle(&[]).unwrap();
        let mut longer = long.clone();
        longer.insert(0, long[3]);
        assert_eq!(program(&longer), program(&long));
    }
}
