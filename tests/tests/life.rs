//! What stays with a container, and how it ends.

#![expect(clippy::disallowed_methods, reason = "looks into a store and /proc by path")]
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;
use coffer_tests::terminal::Terminal;
use rustix::process::{Pid, Signal};

/// The memory of a process that is its own, in KiB. Of a debug build without what relocation has
/// touched of the binary: that is megabytes there, and 0.3 MB of the binary that is shipped.
fn own_kib(pid: Pid) -> u64 {
    let maps = fs::read_to_string(format!("/proc/{}/smaps", pid.as_raw_pid())).unwrap();
    let (mut counts, mut sum) = (true, 0);
    for line in maps.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["Private_Dirty:", kib, _] if counts => sum += kib.parse::<u64>().unwrap(),
            [range, _, _, _, inode, ..] if range.contains('-') => {
                counts = *inode == "0" || !cfg!(debug_assertions);
            }
            _ => {}
        }
    }
    sum
}

#[test]
fn root_a_monitor_is_small() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let line = "yes | head -c 200000 | tr -d '\\n'; echo; echo written; exec sleep 1000";
    coffer.must(&["run", "-d", "--name", "box", &name, "sh", "-c", line]);
    coffer.logs_until("box", "written");
    let before = own_kib(coffer.monitor());
    coffer.kill_monitor();
    coffer.must(&["ps"]);
    let after = own_kib(coffer.monitor());
    assert!(before < 1024 && after < 1024, "{before} KiB, and {after} KiB of one that came later");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// Everybody on the host may read how a process was called.
#[test]
fn root_nobody_reads_the_values_of_variables_beside_a_container() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    coffer.must(&["run", "-d", "--name", "box", "-e", "KEY=secret", &name, "sleep", "1000"]);
    let called = |pid: Pid| {
        let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_pid())).unwrap();
        String::from_utf8(line).unwrap().replace('\0', " ")
    };
    let monitor = format!("coffer run -d --name box -e KEY=… {name} sleep 1000 ");
    assert_eq!(called(coffer.monitor()).trim_end(), monitor.trim_end());
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let id = coffer.must(&["ps", "-q", "--no-trunc"]);
    let config = coffer.root().join("containers").join(id.trim()).join("config.json");
    assert!(fs::read_to_string(&config).unwrap().contains("KEY=secret"));
    assert_eq!((mode(&coffer.root()), mode(&config)), (0o700, 0o600));
    let mut exec =
        coffer.command(&["exec", "-eKEY=secret", "box", "sh", "-c", "echo $KEY; read x"]);
    let mut exec = exec.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(exec.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "secret");
    assert!(called(Pid::from_child(&exec)).starts_with("coffer exec -eKEY=… box sh -c "));
    drop(exec.stdin.take());
    exec.wait().unwrap();
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// A shell that says its terminal's size, again at each change.
const SIZES: &str = "trap 'echo changed $(stty size)' WINCH; echo it-$((1+1))-runs; \
                     while :; do sleep 0.02; done";

#[test]
fn root_a_terminal_has_the_size_of_the_callers() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    coffer.must(&["run", "-dit", "--name", "other", &name, "sleep", "1000"]);
    let run = ["run", "--rm", "-it", "--name", "box", &name, "sh", "-c", SIZES];
    let exec = ["exec", "-it", "other", "sh", "-c", SIZES];
    for verb in [&run[..], &exec[..]] {
        let mut terminal = Terminal::start(&coffer.command(verb));
        terminal.expects("it-2-runs");
        terminal.resize(33, 101);
        terminal.expects("changed 33 101");
        if verb == run {
            let mut second = Terminal::start(&coffer.command(&["attach", "box"]));
            second.resize(20, 77);
            second.expects("changed 20 77");
            second.types("\x10\x11");
            assert_eq!(second.ends().0, Some(0), "the keys detach");
            coffer.must(&["kill", "box"]);
        } else {
            coffer.must(&["kill", "other"]);
        }
        terminal.ends();
    }
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// Writes more than a terminal holds, once it may, and then says that it has.
const LEFT_ALONE: &str = "echo it-$((1+1))-runs; cat /go; yes | head -c 100000; echo done >/left";

