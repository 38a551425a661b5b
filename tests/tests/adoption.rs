//! A container whose monitor was killed: it goes on, and the next command gives it another.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;
use coffer_tests::terminal::Terminal;

/// Writes ten megabytes after its monitor is gone, then ends with 7.
const WRITER: &str = "read x; i=0; while [ $i -lt 1000 ]; do i=$((i+1)); \
                      printf '%s %10000s\\n' $i x; done; echo last; exit 7";

fn adopted_by(verb: &[&str], coffer: &Coffer, name: &str) {
    coffer.must(&["run", "-di", "--name", "box", name, "sh", "-c", WRITER]);
    let killed = coffer.kill_monitor();
    coffer.must(verb);
    assert_ne!(coffer.monitor(), killed, "{verb:?} made no new monitor");
    let mut typed = coffer.command(&["attach", "box"]);
    let mut typed = typed
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut typed.stdin.take().unwrap(), b"go\n").unwrap();
    assert_eq!(coffer.must(&["wait", "box"]), "7\n");
    assert_eq!(typed.wait().unwrap().code(), Some(7), "attach gives the exit status");
    assert_eq!(coffer.must(&["logs", "--tail", "1", "box"]), "last\n");
    coffer.must(&["rm", "box"]);
}

#[test]
fn root_any_command_gives_a_new_monitor_and_nothing_is_lost() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    for verb in [&["ps"][..], &["logs", "box"], &["exec", "box", "true"], &["top", "box"]] {
        adopted_by(verb, &coffer, &name);
    }
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_an_ordinary_users_container_gets_a_new_monitor_too() {
    if !program::root() {
        return;
    }
    let coffer = Coffer::of_user();
    let name = coffer.take_in(&BUSYBOX);
    let line = "read x; head -c 200000 /dev/zero | tr '\\0' 'y'; echo; exit 5";
    let run = ["run", "-di", "--name", "box", "--user", "worker", &*name, "sh", "-c", line];
    coffer.must(&run);
    coffer.kill_monitor();
    let mut typed = coffer.command(&["attach", "box"]);
    let mut typed = typed
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut typed.stdin.take().unwrap(), b"go\n").unwrap();
    assert_eq!(coffer.must(&["wait", "box"]), "5\n");
    assert_eq!(typed.wait().unwrap().code(), Some(5));
    assert_eq!(coffer.must(&["logs", "box"]).trim_end().len(), 200_000);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_a_program_at_a_full_fifo_goes_on_with_the_next_command() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let host = tempfile::tempdir().unwrap();
    let volume = format!("{}:/host", host.path().display());
    let line = "while [ ! -e /host/go ]; do sleep 0.01; done; \
                head -c 5000000 /dev/zero | tr '\\0' 'y'; echo; exit 3";
    coffer.must(&["run", "-d", "--name", "box", "-v", &volume, &name, "sh", "-c", line]);
    coffer.kill_monitor();
    // Not by a command of coffer's, which would give it the next monitor.
    program::must("touch", [host.path().join("go")]);
    // Followed from here on: the log ends with the container.
    assert_eq!(coffer.must(&["logs", "-f", "box"]).trim_end().len(), 5_000_000);
    assert_eq!(coffer.must(&["wait", "box"]), "3\n");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_who_waits_or_follows_makes_the_new_monitor() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let line = "echo first; while [ ! -e /tmp/go ]; do sleep 0.01; done; echo second; exit 4";
    coffer.must(&["run", "-d", "--name", "box", &name, "sh", "-c", line]);
    coffer.logs_until("box", "first");
    let piped =
        |verb: &[&str]| coffer.command(verb).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let (wait, follow) = (piped(&["wait", "box"]), piped(&["logs", "-f", "box"]));
    coffer.kill_monitor();
    coffer.must(&["exec", "box", "touch", "/tmp/go"]);
    let said = |child: std::process::Child| {
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    assert_eq!(said(wait), "4\n");
    assert_eq!(said(follow), "first\nsecond\n");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_what_is_to_be_removed_at_its_end_still_is() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    coffer.must(&["run", "-d", "--rm", "--name", "box", &name, "sleep", "1000"]);
    coffer.kill_monitor();
    coffer.must(&["stop", "-t", "0", "box"]);
    // What stayed with it removes it, and may need a moment more than the one who asked.
    while !coffer.must(&["ps", "-aq"]).is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_a_session_at_a_terminal_outlives_the_monitor() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let run = ["run", "-it", "--name", "box", "--env", "PS1=ready> ", &name, "sh"];
    let mut terminal = Terminal::start(&coffer.command(&run));
    terminal.expects("ready> ");
    coffer.kill_monitor();
    terminal.types("echo still-$((20+1))-here\r");
    terminal.expects("still-21-here");
    terminal.types("exit 6\r");
    assert_eq!(terminal.ends().0, Some(6));
    assert_eq!(coffer.must(&["wait", "box"]), "6\n");
    assert_eq!(coffer.leftovers(), [""; 0]);
}
