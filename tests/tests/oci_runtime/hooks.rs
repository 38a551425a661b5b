//! Hooks on both sides: their order, what they read, and what their failures do.

use std::fs;
use std::path::Path;

use coffer_tests::oci::{Kind, Runtime};
use coffer_tests::program;
use serde_json::{Value, json};

const KINDS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// A hook that says its kind and the state's status, and then does `more`. It runs on the host,
/// or, as `startContainer`, with what busybox gives it.
fn hook(kind: &str, log: &Path, more: &str) -> Value {
    let shell = if kind == "startContainer" { "/bin/busybox" } else { "/bin/sh" };
    let log = if kind == "startContainer" { Path::new("/log") } else { log };
    let script = format!(
        "read -r state; case $state in *'\"pid\":'*) p=pid;; esac; \
         echo {kind} ${{p:-none}} >> {}; {more}",
        log.display()
    );
    let mut args = vec!["sh", "-c"];
    args.push(&script);
    json!({"path": shell, "args": args, "env": ["PATH=/bin:/usr/bin"]})
}

/// A bundle with a hook of every kind; the one that is named does `more`.
fn bundle(runtime: &Runtime, which: &str, more: &str) -> (String, std::path::PathBuf) {
    let log = runtime.folder().join("log");
    fs::write(&log, "").unwrap();
    let bundle = runtime.bundle("sleep 1000", |config| {
        let mount = json!({"destination": "/log", "type": "bind", "source": log,
            "options": ["bind", "rw"]});
        config["root"]["readonly"] = json!(false);
        config["mounts"].as_array_mut().unwrap().push(mount);
        for kind in KINDS {
            let more = if kind == which { more } else { "" };
            config["hooks"][kind] = json!([hook(kind, &log, more)]);
        }
    });
    (bundle.to_string_lossy().into_owned(), log)
}

fn kinds(log: &Path) -> Vec<String> {
    let text = fs::read_to_string(log).unwrap();
    text.lines().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn root_hooks_run_in_their_order() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        let id = format!("hooks-{}", std::process::id());
        let (bundle, log) = bundle(&runtime, "", "");
        runtime.must(&["create", "-b", &bundle, &id]);
        assert_eq!(kinds(&log)[..3], KINDS[..3], "{:?}", runtime.kind());
        let created = kinds(&log).len();
        runtime.must(&["start", &id]);
        let started = kinds(&log);
        runtime.must(&["delete", "--force", &id]);
        // runc 1.1 runs poststart at the creation already.
        if runtime.kind() == Kind::Ours {
            assert_eq!(
                (created, &started[..], &kinds(&log)[..]),
                (3, &KINDS.map(str::to_owned)[..5], &KINDS.map(str::to_owned)[..])
            );
        }
        assert!(fs::read_to_string(&log).unwrap().contains("createRuntime pid"));
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_a_hook_of_the_creation_that_fails_undoes_it() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        for kind in &KINDS[..3] {
            let id = format!("fails-{}", std::process::id());
            let (bundle, log) = bundle(&runtime, kind, "exit 3");
            let outcome = runtime.run(&["create", "-b", &bundle, &id]);
            assert_eq!(outcome.status, 1, "{kind}: {outcome}");
            assert!(kinds(&log).iter().any(|ran| ran == kind), "{kind}");
            assert_eq!(runtime.status(&id), "none", "{kind}");
        }
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_a_hook_of_the_start_that_fails_stops_it() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let (bundle, log) = bundle(&runtime, "startContainer", "exit 3");
    runtime.must(&["create", "-b", &bundle, "fails"]);
    let pid = runtime.pid("fails");
    let outcome = runtime.run(&["start", "fails"]);
    assert_eq!(outcome.status, 1, "{outcome}");
    Runtime::ends(pid);
    assert_eq!(runtime.status("fails"), "stopped");
    assert_eq!(kinds(&log), KINDS[..4]);
    assert_eq!(runtime.leftovers(), [""; 0]);
}

#[test]
fn root_later_hooks_that_fail_are_only_logged() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    for kind in ["poststart", "poststop"] {
        let (bundle, log) = bundle(&runtime, kind, "exit 3");
        runtime.must(&["create", "-b", &bundle, "later"]);
        let started = runtime.run(&["start", "later"]);
        let deleted = runtime.run(&["delete", "--force", "later"]);
        assert_eq!((started.status, deleted.status), (0, 0));
        let said = started.stderr + &deleted.stderr;
        assert!(said.contains(&format!("{kind} hook #0")), "{said}");
        assert_eq!(kinds(&log), KINDS);
    }
}

#[test]
fn root_a_hook_that_takes_too_long_is_ended() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        let id = format!("slow-{}", std::process::id());
        let bundle = runtime.bundle("true", |config| {
            let hook = json!({"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1});
            config["hooks"]["createRuntime"] = json!([hook]);
        });
        assert_eq!(runtime.create(&id, &bundle).status, 1);
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}
