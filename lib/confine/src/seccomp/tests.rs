//! The compiled program answers as the profile reads.

use proptest::prelude::*;

use super::machine::{Call, Reading, run};
use super::*;
use crate::capability::{CapSet, Capability};

pub(super) const ARCHES: [Arch; 2] = [Arch::X86_64, Arch::Aarch64];

fn calls(number: u32, arch: Arch, arguments: [u64; 6]) -> Call {
    Call { number, arch: arch.audit(), arguments }
}

/// Numbers of every call there is, around them, and the odd ones.
fn numbers() -> impl Iterator<Item = u32> {
    (0..600).chain([1 << 30, (1 << 30) + 59, (1 << 30) - 1, (1 << 31) - 1, 1 << 31, u32::MAX])
}

/// Values at and around everything that the conditions on one argument compare with.
pub(super) fn boundaries(reading: &Reading<'_>, number: u32) -> Vec<u64> {
    let mut values = vec![0, 1, u64::MAX, u64::from(u32::MAX), 1 << 32];
    for rule in reading.rules(number) {
        for condition in &rule.when {
            let (value, mask) = match condition.test {
                Test::Masked { mask, equal } => (equal, mask),
                Test::Equal(value) | Test::NotEqual(value) => (value, u64::MAX),
                Test::Less(value) | Test::LessOrEqual(value) => (value, u64::MAX),
                Test::Greater(value) | Test::GreaterOrEqual(value) => (value, u64::MAX),
            };
            let around = [value, value.wrapping_add(1), value.wrapping_sub(1)];
            values.extend(around);
            values.extend(around.map(|value| value ^ (1 << 32)));
            values.extend([mask, !mask, value | !mask]);
            values.extend((0..64).map(|bit| value ^ (1 << bit)));
        }
    }
    values.sort_unstable();
    values.dedup();
    values
}

fn agrees(reading: &Reading<'_>, program: &Program, call: &Call) {
    let (answer, _) = run(program.instructions(), call);
    assert_eq!(answer, reading.answer(call).value(), "{call:?}");
}

/// Every number, every boundary of every argument, every foreign architecture.
fn agrees_everywhere(profile: &Profile) {
    for arch in ARCHES {
        let program = compile(profile, arch).unwrap();
        let reading = Reading::new(profile, arch);
        for number in numbers() {
            let values = boundaries(&reading, number);
            for value in &values {
                agrees(&reading, &program, &calls(number, arch, [*value; 6]));
                for argument in [0, 1, 2] {
                    for other in [0, 16, 1 << 32] {
                        let mut arguments = [other; 6];
                        arguments[argument] = *value;
                        agrees(&reading, &program, &calls(number, arch, arguments));
                    }
                }
            }
            for foreign in [0, 0x4000_0003, 0xc000_0028, 0xc000_003f, !arch.audit()] {
                let call = Call { number, arch: foreign, arguments: [0; 6] };
                agrees(&reading, &program, &call);
            }
        }
    }
}

#[test]
fn the_default_program_answers_as_the_profile_reads() {
    agrees_everywhere(&default::profile(CapSet::DEFAULT));
    agrees_everywhere(&default::profile(CapSet::ALL));
}

#[test]
fn every_name_of_the_default_profile_is_a_call() {
    for entry in default::ENTRIES {
        for call in entry.calls {
            assert!(ARCHES.iter().any(|arch| table::number(call, *arch).is_ok()), "{call}");
        }
        assert!(!entry.why.is_empty());
    }
}

/// A call is in one unconditional entry only, so that no entry is hidden by another.
#[test]
fn no_entry_hides_another() {
    let plain: Vec<&str> = default::entries(CapSet::DEFAULT)
        .filter(|entry| entry.when.is_empty())
        .flat_map(|entry| entry.calls.iter().copied())
        .collect();
    for (place, call) in plain.iter().enumerate() {
        assert!(!plain[..place].contains(call), "{call} twice");
    }
}

/// The number of calls that are allowed whatever their arguments are, and the program's size:
/// numbers that SPECIFICATION.md may quote.
#[test]
fn the_default_program_is_small() {
    let program = compile(&default::profile(CapSet::DEFAULT), Arch::X86_64).unwrap();
    assert!(program.instructions().len() < 330, "{}", program.instructions().len());
    let worst = (0..480)
        .map(|number| run(program.instructions(), &calls(number, Arch::X86_64, [0; 6])).1)
        .max();
    println!("{} instructions, at most {worst:?} for a call", program.instructions().len());
    assert!(worst < Some(40), "{worst:?}");
}