#[test]
fn root_keys_leave_a_command_running() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    coffer.must(&["run", "-d", "--name", "box", &name, "sleep", "1000"]);
    coffer.must(&["exec", "box", "mkfifo", "/go", "/left"]);
    for (flags, keys) in [(&[][..], "\x10\x11"), (&["--detach-keys", "ctrl-x,q"][..], "\x18q")] {
        let words = [&["exec", "-it"][..], flags, &["box", "sh", "-c", LEFT_ALONE]].concat();
        let mut terminal = Terminal::start(&coffer.command(&words));
        terminal.expects("it-2-runs");
        terminal.types(keys);
        assert_eq!(terminal.ends().0, Some(0), "the keys detach");
        let wait = "echo >/go; cat /left";
        let wait = ["exec", "box", "timeout", "60", "sh", "-c", wait];
        assert_eq!(coffer.must(&wait), "done\n");
    }
    coffer.must(&["rm", "-f", "box"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_a_terminal_that_is_not_read_stays_the_callers() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    coffer.must(&["run", "-d", "--name", "box", &name, "sleep", "1000"]);
    let program = ["sh", "-c", "echo it-$((1+1))-runs; exec sleep 1000"];
    let exec = [&["exec", "-t", "box"][..], &program].concat();
    let run = [&["run", "-t", "--name", "other", &name][..], &program].concat();
    for words in [exec, run] {
        let mut terminal = Terminal::start(&coffer.command(&words));
        terminal.expects("it-2-runs");
        // Without -i the key for an interrupt is the caller's own.
        terminal.types("\x03");
        terminal.ends();
    }
    assert_eq!(coffer.must(&["exec", "-t", "box", "echo", "said"]), "said\r\n");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_how_a_container_ended_that_is_removed_then_is_known() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let line = "mkfifo /wait; echo up; read x </wait; yes | head -c 300000; exit 3";
    coffer.must(&["run", "-d", "--rm", "--name", "box", &name, "sh", "-c", line]);
    coffer.logs_until("box", "up");
    // It may end with the container, before it has ended by itself.
    let end = || drop(coffer.run(&["exec", "box", "sh", "-c", "echo >/wait"]));
    assert_eq!(coffer.waited("box", 2, end), ["3\n", "3\n"]);
    assert_eq!(coffer.must(&["ps", "-aq"]), "");

    // Its monitor may be killed meanwhile: those who wait give it another, and listen to that.
    coffer.must(&["run", "-d", "--rm", "--name", "box", &name, "sh", "-c", line]);
    coffer.logs_until("box", "up");
    let end = || {
        coffer.kill_monitor();
        drop(coffer.run(&["exec", "box", "sh", "-c", "echo >/wait"]));
    };
    assert_eq!(coffer.waited("box", 2, end), ["3\n", "3\n"]);
    assert_eq!(coffer.must(&["ps", "-aq"]), "");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_output_that_cannot_be_written_is_an_error_unless_nobody_reads_it() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    coffer.must(&["run", "-d", "--name", "box", &name, "yes"]);
    for words in [&["run", "--rm", &name, "echo", "said"][..], &["exec", "box", "echo", "said"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ran = coffer.command(words).stdout(full).output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(125), "{said}");
        assert!(said.contains("is lost in part") && said.contains("no space left"), "{said}");
    }
    for words in [&["run", "--rm", &name, "yes"][..], &["attach", "box"], &["logs", "-f", "box"]] {
        let mut command = coffer.command(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut ran = command.spawn().unwrap();
        let mut said = BufReader::new(ran.stdout.take().unwrap());
        said.read_line(&mut String::new()).unwrap();
        drop(said);
        let ended = ran.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(!said.contains("error:"), "{words:?}: {said}");
    }
    coffer.must(&["rm", "-f", "box"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// As docker says it: the end of what a pipe holds would never reach a program at a terminal.
#[test]
fn root_nobody_types_into_a_terminal_from_what_is_none() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    coffer.must(&["run", "-dit", "--name", "box", &name, "cat"]);
    coffer.must(&["create", "-it", "--name", "other", &name, "cat"]);
    let not = "error: the input device is not a TTY\n   = the program has a terminal, and \
               coffer's stdin is none\nhelp: leave -t out: -i alone hands on what stdin holds\n";
    let verbs = [
        &["run", "-it", "--rm", &name, "cat"][..],
        &["exec", "-it", "box", "cat"],
        &["attach", "box"],
        &["start", "-ai", "other"],
    ];
    for verb in verbs {
        assert_eq!(coffer.run(verb).failure(125), not, "{verb:?}");
    }
    assert_eq!(coffer.must(&["ps", "-aq"]).lines().count(), 2, "nothing was made");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_attach_shows_what_comes_and_passes_signals_on() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let line =
        "trap 'echo caught; exit 9' TERM; echo started; while :; do read x; echo got $x; done";
    coffer.must(&["run", "-di", "--name", "box", &name, "sh", "-c", line]);
    coffer.logs_until("box", "started");
    let mut attach = coffer.command(&["attach", "box"]);
    let mut attach = attach.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(attach.stdout.take().unwrap()).lines();
    attach.stdin.as_mut().unwrap().write_all(b"this\n").unwrap();
    assert_eq!(said.next().unwrap().unwrap(), "got this");
    // The end of one client's input is not the program's.
    drop(attach.stdin.take());
    let deaf = coffer.run(&["attach", "--no-stdin", "--sig-proxy=maybe", "box"]);
    assert!(deaf.failure(125).contains("one of: true, false"));
    rustix::process::kill_process(Pid::from_child(&attach), Signal::TERM).unwrap();
    assert_eq!(said.next().unwrap().unwrap(), "caught");
    assert_eq!(attach.wait().unwrap().code(), Some(9));
    let stopped = coffer.run(&["attach", "box"]).failure(125);
    assert!(stopped.contains("error: container box is not running"), "{stopped}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_a_container_starts_again_under_another_name() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let line = "echo again >>/log; trap 'exit 5' TERM; echo up; while :; do sleep 0.02; done";
    coffer.must(&["run", "-d", "--name", "box", &name, "sh", "-c", line]);
    coffer.logs_until("box", "up");
    coffer.must(&["rename", "box", "shop"]);
    assert!(coffer.run(&["exec", "box", "true"]).failure(125).contains("no such container: box"));
    assert_eq!(coffer.must(&["restart", "shop"]), "shop\n");
    let wait = "until [ \"$(wc -l </log)\" = 2 ]; do sleep 0.02; done; cat /log";
    let seen = coffer.must(&["exec", "shop", "timeout", "60", "sh", "-c", wait]);
    assert_eq!(seen, "again\nagain\n", "its files are its own still");
    // What it is called is not what its monitor was told when it started.
    coffer.must(&["rename", "shop", "store"]);
    let started = || coffer.must(&["inspect", "-f", "{{.State.StartedAt}}", "store"]);
    let before = started();
    coffer.must(&["stop", "-t", "-1", "store"]);
    assert_eq!(started(), before, "when it started is known when it has ended");
    let line = ["ps", "-a", "--format", "{{.Names}} {{.State}}"];
    assert_eq!(coffer.must(&line), "store exited\n");
    assert_eq!(coffer.must(&["inspect", "-f", "{{.State.ExitCode}}", "store"]), "5\n");
    assert_eq!(coffer.must(&["restart", "store"]), "store\n", "one that does not run starts");
    coffer.must(&["rm", "-f", "store"]);

    coffer.must(&["run", "-d", "--rm", "--name", "once", &name, "sleep", "1000"]);
    let refused = coffer.run(&["restart", "once"]).failure(125);
    assert!(refused.contains("it was made with --rm, and is removed when it stops"), "{refused}");
    assert_eq!(coffer.must(&["ps", "-q", "-f", "name=once"]).lines().count(), 1, "it runs on");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_rm_says_that_it_removed_a_wreck() {
    if !program::root() {
        return;
    }
    let (coffer, _) = Coffer::with(&BUSYBOX);
    coffer.must(&["ps"]);
    let id = "0123456789abcdef".repeat(4);
    // What kill -9 leaves of a container before its record.
    fs::create_dir(coffer.root().join("containers").join(&id)).unwrap();
    assert!(coffer.must(&["ps", "-a"]).contains("Dead"));
    assert_eq!(coffer.must(&["rm", &id]), format!("{id}\n"));
    assert_eq!(coffer.must(&["ps", "-aq"]), "");
}

#[test]
fn root_errors_say_the_name() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    coffer.must(&["run", "-d", "--name", "box", &name, "sleep", "1000"]);
    let running = "error: container box is running\nhelp: stop it first: coffer stop box\n";
    assert_eq!(coffer.run(&["rm", "box"]).failure(125), running);
    assert_eq!(coffer.run(&["start", "box"]).failure(125), running);
    coffer.must(&["kill", "box"]);
    coffer.must(&["wait", "box"]);
    let stopped = "error: container box is not running\nhelp: start it: coffer start box\n";
    for verb in [&["kill", "box"][..], &["exec", "box", "true"], &["attach", "box"]] {
        assert_eq!(coffer.run(verb).failure(125), stopped);
    }
    assert_eq!(coffer.leftovers(), [""; 0]);
}
