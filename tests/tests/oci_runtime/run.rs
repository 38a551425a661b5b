//! `run` in the foreground.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use coffer_tests::oci::Runtime;
use coffer_tests::program;
use rustix::process::{Pid, Signal, kill_process};

fn id() -> String {
    format!("run-{}", std::process::id())
}

#[test]
fn root_the_status_is_the_programs() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        for (line, status) in [("true", 0), ("exit 42", 42), ("kill -9 $$", 0)] {
            let bundle = runtime.bundle(line, |_| ());
            let outcome = runtime.run(&["run", "-b", &bundle.to_string_lossy(), &id()]);
            assert_eq!(outcome.status, status, "{line}: {outcome}");
        }
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_input_output_and_signals_go_through() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        let line = "trap 'echo got; exit 5' TERM; read word; echo $word; while :; do sleep 1; done";
        let bundle = runtime.bundle(line, |_| ());
        let mut command = runtime.command(&["run", "-b", &bundle.to_string_lossy(), &id()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"word\n").unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "word");
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "got");
        assert_eq!(child.wait().unwrap().code(), Some(5), "{:?}", runtime.kind());
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_one_that_is_detached_runs_on() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        let bundle = runtime.bundle("sleep 1000", |_| ());
        runtime.must(&["run", "--detach", "--bundle", &bundle.to_string_lossy(), &id()]);
        assert_eq!(runtime.status(&id()), "running");
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_one_that_is_kept_can_be_looked_at() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let bundle = runtime.bundle("exit 3", |_| ());
    let outcome = runtime.run(&["run", "--keep", "-b", &bundle.to_string_lossy(), &id()]);
    assert_eq!((outcome.status, &*runtime.status(&id())), (3, "stopped"));
    runtime.must(&["delete", &id()]);
}
