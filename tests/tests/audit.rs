//! `coffer audit --probe`: what a container can reach, tried inside and judged outside.
#![expect(clippy::disallowed_methods, reason = "the test's own files, and the source tree")]
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program::{self, Outcome};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::Value;

/// What the audit says of a container that `coffer run` makes with these flags.
fn audit(coffer: &Coffer, name: &str, flags: &[&str]) -> (Outcome, Value) {
    let mut arguments = vec!["audit", "--probe", "--json", name, "--"];
    arguments.extend(flags);
    let outcome = coffer.run(&arguments);
    let said = serde_json::from_str(&outcome.stdout).unwrap();
    (outcome, said)
}

/// Rows of one kind among the totals of coffer's own container.
fn of_total<'a>(said: &'a Value, kind: &str) -> Vec<&'a str> {
    let found = said["totals"]["coffer"][kind].as_array().unwrap();
    found.iter().filter_map(Value::as_str).collect()
}

fn outcome<'a>(said: &'a Value, id: &str, runtime: &str) -> &'a str {
    let rows = said["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["id"] == id).unwrap();
    row["verdicts"][runtime]["outcome"].as_str().unwrap()
}

/// Nothing is reached that is not predicted, and at most eight things that root inside its own
/// ids is not meant to have.
fn holds() {
    let coffer = Coffer::default();
    let name = coffer.take_in(&BUSYBOX);
    let (outcome, said) = audit(&coffer, &name, &[]);
    assert_eq!(of_total(&said, "findings"), [""; 0], "{said:#}");
    assert_eq!(outcome.status, 0, "{outcome}");
    assert!(said["rows"].as_array().unwrap().len() >= 150);
    assert!(of_total(&said, "beyond").len() <= 8, "{said:#}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_the_default_fence_holds() {
    if program::root() {
        holds();
    }
}

/// Root's ids but for what an ordinary user cannot be kept from: his own quotas.
fn holds_for(coffer: &Coffer) {
    let name = coffer.take_in(&BUSYBOX);
    let (outcome, said) = audit(coffer, &name, &[]);
    assert_eq!(said["caller"], "user");
    assert_eq!(of_total(&said, "findings"), [""; 0], "{said:#}");
    assert_eq!(outcome.status, 0, "{outcome}");
    let more = ["use.tasks", "use.inotify"];
    let beyond = of_total(&said, "beyond");
    assert!(beyond.iter().filter(|id| !more.contains(id)).count() <= 8, "{beyond:?}");
    assert!(beyond.contains(&"use.inotify"), "{beyond:?}");
}

#[test]
fn root_an_ordinary_users_fence_holds_but_for_that_users_own_quotas() {
    if program::root() {
        holds_for(&Coffer::of_user());
        holds_for(&Coffer::of_user_alone());
    }
}

/// The identifiers in the table of SECURITY.md that says what stays.
fn named_to_stay() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("SECURITY.md");
    let text = fs::read_to_string(path).unwrap();
    let table =
        text.split("| row | what is reached | why it stays | what closes it |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn root_what_stays_is_what_the_document_names() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let (_, said) = audit(&coffer, &name, &[]);
    let found: BTreeSet<String> = of_total(&said, "beyond").into_iter().map(Into::into).collect();
    let named = named_to_stay();
    assert!(found.is_subset(&named), "not in SECURITY.md: {found:?}");
    // A host without memory to spare cannot try all of them.
    for id in named.difference(&found) {
        assert_eq!(outcome(&said, id, "coffer"), "untried", "{id} does not stay");
    }
    // What is read is no change: the host sees none.
    let rows = said["rows"].as_array().unwrap().iter();
    let seen: Vec<_> = rows.filter(|row| row["verdicts"]["coffer"]["seen"] == true).collect();
    assert!(seen.is_empty(), "{seen:#?}");
    // Of the disk it may take what the host does not keep.
    let came_to = outcome(&said, "use.disk", "coffer");
    assert!(["container", "untried"].contains(&came_to), "{came_to}");
    // Memory has a limit that leaves the host room, until somebody takes it away.
    let came_to = outcome(&said, "use.memory", "coffer");
    assert!(["container", "untried"].contains(&came_to), "{came_to}");
    let (ended, open) = audit(&coffer, &name, &["--memory", "-1"]);
    if came_to == "container" {
        assert_eq!((ended.status, of_total(&open, "findings")), (1, vec!["use.memory"]));
    }
}

/// The flags that SECURITY.md names.
#[test]
fn root_flags_close_what_stays() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let flags = ["--memory", "256m", "--cpus", "1", "--read-only", "--tmpfs", "/tmp"];
    let (ended, said) = audit(&coffer, &name, &flags);
    assert_eq!(ended.status, 0, "{ended}");
    for id in ["use.memory", "use.disk"] {
        let came_to = outcome(&said, id, "coffer");
        assert!(["blocked", "untried"].contains(&came_to), "{id} {came_to}");
    }
}

