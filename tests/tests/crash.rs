//! coffer killed at each step of a container's life, and two hundred lives at once.

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;
use coffer_tests::steps::{self, End, Victim};

/// After a kill: every container can be removed, the store is whole, nothing is left.
#[track_caller]
fn recovers(coffer: &Coffer, step: usize) {
    coffer.must(&["system", "prune", "--force"]);
    let left = coffer.leftovers();
    assert!(left.is_empty(), "after a kill at step {step}: {left:#?}");
    let checked = coffer.run(&["system", "check"]);
    assert_eq!(checked.status, 0, "after a kill at step {step}: {checked}");
}

/// Kills `verb` on a container that `before` has prepared, at each step.
fn kill_each(before: &[&[&str]], verb: &[&str], victim: Victim) {
    let (coffer, id) = Coffer::with(&BUSYBOX);
    // What has no name goes with every prune.
    coffer.must(&["tag", &id, "busybox"]);
    let last = steps::each(|step| {
        for line in before {
            coffer.must(line);
        }
        let (end, outcome) = steps::kill_at(step, victim, &coffer.command(verb));
        assert!(end == End::Killed || outcome.status == 0, "step {step}: {outcome}");
        recovers(&coffer, step);
        end
    });
    assert!(last > 10, "{verb:?} has more than {last} steps");
}

const CREATE: &[&str] = &["create", "--name", "victim", "busybox", "sleep", "1000"];

#[test]
fn root_create_may_be_killed_anywhere() {
    if program::root() {
        kill_each(&[], CREATE, Victim::Command);
    }
}

#[test]
fn root_start_may_be_killed_anywhere() {
    if program::root() {
        kill_each(&[CREATE], &["start", "victim"], Victim::Command);
    }
}

#[test]
fn root_stop_may_be_killed_anywhere() {
    if program::root() {
        kill_each(&[CREATE, &["start", "victim"]], &["stop", "-t", "0", "victim"], Victim::Command);
    }
}

#[test]
fn root_rm_may_be_killed_anywhere() {
    if program::root() {
        kill_each(&[CREATE, &["start", "victim"]], &["rm", "-f", "victim"], Victim::Command);
    }
}

#[test]
fn root_a_detached_run_and_what_stays_with_it_may_be_killed_anywhere() {
    if program::root() {
        kill_each(&[], &["run", "-d", "--name", "victim", "busybox", "true"], Victim::Any);
    }
}

#[test]
fn root_run_and_its_children_may_be_killed_anywhere() {
    if program::root() {
        kill_each(&[], &["run", "--rm", "busybox", "true"], Victim::Any);
    }
}

#[test]
fn root_two_hundred_run_at_once() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    std::thread::scope(|scope| {
        let run = |n: usize| {
            let word = format!("number {n}");
            let outcome = coffer.run(&["run", "--rm", &name, "echo", &word]);
            assert_eq!(outcome.success(), format!("{word}\n"));
        };
        for n in 0..200 {
            scope.spawn(move || run(n));
        }
    });
    assert_eq!(coffer.must(&["ps", "-aq"]), "");
    assert_eq!(coffer.leftovers(), [""; 0]);
}