fn answer(granted: CapSet, name: &str, arguments: &[u64]) -> Action {
    let profile = default::profile(granted);
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    let number = table::number(name, Arch::X86_64).unwrap();
    let call = calls(number, Arch::X86_64, all);
    let program = compile(&profile, Arch::X86_64).unwrap();
    let action = Reading::new(&profile, Arch::X86_64).answer(&call);
    assert_eq!(run(program.instructions(), &call).0, action.value());
    action
}

/// DESIGN, "Secure by default": what the profile refuses beyond docker's.
#[test]
fn the_default_profile_is_stricter_than_dockers() {
    let default = |name, arguments: &[u64]| answer(CapSet::DEFAULT, name, arguments);
    for name in [
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "ptrace",
        "process_vm_readv",
        "mount",
        "open_tree",
        "fsopen",
        "move_mount",
        "setns",
        "open_by_handle_at",
        "chroot",
        "syslog",
        "kexec_load",
        "init_module",
        "pivot_root",
        "swapon",
        "iopl",
        "quotactl",
        "kcmp",
    ] {
        assert_eq!(default(name, &[]), Action::Fail(1), "{name}");
    }
    for name in ["io_uring_setup", "keyctl", "add_key", "request_key", "clone3", "modify_ldt"] {
        assert_eq!(default(name, &[]), Action::Fail(38), "{name}");
    }
    let new_user = 0x1000_0000;
    assert_eq!(default("clone", &[17]), Action::Allow);
    assert_eq!(default("clone", &[17 | new_user]), Action::Fail(1));
    assert_eq!(default("unshare", &[new_user]), Action::Fail(1));
    assert_eq!(default("unshare", &[0x80]), Action::Fail(1));
    assert_eq!(default("unshare", &[0x400]), Action::Allow);
    assert_eq!(default("personality", &[0x0040_0000]), Action::Fail(1));
    assert_eq!(default("personality", &[0xffff_ffff]), Action::Allow);
}

#[test]
fn terminals_cannot_be_typed_into() {
    for request in [0x5412, 0x541c, 0x5423] {
        for upper in [0, 1 << 32, 0xffff_ffff << 32] {
            // CVE-2019-7303: the kernel looks at 32 bits, and the filter looked at 64.
            assert_eq!(answer(CapSet::ALL, "ioctl", &[0, request | upper]), Action::Fail(1));
        }
    }
    assert_eq!(answer(CapSet::DEFAULT, "ioctl", &[0, 0x5401]), Action::Allow);
}

#[test]
fn socket_families_are_allowed_by_list() {
    let socket = |family, protocol| answer(CapSet::DEFAULT, "socket", &[family, 3, protocol]);
    for family in [1, 2, 10] {
        assert_eq!(socket(family, 0), Action::Allow);
    }
    assert_eq!(socket(16, 0), Action::Allow);
    for protocol in [4, 9, 12, 15, 16, 1 << 32] {
        assert_eq!(socket(16, protocol), Action::Fail(93), "netlink {protocol}");
    }
    for family in [0, 3, 5, 17, 29, 38, 40, 44, 1 << 32 | 2] {
        assert_eq!(socket(family, 0), Action::Fail(97), "family {family}");
    }
    let admin = CapSet::DEFAULT.with(Capability::NetAdmin).with(Capability::NetRaw);
    assert_eq!(answer(admin, "socket", &[16, 3, 12]), Action::Allow);
    assert_eq!(answer(admin, "socket", &[17, 3, 0]), Action::Allow);
}

#[test]
fn a_capability_opens_its_calls() {
    let with = |capability, name| answer(CapSet::EMPTY.with(capability), name, &[]);
    assert_eq!(with(Capability::SysPtrace, "ptrace"), Action::Allow);
    assert_eq!(with(Capability::SysAdmin, "mount"), Action::Allow);
    assert_eq!(with(Capability::SysAdmin, "ptrace"), Action::Fail(1));
    assert_eq!(with(Capability::Bpf, "bpf"), Action::Allow);
}

#[test]
fn rules_that_hold_nothing_back_are_errors() {
    let compiled = |call: &str, action| {
        let rule = Rule { call: call.to_owned(), when: Vec::new(), action };
        let rules = vec![rule];
        compile(
            &Profile {
                default: Action::Allow,
                newer: None,
                horizon: Horizon::Program,
                rules,
                beside: Vec::new(),
                logging: Logging::Kills,
                flags: Vec::new(),
            },
            Arch::X86_64,
        )
    };
    assert_eq!(
        compiled("mout", Action::Fail(1)).unwrap_err(),
        CompileError::UnknownCall("mout".to_owned())
    );
    assert!(compiled("mout", Action::Allow).is_ok());
    assert!(compiled("socketcall", Action::Fail(1)).is_ok());
    assert!(matches!(compiled("mount", Action::Fail(4096)), Err(CompileError::Errno { .. })));
}

