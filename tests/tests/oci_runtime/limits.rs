//! `pause`, `resume`, `update` and `events`, looked at from the host's side, on our runtime and on
//! runc where it is installed.

use std::fs;
use std::path::PathBuf;

use coffer_tests::oci::{Kind, Runtime};
use coffer_tests::program;
use serde_json::{Value, json};

/// The group of the process `pid` on the hierarchy of `controller`, on the host.
pub(crate) fn group(pid: i32, controller: &str) -> PathBuf {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let parts = groups.lines().map(|line| line.splitn(3, ':').collect::<Vec<_>>());
    let (v1, v2): (Vec<_>, Vec<_>) = parts.partition(|parts| !parts[1].is_empty());
    let of = |parts: &Vec<&str>| parts[1].split(',').any(|name| name == controller);
    match v1.iter().find(|parts| of(parts)) {
        Some(parts) => PathBuf::from(format!("/sys/fs/cgroup/{controller}{}", parts[2])),
        None => PathBuf::from(format!("/sys/fs/cgroup{}", v2[0][2])),
    }
}

fn read(pid: i32, controller: &str, file: &str) -> String {
    let path = group(pid, controller).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether the kernel has stopped the container's processes.
fn frozen(pid: i32) -> bool {
    let v1 = group(pid, "freezer").join("freezer.state");
    match fs::read_to_string(v1) {
        Ok(state) => state.trim() == "FROZEN",
        Err(_) => read(pid, "freezer", "cgroup.events").contains("frozen 1"),
    }
}

/// A container that lives, with at most 50 processes; its id and process.
fn running(runtime: &Runtime, name: &str) -> (String, i32) {
    let id = format!("{name}-{}", std::process::id());
    let bundle = runtime.bundle("sleep 1000", |config| {
        config["linux"]["resources"] = json!({"pids": {"limit": 50}});
    });
    assert_eq!(runtime.create(&id, &bundle).status, 0);
    runtime.must(&["start", &id]);
    let pid = runtime.pid(&id);
    (id, pid)
}

#[test]
fn root_pause_freezes_and_resume_thaws() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        let (id, pid) = running(&runtime, "pause");
        assert!(!frozen(pid));
        runtime.must(&["pause", &id]);
        assert!(frozen(pid));
        assert_eq!(runtime.status(&id), "paused");
        assert_ne!(runtime.run(&["exec", &id, "true"]).status, 0);
        runtime.must(&["resume", &id]);
        assert!(!frozen(pid));
        assert_eq!(runtime.status(&id), "running");
        runtime.must(&["exec", &id, "true"]);
        assert_ne!(runtime.run(&["resume", &id]).status, 0);
        // A process that is killed while it is paused dies only once it is let go on.
        if runtime.kind() == Kind::Ours {
            runtime.must(&["pause", &id]);
            runtime.must(&["delete", "--force", &id]);
        }
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_update_changes_what_it_names_and_no_more() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        let (id, pid) = running(&runtime, "update");
        assert_eq!(read(pid, "pids", "pids.max"), "50\n");
        runtime.must(&["update", "--pids-limit", "61", &id]);
        assert_eq!(read(pid, "pids", "pids.max"), "61\n");
        let file = runtime.folder().join("resources.json");
        fs::write(&file, json!({"pids": {"limit": 62}}).to_string()).unwrap();
        runtime.must(&["update", "--resources", &file.to_string_lossy(), &id]);
        assert_eq!(read(pid, "pids", "pids.max"), "62\n");
        assert_ne!(runtime.run(&["update", "--memory", "much", &id]).status, 0);
        assert_eq!(read(pid, "pids", "pids.max"), "62\n");
    }
}

/// Options of `update`, the same as a document, and the files of v1 and v2 that they are for, with
/// their controllers.
type Update = (&'static [&'static str], &'static str, &'static [(&'static str, &'static str)]);

