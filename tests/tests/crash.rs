//! coffer killed at each step of a container's life, and two hundred lives at once.

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;
use coffer_tests::steps::{self, End, Victim};

/// Kills `verb` on a container that `before` has prepared, at each of its `fewest` steps or more.
fn kill_each(before: &[&[&str]], verb: &[&str], victim: Victim, fewest: usize) {
    if program::root() {
        kill_each_of(&Coffer::in_memory(), before, verb, victim, fewest);
    }
}

fn kill_each_of(coffer: &Coffer, before: &[&[&str]], verb: &[&str], victim: Victim, fewest: usize) {
    let id = coffer.take_in(&BUSYBOX);
    // What has no name goes with every prune.
    coffer.must(&["tag", &id, "busybox"]);
    let last = steps::each(|step| {
        for line in before {
            coffer.must(line);
        }
        let (end, outcome) = steps::kill_at(step, victim, &coffer.command(verb));
        assert!(end == End::Killed || outcome.status == 0, "step {step}: {outcome}");
        coffer.recovers(step);
        end
    });
    assert!(last > fewest, "{verb:?} has more than {last} steps");
}

const CREATE: &[&str] = &["create", "--name", "victim", "busybox", "sleep", "1000"];

#[test]
fn root_create_may_be_killed_anywhere() {
    kill_each(&[], CREATE, Victim::Command, 15);
}

#[test]
fn root_start_may_be_killed_anywhere() {
    kill_each(&[CREATE], &["start", "victim"], Victim::Command, 5);
}

#[test]
fn root_what_start_leaves_with_a_container_may_be_killed_anywhere() {
    let create = &["create", "--name", "victim", "busybox", "true"];
    kill_each(&[create], &["start", "victim"], Victim::Any, 100);
}

#[test]
fn root_stop_may_be_killed_anywhere() {
    let stop = &["stop", "-t", "0", "victim"];
    kill_each(&[CREATE, &["start", "victim"]], stop, Victim::Command, 5);
}

#[test]
fn root_rename_and_restart_may_be_killed_anywhere() {
    kill_each(&[CREATE], &["rename", "victim", "other"], Victim::Command, 5);
    let restart = &["restart", "-t", "0", "victim"];
    kill_each(&[CREATE, &["start", "victim"]], restart, Victim::Command, 8);
}

#[test]
fn root_rm_may_be_killed_anywhere() {
    let rm = &["rm", "-f", "victim"];
    kill_each(&[CREATE, &["start", "victim"]], rm, Victim::Command, 10);
}

#[test]
fn root_a_detached_run_and_what_stays_with_it_may_be_killed_anywhere() {
    let run = &["run", "-d", "--name", "victim", "busybox", "true"];
    kill_each(&[], run, Victim::Any, 100);
}

#[test]
fn root_run_and_its_children_may_be_killed_anywhere() {
    kill_each(&[], &["run", "--rm", "busybox", "true"], Victim::Any, 100);
}

#[test]
fn root_an_ordinary_users_run_may_be_killed_anywhere() {
    if program::root() {
        let run = &["run", "-d", "--name", "victim", "busybox", "true"];
        kill_each_of(&Coffer::of_user(), &[], run, Victim::Any, 100);
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