pub(super) fn conditions() -> impl Strategy<Value = Condition> {
    let edge =
        prop_oneof![any::<u64>(), 0..4_u64, Just(u64::MAX), (0..4_u64).prop_map(|v| v << 32)];
    (0..6_u8, 0..7, edge.clone(), edge).prop_map(|(argument, kind, value, second)| {
        let test = match kind {
            0 => Test::Equal(value),
            1 => Test::NotEqual(value),
            2 => Test::Less(value),
            3 => Test::LessOrEqual(value),
            4 => Test::Greater(value),
            5 => Test::GreaterOrEqual(value),
            _ => Test::Masked { mask: value, equal: second & value },
        };
        Condition { argument, test }
    })
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Allow),
        Just(Action::KillThread),
        Just(Action::Trap),
        Just(Action::Log),
        (0..4095_u16).prop_map(Action::Fail),
        any::<u16>().prop_map(Action::Trace),
        Just(Action::Notify)
    ]
}

fn profiles() -> impl Strategy<Value = Profile> {
    let names: Vec<&'static str> = table::all(Arch::X86_64).map(|(name, _)| name).collect();
    let rule =
        (proptest::sample::select(names), proptest::collection::vec(conditions(), 0..4), actions())
            .prop_map(|(call, when, action)| Rule { call: call.to_owned(), when, action });
    (actions(), proptest::option::of(actions()), proptest::collection::vec(rule, 0..150)).prop_map(
        |(default, newer, rules)| Profile {
            default,
            newer,
            horizon: Horizon::Rules,
            rules,
            beside: Vec::new(),
            logging: Logging::Kills,
            flags: Vec::new(),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_program_answers_as_its_profile_reads(profile in profiles()) {
        for arch in ARCHES {
            let program = compile(&profile, arch).unwrap();
            let reading = Reading::new(&profile, arch);
            for number in numbers() {
                for value in boundaries(&reading, number).into_iter().take(60) {
                    agrees(&reading, &program, &calls(number, arch, [value; 6]));
                }
            }
        }
    }
}

/// 32-bit x86 is answered by its own numbers where a profile has it beside, and killed elsewhere.
#[test]
fn an_architecture_beside_has_its_own_numbers() {
    let alone = default::profile(CapSet::DEFAULT);
    let beside = Profile { beside: vec![Arch::X86], ..alone.clone() };
    let (alone, program) =
        (compile(&alone, Arch::X86_64).unwrap(), compile(&beside, Arch::X86_64).unwrap());
    for arch in [Arch::X86_64, Arch::X86, Arch::Aarch64] {
        let reading = Reading::new(&beside, arch);
        for number in (0..=table::NEWEST + 2).chain([0x4000_0000, u32::MAX]) {
            for value in boundaries(&reading, number) {
                let call = calls(number, arch, [value; 6]);
                let expected = match arch {
                    Arch::Aarch64 => Action::KillProcess,
                    _ => reading.answer(&call),
                };
                assert_eq!(run(program.instructions(), &call).0, expected.value(), "{call:x?}");
                if arch == Arch::X86 {
                    let killed = run(alone.instructions(), &call).0;
                    assert_eq!(killed, Action::KillProcess.value());
                }
            }
        }
    }
}

/// As runc has it for filters of bundles.
#[test]
fn calls_above_all_rules_do_not_exist_where_the_rules_are_the_horizon() {
    let profile = Profile {
        default: Action::Fail(1),
        newer: Some(Action::Fail(38)),
        horizon: Horizon::Rules,
        rules: vec![Rule { call: "statx".to_owned(), when: Vec::new(), action: Action::Allow }],
        beside: Vec::new(),
        logging: Logging::Kills,
        flags: Vec::new(),
    };
    let program = compile(&profile, Arch::X86_64).unwrap();
    let reading = Reading::new(&profile, Arch::X86_64);
    // statx is 332, clone3 435.
    for (number, action) in [
        (331, Action::Fail(1)),
        (332, Action::Allow),
        (333, Action::Fail(38)),
        (435, Action::Fail(38)),
    ] {
        let call = calls(number, Arch::X86_64, [0; 6]);
        assert_eq!(run(program.instructions(), &call).0, action.value(), "{number}");
        assert_eq!(reading.answer(&call), action, "{number}");
    }
}
