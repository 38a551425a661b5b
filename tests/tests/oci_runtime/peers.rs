//! The grammar and the answers of runc's newest release and crun's, beside ours.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Command;

use coffer_tests::image::cargo_target;
use coffer_tests::oci::Runtime;
use coffer_tests::program;
use coffer_tests::shape::places;
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::{Value, json};

const VERBS: [&str; 17] = [
    "create",
    "start",
    "state",
    "kill",
    "delete",
    "exec",
    "run",
    "list",
    "ps",
    "pause",
    "resume",
    "update",
    "events",
    "features",
    "spec",
    "checkpoint",
    "restore",
];

/// The long options in what a program says about a verb.
fn options(help: &str) -> BTreeSet<String> {
    let words = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let words = words.flat_map(|line| line.split([' ', ',', '=', '[']));
    words
        .filter_map(|word| word.strip_prefix("--"))
        .filter(|name| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit())
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_option_of_the_peers_is_known() {
    let ours = Runtime::ours();
    for peer in ["runc", "crun"] {
        let program = cargo_target().join("peers/bin").join(peer);
        if !program.exists() {
            eprintln!("skipped: there is no newest {peer} (cargo xtask peers)");
            continue;
        }
        let mut seen = 0;
        for verb in VERBS {
            let said = Command::new(&program).args([verb, "--help"]).output().unwrap();
            let mut theirs = options(&String::from_utf8_lossy(&said.stdout));
            // Not the verb's own.
            theirs.retain(|name| !["help", "version", "usage"].contains(&&**name));
            seen += theirs.len();
            let known = options(&ours.must(&[verb, "--help"]));
            let missing: Vec<&String> = theirs.difference(&known).collect();
            assert!(missing.is_empty(), "{peer} {verb}: {missing:?}");
        }
        assert!(seen > 40, "{peer} has more than {seen} options");
    }
}

#[test]
fn root_what_is_refused_is_refused_with_a_reason() {
    let ours = Runtime::ours();
    for (words, why) in [
        (&["kill", "--regex", ".*"][..], "--regex: containers are named one by one"),
        (&["delete", "-r", ".*"], "--regex: containers are named one by one"),
        (&["--log", "journald:some", "list"], "is no file"),
        (&["--log-level", "loud", "list"], "--log-level"),
        (&["checkpoint", "--network-lock", "some", "x"], "--network-lock"),
        (&["state", "a", "b"], "takes exactly 1 operands, and got 2"),
    ] {
        let said = ours.run(words).failure(1);
        assert!(said.contains(why), "{words:?}: {said}");
    }
    assert_eq!(ours.run(&["nonsense"]).status, 3);
}

/// Verbs on a container `it` and the status that both give, in this order. `BUNDLE` is its bundle.
const STATUSES: &[(&[&str], i32)] = &[
    (&["state", "it"], 1),
    (&["kill", "it"], 1),
    (&["delete", "it"], 1),
    (&["delete", "--force", "it"], 0),
    (&["ps", "it"], 1),
    (&["exec", "it", "true"], 255),
    (&["nonsense"], 3),
    (&["list", "--nonsense"], 1),
    (&["state"], 1),
    (&["create", "--bundle", "BUNDLE", "it"], 0),
    (&["create", "--bundle", "BUNDLE", "it"], 1),
    (&["list", "--format", "yaml"], 1),
    (&["ps", "it"], 0),
    (&["ps", "--format", "json", "it"], 0),
    (&["exec", "it", "no-such-program"], 255),
    (&["pause", "it"], 0),
    (&["start", "it"], 1),
    (&["resume", "it"], 0),
    (&["resume", "it"], 1),
    (&["kill", "it", "0"], 0),
    (&["kill", "it", "NOSUCH"], 1),
    (&["kill", "it", "99"], 1),
    (&["start", "it"], 0),
    (&["start", "it"], 1),
    (&["kill", "it", "SIGWINCH"], 0),
    (&["kill", "it", "sigwinch"], 0),
    (&["kill", "it", "28"], 0),
    (&["kill", "--all", "it", "WINCH"], 0),
    (&["delete", "it"], 1),
    (&["pause", "it"], 0),
    (&["pause", "it"], 1),
    (&["exec", "it", "true"], 255),
    (&["delete", "it"], 1),
    (&["resume", "it"], 0),
    (&["events", "--stats", "it"], 0),
    (&["update", "it"], 0),
    (&["update", "--memory", "1x", "it"], 1),
    (&["update", "--resources", "/no/such/file", "it"], 1),
    (&["kill", "it", "KILL"], 0),
];

/// The same, when it has ended.
const ENDED: &[(&[&str], i32)] = &[
    (&["state", "it"], 0),
    (&["kill", "it"], 1),
    (&["ps", "it"], 0),
    (&["events", "--stats", "it"], 1),
    (&["exec", "it", "true"], 255),
    (&["start", "it"], 1),
    (&["pause", "it"], 1),
    (&["update", "--pids-limit", "9", "it"], 1),
    (&["delete", "it"], 0),
    (&["delete", "it"], 1),
];

#[test]
fn root_statuses_are_those_of_the_newest_runc() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::beside_newest() {
        let bundle =
            runtime.bundle("while :; do sleep 1000; done", |_| ()).to_string_lossy().into_owned();
        let id = format!("it-{}", std::process::id());
        let run = |table: &[(&[&str], i32)]| {
            for (number, (words, status)) in table.iter().enumerate() {
                let words: Vec<&str> = words
                    .iter()
                    .map(|word| match *word {
                        "it" => &*id,
                        "BUNDLE" => &*bundle,
                        word => word,
                    })
                    .collect();
                let said = runtime.run(&words);
                assert_eq!(said.status, *status, "{:?} {number} {words:?}: {said}", runtime.kind());
            }
        };
        let (before, last) = STATUSES.split_at(STATUSES.len() - 1);
        run(before);
        let pid = runtime.pid(&id);
        run(last);
        Runtime::ends(pid);
        run(ENDED);
    }
}

