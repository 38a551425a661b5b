//! The options before the verb: what each changes.

use std::fs;

use coffer_tests::oci::Runtime;
use coffer_tests::program;

#[test]
fn rootless_is_true_false_or_auto() {
    let runtime = Runtime::ours();
    for good in ["true", "false", "auto", "1"] {
        runtime.must(&["--rootless", good, "features"]);
    }
    assert_eq!(runtime.run(&["--rootless", "maybe", "features"]).status, 1);
}

#[test]
fn root_debug_tells_the_log_of_each_step() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let bundle = runtime.bundle("sleep 1000", |_| ());
    let (bundle, log) = (bundle.to_string_lossy(), runtime.folder().join("log"));
    let told = log.to_string_lossy();
    let id = format!("debug-{}", std::process::id());
    runtime.must(&["--log", &told, "create", "--bundle", &bundle, &id]);
    assert!(!log.exists(), "nothing is told that was not asked for");
    runtime.must(&["delete", "--force", &id]);
    let words = ["--debug", "--log", &told, "--log-format", "json"];
    runtime.must(&[&words[..], &["create", "--bundle", &bundle, &id]].concat());
    let pid = runtime.pid(&id);
    let lines = fs::read_to_string(&log).unwrap();
    let gate = format!("{id} waits at its gate as process {pid}");
    let told = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let told: Vec<_> = told.filter(|line| line["level"] == "debug").collect();
    assert!(told.iter().any(|line| line["msg"] == gate.as_str()), "{lines}");
    assert!(lines.contains("ends with status 0"), "{lines}");
}

#[test]
fn root_rootless_makes_no_group_that_nothing_asks_for() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let bundle = runtime.bundle("sleep 1000", |config| {
        config["linux"]["resources"] = serde_json::json!({"pids": {"limit": 77}});
    });
    let id = format!("rootless-{}", std::process::id());
    let bundle = bundle.to_string_lossy();
    // On v1 a user has no groups, so that a limit cannot be held; on v2 root may write to them.
    let v2 = fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap();
    let made = runtime.run(&["--rootless=true", "create", "--bundle", &bundle, &id]);
    assert_eq!(made.status == 0, v2, "{made}");
    runtime.run(&["delete", "--force", &id]);
    assert_eq!(runtime.run(&["--rootless=false", "create", "--bundle", &bundle, &id]).status, 0);
    assert_eq!(runtime.leftovers(), [""; 0]);
}

#[test]
fn a_link_to_the_runtime_is_the_runtime_and_one_to_coffer_is_coffer() {
    let runtime = Runtime::ours();
    let folder = runtime.folder();
    // As alternatives are: a link in /usr/bin, one in /etc, the runtime, the binary.
    for (link, target) in [
        ("runc", "alternatives-runc"),
        ("alternatives-runc", "coffer-oci"),
        ("coffer", "coffer-oci"),
        ("other", "coffer"),
    ] {
        std::os::unix::fs::symlink(target, folder.join(link)).unwrap();
    }
    let features =
        |name| program::run(std::process::Command::new(folder.join(name)).arg("features"));
    for name in ["runc", "alternatives-runc", "coffer-oci"] {
        assert!(features(name).success().contains("ociVersionMax"), "{name}");
    }
    for name in ["coffer", "other"] {
        let said = features(name);
        assert!(said.status == 125 && said.stderr.contains("no verb \"features\""), "{said}");
    }
}
