//! What is not on the path of a run of an image that is here: configuration, certificates, the
//! network, threads.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::process::Command;

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;
use coffer_tests::registry::{Guard, Registry};

/// The calls of `coffer ARGUMENTS` and its children that open files, make processes or threads, or
/// reach the network. Source: strace(1).
fn calls(coffer: &Coffer, arguments: &[&str]) -> Vec<String> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let command = coffer.command(arguments);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "--quiet=all", "-e", "trace=%file,clone,clone3,fork,vfork,connect"]);
    strace.arg("-o").arg(log.path()).arg("--").arg(command.get_program());
    coffer.prepare(&mut strace);
    program::run(strace.args(command.get_args())).success();
    let calls = std::io::read_to_string(log.as_file()).unwrap();
    calls.lines().map(str::to_owned).collect()
}

/// Those that read the caller's or the host's configuration.
fn configuration(coffer: &Coffer, calls: &[String]) -> Vec<String> {
    let home = coffer.home().display().to_string();
    let folders = [home.as_str(), "/etc/coffer", "/etc/containers", "/etc/docker", "/etc/ssl"];
    let reads = |call: &&String| folders.iter().any(|folder| call.contains(folder));
    calls.iter().filter(reads).cloned().collect()
}

/// Whether a line, `PID CALL(…) = …`, is a call that makes a process or a thread.
fn makes(call: &str) -> bool {
    let call = call.split_once(' ').map_or(call, |(_, call)| call.trim_start());
    ["clone(", "clone3(", "fork(", "vfork("].iter().any(|name| call.starts_with(name))
}

#[test]
fn root_a_run_reads_no_configuration_and_makes_one_process() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let run = calls(&coffer, &["run", "--rm", &name, "/bin/true"]);
    assert!(run.iter().any(|call| call.contains("/bin/true")), "strace saw nothing: {run:#?}");
    assert_eq!(configuration(&coffer, &run), [""; 0]);
    let made: Vec<&String> = run.iter().filter(|call| makes(call)).collect();
    assert!(!made.is_empty(), "strace saw no process made: {run:#?}");
    assert!(made.iter().all(|call| call.contains("CLONE_NEWPID")), "threads: {made:#?}");
    assert!(!run.iter().any(|call| call.contains("sa_family=AF_INET")), "the network: {run:#?}");
    // Once for its files. The mount is made by path, below what is found to be the same folder.
    let root = coffer.root().display().to_string();
    let opened = |folder: &str, by_path: bool| {
        let is_it = |call: &&String| {
            call.contains(&format!("\"{folder}\", O_RDONLY")) && call.contains("O_PATH") == by_path
        };
        run.iter().filter(is_it).count()
    };
    assert_eq!((opened("/etc", false), opened("/etc", true)), (1, 0), "{run:#?}");
    assert_eq!((opened(&root, false), opened(&root, true)), (1, 1), "{run:#?}");

    // The same eyes see what a pull does.
    let registry = Registry::start(Guard::Tls);
    coffer.trust(&registry);
    let pull = calls(&coffer, &["pull", "--quiet", &registry.push(&BUSYBOX)]);
    assert_ne!(configuration(&coffer, &pull), [""; 0]);
    assert!(pull.iter().any(|call| call.contains("sa_family=AF_INET")), "no network: {pull:#?}");
}
