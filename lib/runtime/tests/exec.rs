//! Processes that join a running container.
#![expect(clippy::unwrap_used, reason = "a container that cannot be started fails the test")]

mod common;

use coffer_runtime::launch::{Gate, Launched};
use coffer_runtime::spec::{ExecRequest, Init, Terminal};
use common::{Bench, Ended, finish, needs_root, start};
use rustix::process::{Signal, pidfd_send_signal};

/// A container that sleeps, and what a line of shell says that joins it.
fn joined(change: impl FnOnce(&mut Bench), request: ExecRequest) -> Ended {
    let mut bench = Bench::new();
    bench.command(&["sleep", "100"]);
    change(&mut bench);
    let (reader, container) = bench.start(Gate::Open).unwrap();
    let ended = start(&bench.join(&container, &request), Gate::Open)
        .map(|(output, process)| finish(output, &process));
    kill(&container);
    finish(reader, &container);
    ended.unwrap()
}

fn kill(container: &Launched) {
    pidfd_send_signal(&container.pidfd, Signal::KILL).unwrap();
}

fn shell(line: &str) -> ExecRequest {
    let command = ["sh", "-c", line].map(str::to_owned).to_vec();
    ExecRequest { command, ..ExecRequest::default() }
}

#[test]
fn root_joins_all_namespaces() {
    if !needs_root() {
        return;
    }
    let line = "for n in user pid mnt ipc uts cgroup net; do \
        test $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) || echo $n; done; \
        cat /proc/1/comm; hostname; exit 9";
    let ended = joined(|_| {}, shell(line));
    assert_eq!((ended.output.as_str(), ended.status), ("sleep\n0123456789ab\n", Some(9)));
}

#[test]
fn root_joins_behind_the_same_fence() {
    if !needs_root() {
        return;
    }
    let ended = joined(|_| {}, shell("cat /proc/self/status; ls /proc/self/fd; id -u"));
    let granted = format!("{:016x}", coffer_confine::capability::CapSet::DEFAULT.bits());
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", &format!("CapBnd:\t{granted}")] {
        assert!(ended.output.contains(line), "{line}: {}", ended.output);
    }
    assert!(ended.output.ends_with("\n0\n1\n2\n3\n0\n"), "{}", ended.output);
}

#[test]
fn root_joins_where_process_one_is_init() {
    if !needs_root() {
        return;
    }
    let ended = joined(|bench| bench.request.init = Init::Tiny, shell("echo in"));
    assert_eq!(ended.output, "in\n");
}

#[test]
fn root_joins_as_a_user_in_a_folder_with_an_environment() {
    if !needs_root() {
        return;
    }
    let request = ExecRequest {
        env: vec![("A".to_owned(), "b".to_owned())],
        workdir: Some("/tmp".to_owned()),
        ..shell("id -u; pwd; echo $A $HOME")
    };
    let ended = joined(|bench| bench.user(1000, 1000), request);
    assert_eq!(ended.output, "1000\n/tmp\nb /root\n");
}

#[test]
fn root_a_folder_through_a_descriptor_is_refused() {
    if !needs_root() {
        return;
    }
    let bench = Bench::shell("sleep 100");
    let (reader, container) = bench.start(Gate::Open).unwrap();
    for folder in ["/proc/self/fd/3", "/proc/self/cwd", "/missing"] {
        let request = ExecRequest { workdir: Some(folder.to_owned()), ..shell("pwd") };
        let error = start(&bench.join(&container, &request), Gate::Open).unwrap_err();
        assert!(error.to_string().contains(folder), "{error}");
    }
    let request = ExecRequest { command: vec!["missing".to_owned()], ..ExecRequest::default() };
    let error = start(&bench.join(&container, &request), Gate::Open).unwrap_err();
    assert_eq!(error.status(), 127);
    kill(&container);
    finish(reader, &container);
}

#[test]
fn root_joins_with_a_terminal() {
    if !needs_root() {
        return;
    }
    let bench = Bench::shell("sleep 100");
    let (reader, container) = bench.start(Gate::Open).unwrap();
    let request = ExecRequest { terminal: Terminal::Pty(None), ..shell("tty; echo $TERM") };
    let (output, mut process) = start(&bench.join(&container, &request), Gate::Open).unwrap();
    let master = process.terminal.take().unwrap();
    let mut text = Vec::new();
    let mut chunk = [0; 256];
    // EIO is the end of a pty whose other side is closed.
    while let Ok(count @ 1..) = rustix::io::read(&master, &mut chunk) {
        text.extend_from_slice(&chunk[..count]);
    }
    assert_eq!(String::from_utf8(text).unwrap(), "/dev/pts/0\r\nxterm\r\n");
    // The kernel keeps process 1 until everything in its namespace has been waited for.
    finish(output, &process);
    kill(&container);
    finish(reader, &container);
}