#[test]
fn root_events_and_state_have_the_shape_of_the_newest_runcs() {
    if !program::root() {
        return;
    }
    let shapes: Vec<([BTreeSet<String>; 3], Value)> = Runtime::beside_newest()
        .iter()
        .map(|runtime| {
            let bundle = runtime.bundle("sleep 1000", |config| {
                config["linux"]["resources"] =
                    json!({"memory": {"limit": 100_000_000}, "pids": {"limit": 9}});
                config["annotations"] = json!({"a": "b"});
            });
            let id = format!("shape-{}", std::process::id());
            assert_eq!(runtime.create(&id, &bundle).status, 0);
            runtime.must(&["start", &id]);
            let document =
                |words: &[&str]| -> Value { serde_json::from_str(&runtime.must(words)).unwrap() };
            let events = document(&["events", "--stats", &id]);
            let state = document(&["state", &id]);
            // It is the state that complies with it, and not the bundle.
            assert_eq!(state["ociVersion"], "1.3.0");
            let list = document(&["list", "--format", "json"]);
            runtime.must(&["delete", "--force", &id]);
            ([places(&events), places(&state), places(&list[0])], events)
        })
        .collect();
    let [(ours, counted), (theirs, peers)] = &shapes[..] else { return };
    for (ours, theirs) in ours.iter().zip(theirs) {
        let missing: Vec<&String> = theirs.difference(ours).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
    // What is no counter is the same number.
    for (key, value) in peers["data"]["cpuset"].as_object().unwrap() {
        assert_eq!(&counted["data"]["cpuset"][key], value, "{key}");
    }
    let each = |all: &Value, key: &str| all["data"]["cpu"]["usage"][key].as_array().map(Vec::len);
    for key in ["percpu", "percpu_kernel", "percpu_user"] {
        assert_eq!(each(counted, key), each(peers, key), "{key}");
    }
}

#[test]
fn root_a_process_is_given_away_over_a_socket() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::beside_newest() {
        let path = runtime.folder().join("pidfd");
        let socket = UnixListener::bind(&path).unwrap();
        let bundle =
            runtime.bundle("while :; do sleep 1000; done", |_| ()).to_string_lossy().into_owned();
        let (id, path) =
            (format!("given-{}", std::process::id()), path.to_string_lossy().into_owned());
        let words = ["create", "--bundle", &bundle, "--pidfd-socket", &path, &id];
        assert_eq!(runtime.run(&words).status, 0, "{:?}", runtime.kind());
        let pidfd = super::terminal::take(&socket);
        runtime.must(&["start", &id]);
        let pid = runtime.pid(&id);
        let info = |fd: &dyn std::os::fd::AsRawFd| {
            let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).unwrap();
            text.lines().find(|line| line.starts_with("Pid:")).unwrap().to_owned()
        };
        let number = rustix::process::Pid::from_raw(pid).unwrap();
        assert_eq!(info(&pidfd), info(&pidfd_open(number, PidfdFlags::empty()).unwrap()));
        let pid_file = runtime.folder().join("pid").to_string_lossy().into_owned();
        let options = ["exec", "--detach", "--pidfd-socket", &path, "--pid-file", &pid_file];
        runtime.must(&[&options[..], &[&id, "sleep", "1000"]].concat());
        let joined = super::terminal::take(&socket);
        let written = fs::read_to_string(&pid_file).unwrap();
        assert_eq!(info(&joined), format!("Pid:\t{written}"));
        pidfd_send_signal(&pidfd, Signal::KILL).unwrap();
        Runtime::ends(pid);
        runtime.must(&["delete", &id]);
    }
}