/// Where a container shares the host's processes and ids, a scope of Landlock's is what is left.
#[test]
fn root_landlock_keeps_signals_inside() {
    let has_scopes = program::run(Command::new("sh").args(["-c", "uname -r"])).success();
    let version: Vec<u32> = has_scopes.split('.').take(2).map(|n| n.parse().unwrap()).collect();
    if !program::root() || version < vec![6, 12] {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let policy = tempfile::NamedTempFile::new().unwrap();
    fs::write(policy.path(), r#"{"scope":["signals"]}"#).unwrap();
    let landlock = format!("landlock={}", policy.path().display());
    let shared = ["--pid", "host", "--userns", "host"];
    let (_, open) = audit(&coffer, &name, &shared);
    let scoped = [&shared[..], &["--security-opt", &landlock]].concat();
    let (_, held) = audit(&coffer, &name, &scoped);
    for id in ["proc.signal", "proc.signal-pidfd", "proc.signal-proc"] {
        assert_eq!(outcome(&open, id, "coffer"), "host", "{id}");
        assert_eq!(outcome(&held, id, "coffer"), "blocked", "{id}");
    }
}

/// Each layer holds what it is named for: without the filter nothing is reached that another one
/// has to stop, the host's keys least of all.
#[test]
fn root_without_the_filter_the_other_walls_hold() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let (ended, said) = audit(&coffer, &name, &["--security-opt", "seccomp=unconfined"]);
    assert_eq!(ended.status, 1, "{ended}");
    let found = of_total(&said, "findings");
    assert!(found.contains(&"ns.unshare-user") && found.contains(&"call.keyctl"), "{found:?}");
    assert!(!found.iter().any(|id| id.starts_with("key.")), "{found:?}");
    for row in said["rows"].as_array().unwrap() {
        let is_found = found.iter().any(|id| row["id"] == *id);
        assert!(!is_found || row["control"] == "filter", "{row:#}");
    }
}

#[test]
fn root_what_flags_open_is_found() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let (ended, said) = audit(&coffer, &name, &["--privileged", "--yes-really"]);
    assert_eq!(ended.status, 1, "{ended}");
    let found = of_total(&said, "findings");
    assert!(
        ["cap.sys_admin", "mount.tmpfs", "ns.unshare-user"].iter().all(|id| found.contains(id))
    );
    let (ended, said) = audit(&coffer, &name, &["--network", "host"]);
    assert_eq!(ended.status, 1, "{ended}");
    // Seen by the host itself, which was connected to.
    for id in ["net.loopback", "net.abstract"] {
        assert_eq!(outcome(&said, id, "coffer"), "host", "{id}");
    }
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// The key of the System V memory that a process has made: those of the other objects are the same.
fn key_of(maker: u32) -> Option<String> {
    let text = fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    // Man 5 proc_sysvipc: the fifth column is the maker's process.
    let mut lines = text.lines().skip(1).map(words);
    lines.find(|words| words[4] == maker.to_string()).map(|mut words| words.swap_remove(0))
}

/// Waits until `look` finds something while a process runs.
fn while_runs<T>(process: &mut Child, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(process.try_wait().unwrap().is_none(), "it has ended");
    }
}

#[test]
fn root_a_killed_audit_leaves_nothing() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let temporary = tempfile::tempdir().unwrap();
    let mut command = coffer.command(&["audit", "--probe", &name]);
    command.env("TMPDIR", temporary.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut audit = command.spawn().unwrap();
    let pid = audit.id();
    let key = while_runs(&mut audit, || key_of(pid));
    let running = || Some(coffer.must(&["ps", "-q"])).filter(|ids| !ids.is_empty());
    while_runs(&mut audit, running);
    let secret = temporary.path().join(format!("coffer-audit-{pid}/secret"));
    let file = format!("/dev/shm/coffer-audit-{}", fs::read_to_string(secret).unwrap());
    assert!(Path::new(&file).exists());
    // Who clears away, and the container's own.
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let child = |number: &str| Pid::from_raw(number.parse().unwrap()).unwrap();
    let open = |number: &str| pidfd_open(child(number), PidfdFlags::empty()).unwrap();
    let children: Vec<_> = children.split_whitespace().map(open).collect();
    assert_eq!(children.len(), 2);
    audit.kill().unwrap();
    audit.wait().unwrap();
    for child in &children {
        poll(&mut [PollFd::new(child, PollFlags::IN)], None).unwrap();
    }
    for table in ["shm", "sem", "msg"] {
        let text = fs::read_to_string(format!("/proc/sysvipc/{table}")).unwrap();
        let has = text.lines().any(|line| line.split_whitespace().next() == Some(&key));
        assert!(!has, "{table}: {text}");
    }
    assert!(!Path::new(&file).exists(), "{file} is left");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn an_audit_says_what_it_lacks() {
    let coffer = Coffer::default();
    let refused = coffer.run(&["audit", "busybox"]).failure(125);
    assert!(refused.contains("--probe"), "{refused}");
    let refused = coffer.run(&["audit-probe"]).failure(125);
    assert!(refused.contains("runs inside a container only"), "{refused}");
    let refused = coffer.run(&["audit", "--probe", "--offline", "nowhere/none"]).failure(2);
    assert!(refused.contains("the prober has ended after 0 of"), "{refused}");
}
