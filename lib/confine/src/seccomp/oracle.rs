//! libseccomp as an oracle: the program that it makes of a profile decides as ours does.
//!
//! Needs Debian's python3-seccomp; without it the test says so and passes. Profiles are ones that
//! libseccomp takes: one action beside the default, as it refuses or shadows mixtures.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use coffer_sys::seccomp::Instruction;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::machine::{Call, Reading, run};
use super::tests::{ARCHES, boundaries, conditions};
use super::*;
use crate::capability::CapSet;

/// Reads rules (number, then conditions), writes the program to standard output.
const SCRIPT: &str = r"
import seccomp, sys
f = seccomp.SyscallFilter(seccomp.ERRNO(1))
ops = dict(ne=seccomp.NE, lt=seccomp.LT, le=seccomp.LE, eq=seccomp.EQ, ge=seccomp.GE, gt=seccomp.GT, masked=seccomp.MASKED_EQ)
for line in sys.stdin:
    number, *words = line.split()
    args = [seccomp.Arg(int(a), ops[o], int(x), int(y)) for a, o, x, y in zip(*[iter(words)] * 4)]
    f.add_rule(seccomp.ALLOW, int(number), *args)
f.export_bpf(sys.stdout)
";

fn words(condition: &Condition) -> String {
    let (op, value, second) = match condition.test {
        Test::NotEqual(value) => ("ne", value, 0),
        Test::Less(value) => ("lt", value, 0),
        Test::LessOrEqual(value) => ("le", value, 0),
        Test::Equal(value) => ("eq", value, 0),
        Test::GreaterOrEqual(value) => ("ge", value, 0),
        Test::Greater(value) => ("gt", value, 0),
        Test::Masked { mask, equal } => ("masked", mask, equal),
    };
    format!(" {} {op} {value} {second}", condition.argument)
}

/// What libseccomp makes of a profile for x86_64, or `None` where it is not installed.
fn program(profile: &Profile) -> Option<Vec<Instruction>> {
    let mut child = Command::new("/usr/bin/timeout")
        .args(["20", "/usr/bin/python3", "-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut lines = String::new();
    for rule in &profile.rules {
        if let Ok(number) = table::number(&rule.call, Arch::X86_64) {
            let conditions: String = rule.when.iter().map(words).collect();
            lines.push_str(&format!("{number}{conditions}\n"));
        }
    }
    child.stdin.take()?.write_all(lines.as_bytes()).ok()?;
    let output = child.wait_with_output().unwrap();
    let instruction = |bytes: &[u8]| Instruction {
        code: u16::from_le_bytes([bytes[0], bytes[1]]),
        jump_true: bytes[2],
        jump_false: bytes[3],
        k: u32::from_le_bytes(bytes[4..8].try_into().unwrap()),
    };
    output.status.success().then(|| output.stdout.chunks_exact(8).map(instruction).collect())
}

fn compare(profile: &Profile) -> bool {
    let Some(theirs) = program(profile) else { return false };
    let ours = compile(profile, ARCHES[0]).unwrap();
    let reading = Reading::new(profile, ARCHES[0]);
    for number in 0..=table::NEWEST {
        for value in boundaries(&reading, number) {
            for arguments in [[value; 6], [value, 0, 0, 0, 0, 0], [16, value, 0, 0, 0, 0]] {
                let call = Call { number, arch: ARCHES[0].audit(), arguments };
                let (ours, theirs) = (run(ours.instructions(), &call).0, run(&theirs, &call).0);
                assert_eq!(ours, theirs, "{call:x?} {:?}", reading.rules(number));
            }
        }
    }
    println!("{} instructions, libseccomp's {}", ours.instructions().len(), theirs.len());
    true
}

/// Only what allows, and no call both with and without conditions.
fn plain(rules: Vec<Rule>) -> Profile {
    let always: Vec<String> =
        rules.iter().filter(|rule| rule.when.is_empty()).map(|rule| rule.call.clone()).collect();
    let kept = rules
        .into_iter()
        .filter(|rule| rule.action == Action::Allow)
        .filter(|rule| rule.when.is_empty() || !always.contains(&rule.call))
        .collect();
    Profile {
        default: Action::Fail(1),
        newer: None,
        horizon: Horizon::Program,
        rules: kept,
        beside: Vec::new(),
        logging: Logging::Kills,
        flags: Vec::new(),
    }
}

#[test]
fn libseccomp_decides_the_same() {
    if !compare(&plain(default::profile(CapSet::DEFAULT).rules)) {
        return println!("skipped: needs Debian's python3-seccomp");
    }
    let names: Vec<&'static str> = table::all(Arch::X86_64).map(|(name, _)| name).collect();
    let condition = proptest::collection::btree_map(0..6_u8, conditions(), 0..4);
    // One rule for a call: over many with conditions, libseccomp 2.5.4 may never come to an end.
    let rules = proptest::collection::hash_map(proptest::sample::select(names), condition, 0..60)
        .prop_map(|calls| calls.into_iter().map(rule).collect::<Vec<Rule>>());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(6));
    let compared = runner.run(&rules, |rules| {
        prop_assert!(compare(&plain(rules)));
        Ok(())
    });
    compared.unwrap();
}

fn rule((call, tests): (&'static str, BTreeMap<u8, Condition>)) -> Rule {
    let condition = |(argument, c): (u8, Condition)| Condition { argument, test: c.test };
    let when = tests.into_iter().map(condition).collect();
    Rule { call: call.to_owned(), when, action: Action::Allow }
}
