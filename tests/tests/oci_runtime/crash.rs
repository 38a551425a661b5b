//! The runtime killed at each of its steps: the next command cleans up.

use coffer_tests::oci::Runtime;
use coffer_tests::program;
use coffer_tests::steps::{self, End, Victim};

/// Kills `verb` at each step, after `before`; then nothing is left by `delete --force`, and the id
/// is free.
fn kill_each(before: &[&[&str]], verb: &[&str]) {
    let runtime = Runtime::ours();
    let bundle = runtime.bundle("sleep 1000", |_| ());
    let bundle = bundle.to_string_lossy();
    let words = |line: &[&str]| -> Vec<String> {
        line.iter().map(|word| word.replace("BUNDLE", &bundle)).collect()
    };
    let last = steps::each(|step| {
        for line in before {
            let line = words(line);
            runtime.must(&line.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let line = words(verb);
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        let (end, outcome) = steps::kill_at(step, Victim::Command, &runtime.command(&line));
        assert!(end == End::Killed || outcome.status == 0, "step {step}: {outcome}");
        runtime.must(&["list"]);
        let left = runtime.leftovers();
        assert!(left.is_empty(), "after a kill at step {step}: {left:#?}");
        end
    });
    assert!(last > 3, "{verb:?} has more than {last} steps");
}

const CREATE: &[&str] = &["create", "-b", "BUNDLE", "victim"];

#[test]
fn root_create_may_be_killed_anywhere() {
    if program::root() {
        kill_each(&[], CREATE);
    }
}

#[test]
fn root_start_may_be_killed_anywhere() {
    if program::root() {
        kill_each(&[CREATE], &["start", "victim"]);
    }
}

#[test]
fn root_delete_may_be_killed_anywhere() {
    if program::root() {
        kill_each(&[CREATE, &["start", "victim"]], &["delete", "--force", "victim"]);
    }
}

#[test]
fn root_a_container_that_never_was_makes_room_for_the_next() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let bundle = runtime.bundle("sleep 1000", |_| ());
    let words = ["create", "-b", &bundle.to_string_lossy(), "victim"];
    let mut made = 0;
    steps::each(|step| {
        let (end, _) = steps::kill_at(step, Victim::Command, &runtime.command(&words));
        match runtime.status("victim").as_str() {
            "none" => {
                runtime.must(&words);
                made += 1;
            }
            _ => assert_eq!(runtime.run(&words).status, 1),
        }
        runtime.must(&["delete", "--force", "victim"]);
        end
    });
    assert!(made > 0, "some kill leaves a wreck");
}
