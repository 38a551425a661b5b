//! containerd as a client: `coffer-oci` below its own shim, and `containerd-shim-coffer-v1`.

#![expect(clippy::disallowed_methods, reason = "the tests' own folders")]
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

mod checkpoint;
mod direct;

use coffer_tests::containerd::Containerd;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;
use coffer_tests::terminal::Terminal;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

#[test]
fn root_runcs_shim_runs_coffer_oci() {
    if !program::root() {
        return;
    }
    let containerd = Containerd::with(&BUSYBOX);
    let runtime = containerd.runtime();
    let flags = ["--rm", "--runc-binary", runtime.to_str().unwrap()];
    for (command, status) in [("echo words; exit 0", 0), ("echo words; exit 42", 42)] {
        let outcome = containerd.run_theirs(&flags, "one", &["sh", "-c", command]);
        assert_eq!((outcome.status, &*outcome.stdout), (status, "words\n"), "{outcome}");
    }
}

#[test]
fn root_a_run_says_and_returns_what_it_does_under_runcs_shim() {
    if !program::root() {
        return;
    }
    let containerd = Containerd::with(&BUSYBOX);
    let table: &[&[&str]] = &[
        &["true"],
        &["sh", "-c", "echo out; echo err >&2; exit 42"],
        &["sh", "-c", "kill -9 $$"],
        &["sh", "-c", "kill -15 $$; sleep 1"],
        &["sh", "-c", "head -c 3000000 /dev/zero | wc -c"],
        &["head", "-c", "300000", "/dev/zero"],
        &["sh", "-c", "id -u; pwd; cat /proc/1/comm; ls /proc/self/fd | wc -l"],
        &["sh", "-c", "(sleep 100 &) ; echo left"],
    ];
    for command in table {
        let ours = containerd.run(&["--rm"], "ours", command);
        let theirs = containerd.run_theirs(&["--rm"], "theirs", command);
        assert_eq!(
            (ours.status, &*ours.stdout, &*ours.stderr),
            (theirs.status, &*theirs.stdout, &*theirs.stderr),
            "{command:?}"
        );
    }
    let missing = containerd.run(&["--rm"], "missing", &["no-such-program"]);
    assert_ne!(missing.status, 0);
    assert!(missing.stderr.contains("no-such-program"), "{missing}");
    assert_eq!(containerd.leftovers(), [""; 0]);
}

#[test]
fn root_a_terminal_is_typed_into_and_has_its_size() {
    if !program::root() {
        return;
    }
    let containerd = Containerd::with(&BUSYBOX);
    let mut terminal = Terminal::start(&containerd.run_command(&["--rm", "-t"], "one", &["sh"]));
    terminal.types("echo $((6 * 7)) is it; tty\n");
    terminal.expects("42 is it");
    terminal.expects("/dev/");
    terminal.types("exit 3\n");
    assert_eq!(terminal.ends().0, Some(3));
}

#[test]
fn root_a_task_lives_through_exec_pause_kill_and_rm() {
    if !program::root() {
        return;
    }
    let containerd = Containerd::with(&BUSYBOX);
    let mut events = containerd.events();
    containerd.run(&["--detach"], "one", &["sleep", "1000"]).success();
    let exec = ["task", "exec", "--exec-id", "two", "one", "sh", "-c", "echo inside; exit 7"];
    let outcome = program::run(&mut containerd.ctr(&exec));
    assert_eq!((outcome.status, &*outcome.stdout), (7, "inside\n"), "{outcome}");
    let pid = containerd.pid("one").to_string();
    assert!(containerd.must(&["task", "ps", "one"]).contains(&pid));
    containerd.must(&["task", "pause", "one"]);
    assert_eq!(containerd.status("one"), "PAUSED");
    containerd.must(&["task", "resume", "one"]);
    assert_eq!(containerd.status("one"), "RUNNING");
    let metrics = containerd.must(&["task", "metrics", "--format", "json", "one"]);
    let metrics: serde_json::Value = serde_json::from_str(&metrics).unwrap();
    assert!(metrics["pids"]["current"].as_u64().is_some_and(|n| n > 0), "{metrics}");
    containerd.must(&["task", "kill", "--signal", "SIGKILL", "one"]);
    let mut seen = events.until("/tasks/exit");
    let ended = seen.iter().any(|(topic, event)| topic == "/tasks/exit" && event["id"] == "one");
    if !ended {
        seen.extend(events.until("/tasks/exit"));
    }
    containerd.remove("one");
    seen.extend(events.until("/tasks/delete"));
    let topics: Vec<&str> = seen.iter().map(|(topic, _)| &**topic).collect();
    let tasks: Vec<&str> =
        topics.into_iter().filter(|topic| topic.starts_with("/tasks/")).collect();
    assert_eq!(
        tasks,
        [
            "/tasks/create",
            "/tasks/start",
            "/tasks/exec-added",
            "/tasks/exec-started",
            "/tasks/exit",
            "/tasks/paused",
            "/tasks/resumed",
            "/tasks/exit",
            "/tasks/delete",
        ]
    );
    let last = seen.iter().rfind(|(topic, _)| topic == "/tasks/exit").unwrap();
    assert_eq!(last.1["exit_status"], 137);
    assert_eq!(containerd.leftovers(), [""; 0]);
}

#[test]
fn root_the_containers_of_a_pod_share_a_shim() {
    if !program::root() {
        return;
    }
    let containerd = Containerd::with(&BUSYBOX);
    let pod = ["--detach", "--annotation", "io.kubernetes.cri.sandbox-id=pod"];
    containerd.run(&pod, "pod", &["sleep", "1000"]).success();
    containerd.run(&pod, "member", &["sleep", "1000"]).success();
    containerd.run(&["--detach"], "other", &["sleep", "1000"]).success();
    let shim = containerd.shim("pod");
    assert_eq!(containerd.shim("member"), shim);
    assert_ne!(containerd.shim("other"), shim);
    containerd.remove("pod");
    assert_eq!(containerd.status("member"), "RUNNING");
    containerd.remove("member");
    containerd.remove("other");
    assert_eq!(containerd.leftovers(), [""; 0]);
}

#[test]
fn root_a_killed_shim_is_cleaned_up_after() {
    if !program::root() {
        return;
    }
    let containerd = Containerd::with(&BUSYBOX);
    let mut events = containerd.events();
    containerd.run(&["--detach"], "one", &["sleep", "1000"]).success();
    let init = containerd.pid("one");
    let pid = |number: u32| Pid::from_raw(i32::try_from(number).unwrap()).unwrap();
    let pidfd = pidfd_open(pid(init), PidfdFlags::empty()).unwrap();
    kill_process(pid(containerd.shim("one")), Signal::KILL).unwrap();
    let seen = events.until("/tasks/exit");
    assert_eq!(seen.last().unwrap().1["exit_status"], 137);
    let mut ended = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
    let patience = rustix::event::Timespec { tv_sec: 60, tv_nsec: 0 };
    assert_eq!(rustix::event::poll(&mut ended, Some(&patience)).unwrap(), 1);
    events.until("/tasks/delete");
    containerd.must(&["container", "rm", "one"]);
    assert_eq!(containerd.leftovers(), [""; 0]);
}