const UPDATES: &[Update] = &[
    (&["--pids-limit", "40"], r#"{"pids": {"limit": 40}}"#, &[("pids", "pids.max")]),
    (
        &["--memory", "300M", "--memory-reservation", "60M"],
        r#"{"memory": {"limit": 314572800, "reservation": 62914560}}"#,
        &[
            ("memory", "memory.limit_in_bytes"),
            ("memory", "memory.soft_limit_in_bytes"),
            ("memory", "memory.max"),
            ("memory", "memory.low"),
        ],
    ),
    (
        &["--memory", "300M", "--memory-swap", "400M"],
        r#"{"memory": {"limit": 314572800, "swap": 419430400}}"#,
        &[("memory", "memory.memsw.limit_in_bytes"), ("memory", "memory.swap.max")],
    ),
    (
        &["--cpu-share", "200"],
        r#"{"cpu": {"shares": 200}}"#,
        &[("cpu", "cpu.shares"), ("cpu", "cpu.weight")],
    ),
    (
        &["--cpu-period", "50000", "--cpu-quota", "20000", "--cpu-burst", "1000"],
        r#"{"cpu": {"period": 50000, "quota": 20000, "burst": 1000}}"#,
        &[
            ("cpu", "cpu.cfs_period_us"),
            ("cpu", "cpu.cfs_quota_us"),
            ("cpu", "cpu.cfs_burst_us"),
            ("cpu", "cpu.max"),
            ("cpu", "cpu.max.burst"),
        ],
    ),
    (&["--cpu-idle", "1"], r#"{"cpu": {"idle": 1}}"#, &[("cpu", "cpu.idle")]),
    (
        &["--cpuset-cpus", "0", "--cpuset-mems", "0"],
        r#"{"cpu": {"cpus": "0", "mems": "0"}}"#,
        &[("cpuset", "cpuset.cpus"), ("cpuset", "cpuset.mems")],
    ),
    (
        &["--blkio-weight", "200"],
        r#"{"blockIO": {"weight": 200}}"#,
        &[("blkio", "blkio.weight"), ("blkio", "blkio.bfq.weight"), ("io", "io.bfq.weight")],
    ),
];

#[test]
fn root_update_sets_by_options_and_by_a_file_what_the_newest_runc_sets() {
    if !program::root() {
        return;
    }
    let set = |runtime: &Runtime, words: &[&str], files: &[(&str, &str)]| -> Vec<Option<String>> {
        let (id, pid) = running(runtime, "set");
        let before: Vec<_> = files.iter().map(|(of, file)| content(pid, of, file)).collect();
        runtime.must(&[&["update"], words, &[&id]].concat());
        let after: Vec<_> = files.iter().map(|(of, file)| content(pid, of, file)).collect();
        assert!(before.iter().all(Option::is_none) || before != after, "{words:?}");
        runtime.must(&["delete", "--force", &id]);
        after
    };
    for (options, document, files) in UPDATES {
        let mut all = Vec::new();
        for runtime in Runtime::beside_newest() {
            let file = runtime.folder().join("resources.json");
            fs::write(&file, document).unwrap();
            all.push(set(&runtime, options, files));
            all.push(set(&runtime, &["--resources", &file.to_string_lossy()], files));
            all.push(set(&runtime, &["-r", &file.to_string_lossy()], files));
        }
        assert!(all.windows(2).all(|two| two[0] == two[1]), "{options:?}: {all:?}");
    }
}

/// A file of a group, where this host has it.
fn content(pid: i32, controller: &str, file: &str) -> Option<String> {
    fs::read_to_string(group(pid, controller).join(file)).ok()
}

#[test]
fn root_events_count_what_the_kernel_counts() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        let (id, pid) = running(&runtime, "events");
        let count = || read(pid, "pids", "pids.current");
        // Until runc's own threads are gone.
        let (said, current) = loop {
            let before = count();
            let said = runtime.must(&["events", "--stats", &id]);
            if count() == before {
                break (said, before);
            }
        };
        let event: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&event["type"], &event["id"]), (&json!("stats"), &json!(id)));
        let pids = &event["data"]["pids"];
        assert_eq!(pids["limit"], 50);
        assert_eq!(pids["current"].to_string(), current.trim());
        assert!(event["data"]["cpu"]["usage"]["total"].as_u64().unwrap() > 0);
        assert!(event["data"]["memory"]["usage"]["usage"].is_u64());
        assert_ne!(runtime.run(&["events", "--stats", "none"]).status, 0);
    }
}

#[test]
fn root_events_end_with_the_container() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let (id, pid) = running(&runtime, "watched");
    let mut events = runtime.command(&["events", "--interval", "100ms", &id]);
    let mut events = events.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut told = std::io::BufReader::new(events.stdout.take().unwrap());
    let mut line = String::new();
    for _ in 0..2 {
        line.clear();
        std::io::BufRead::read_line(&mut told, &mut line).unwrap();
        assert!(line.contains("\"stats\""), "{line}");
    }
    runtime.must(&["kill", &id, "KILL"]);
    Runtime::ends(pid);
    assert!(events.wait().unwrap().success());
}

#[test]
fn root_listening_sockets_are_passed_on() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        let bundle = runtime.bundle("echo $LISTEN_FDS $LISTEN_PID; ls /proc/self/fd", |_| ());
        let id = format!("listen-{}", std::process::id());
        let program = runtime.program();
        let mut shell = std::process::Command::new("sh");
        // A shell execs with its own process id, and makes descriptor 3 a file.
        shell.args(["-c", "exec 3</etc/passwd; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"", "sh"]);
        shell.arg(program).arg("--root").arg(runtime.states());
        shell.args(["run", "--bundle", &bundle.to_string_lossy(), &id]);
        let said = runtime.finish(&mut shell).success();
        let mut lines = said.lines();
        assert_eq!(lines.next(), Some("1 1"), "{said}");
        assert!(lines.any(|line| line == "3"), "{said}");
    }
}
