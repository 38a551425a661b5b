//! Limits and ends of containers by cgroup v2, as root.

#![expect(clippy::disallowed_methods, reason = "reads what the test itself had written")]

use std::process::Command;

use coffer_tests::bed::{self, Variant};
use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program::{self, Outcome};

/// A container of `flags` that runs `script` in a store of its own.
#[track_caller]
fn run(flags: &[&str], script: &str) -> Outcome {
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let outcome = coffer.run(&[&["run", "--rm"], flags, &[&name, "sh", "-c", script]].concat());
    assert_eq!(coffer.leftovers(), [""; 0]);
    outcome
}

#[test]
fn bed_plain_memory_is_limited() {
    bed::enter!(Variant::Plain, [&BUSYBOX]);
    let take = "dd if=/dev/zero of=/dev/null bs=48M count=1 2>/dev/null";
    run(&["--memory", "128m"], take).success();
    // The shell lives: what took too much was killed.
    let outcome = run(&["--memory", "24m"], &format!("{take}; cat /sys/fs/cgroup/memory.events"));
    assert!(outcome.stdout.contains("oom_kill 1"), "{outcome}");
    let alone = run(&["--memory", "24m"], &format!("exec {take}"));
    assert_eq!(alone.status, 137, "{alone}");
}

#[test]
fn bed_plain_processor_time_is_limited() {
    bed::enter!(Variant::Plain, [&BUSYBOX]);
    let spin = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; cat /sys/fs/cgroup/cpu.stat";
    let slowed = run(&["--cpus", "0.1"], spin).success();
    let throttled = slowed.lines().find_map(|line| line.strip_prefix("nr_throttled ")).unwrap();
    assert!(throttled.parse::<u32>().unwrap() > 0, "{slowed}");
}

#[test]
fn bed_plain_processes_are_limited() {
    bed::enter!(Variant::Plain, [&BUSYBOX]);
    let fork = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 100 & done";
    let outcome = run(&["--pids-limit", "8"], fork);
    assert_ne!(outcome.status, 0, "{outcome}");
    assert!(outcome.stderr.contains("can't fork"), "{outcome}");
    run(&["--pids-limit", "20"], fork).success();
}

#[test]
fn bed_plain_a_container_is_born_into_its_group() {
    bed::enter!(Variant::Plain, [&BUSYBOX]);
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let trace = tempfile::NamedTempFile::new().unwrap();
    let command = coffer.command(&["run", "--rm", &name, "true"]);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-e", "trace=clone3", "-o"]).arg(trace.path());
    strace.arg(command.get_program()).args(command.get_args());
    coffer.prepare(&mut strace);
    program::run(&mut strace).success();
    let seen = std::fs::read_to_string(trace.path()).unwrap();
    assert!(seen.contains("CLONE_INTO_CGROUP"), "{seen}");
}

#[test]
fn bed_plain_what_leaves_the_session_ends_with_the_container() {
    bed::enter!(Variant::Plain, [&BUSYBOX]);
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let script = "for n in 1 2 3; do setsid sleep 1234 & done; echo made; exec sleep 1234";
    coffer.must(&["run", "-d", "--name", "many", &name, "sh", "-c", script]);
    coffer.logs_until("many", "made");
    assert_eq!(program::must("pgrep", ["-fc", "^sleep 1234"]), "4\n");
    coffer.must(&["rm", "-f", "many"]);
    assert_eq!(program::run(Command::new("pgrep").args(["-f", "^sleep 1234"])).stdout, "");
    assert_eq!(coffer.leftovers(), [""; 0]);
}
