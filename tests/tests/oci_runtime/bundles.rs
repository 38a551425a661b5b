//! Bundles that make no sense: an error, and nothing is left.

use coffer_tests::oci::Runtime;
use coffer_tests::program;
use serde_json::{Value, json};

/// What is wrong, where it is put, and the value.
const WRONG: &[(&str, &str)] = &[
    ("/process/args", "[]"),
    ("/process/args", "[\"no-such-program\"]"),
    ("/process/cwd", "\"relative\""),
    ("/process/user/uid", "\"root\""),
    ("/root/path", "\"no-such-folder\""),
    ("/mounts/0/type", "\"no-such-type\""),
    ("/linux/namespaces/0/type", "\"no-such-namespace\""),
    ("/linux/namespaces/1/path", "\"/no/such/namespace\""),
    ("/linux/sysctl", "{\"kernel.no_such\": \"1\"}"),
    ("/process/rlimits", "[{\"type\": \"RLIMIT_NOSUCH\", \"hard\": 1, \"soft\": 1}]"),
    ("/linux/seccomp", "{\"defaultAction\": \"SCMP_ACT_NOSUCH\"}"),
    ("/mounts", "{}"),
];

fn put(config: &mut Value, place: &str, value: &str) {
    let value: Value = serde_json::from_str(value).unwrap();
    let (parent, name) = place.rsplit_once('/').unwrap();
    match config.pointer_mut(parent).unwrap() {
        Value::Object(map) => drop(map.insert(name.to_owned(), value)),
        other => other[name.parse::<usize>().unwrap()] = value,
    }
}

#[test]
fn root_what_makes_no_sense_is_refused_and_leaves_nothing() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        for (number, (place, value)) in WRONG.iter().enumerate() {
            let id = format!("wrong-{}-{number}", std::process::id());
            let bundle = runtime.bundle("true", |config| put(config, place, value));
            let outcome = runtime.create(&id, &bundle);
            assert_eq!(outcome.status, 1, "{place} {value}: {outcome}");
            assert_eq!(runtime.status(&id), "none", "{place} {value}");
        }
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_a_control_group_in_use_is_refused_and_who_is_in_it_lives() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let bundle = runtime.bundle("exec sleep 1000", |_| {});
    runtime.must(&["run", "--detach", "--bundle", &bundle.to_string_lossy(), "first"]);
    let outcome = runtime.create("second", &bundle);
    assert!(outcome.stderr.contains("has processes in it"), "{outcome}");
    assert_eq!((outcome.status, &*runtime.status("second")), (1, "none"));
    assert_eq!(runtime.status("first"), "running");
    assert_eq!(runtime.leftovers(), [""; 0]);
}

#[test]
fn root_what_is_no_configuration_is_refused() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        for config in ["", "null", "[]", "{", "\u{0}", "{\"ociVersion\": \"1.0.0\"}"] {
            let bundle = runtime.bundle_of(config);
            let outcome = runtime.create("none", &bundle);
            // runc 1.1 crashes with 2 on some of them.
            assert!([1, 2].contains(&outcome.status), "{config:?}: {outcome}");
        }
        let folder = runtime.folder().join("empty");
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(runtime.create("none", &folder).status, 1);
        assert_eq!(runtime.create("none", &folder.join("missing")).status, 1);
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_an_error_names_the_json_path() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    for (place, value, path) in [
        ("/process/user/uid", json!("root"), "process.user.uid"),
        ("/mounts/1/options", json!([3]), "mounts[1].options[0]"),
        ("/linux/namespaces/0/type", json!("moon"), "linux.namespaces[0].type"),
    ] {
        let bundle = runtime.bundle("true", |config| put(config, place, &value.to_string()));
        let said = runtime.create("wrong", &bundle).failure(1);
        assert!(said.contains(path), "{path}: {said}");
    }
}

#[test]
fn root_a_class_of_service_is_refused_where_the_host_has_none() {
    if !program::root() {
        return;
    }
    if std::path::Path::new("/sys/fs/resctrl/schemata").exists() {
        eprintln!("skipped: this host has resctrl");
        return;
    }
    let runtime = Runtime::ours();
    let class = json!({"closID": "gold"}).to_string();
    let bundle = runtime.bundle("true", |config| put(config, "/linux/intelRdt", &class));
    let said = runtime.create("classed", &bundle).failure(1);
    assert!(said.contains("linux.intelRdt: no resctrl is mounted at /sys/fs/resctrl"), "{said}");
    let bundle = runtime.bundle("sleep 1000", |_| ());
    runtime.must(&["run", "--detach", "--bundle", &bundle.to_string_lossy(), "plain"]);
    for option in ["--l3-cache-schema=L3:0=f", "--mem-bw-schema=MB:0=20"] {
        let said = runtime.run(&["update", option, "plain"]).failure(1);
        assert!(said.contains("has no linux.intelRdt"), "{said}");
    }
    assert_eq!(runtime.leftovers(), [""; 0]);
}

#[test]
fn root_the_same_specification_as_runcs_own_runs() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let bundle = runtime.bundle("true", |_| ());
    std::fs::remove_file(bundle.join("config.json")).unwrap();
    let path = bundle.to_string_lossy();
    runtime.must(&["spec", "--bundle", &path]);
    assert_eq!(runtime.run(&["spec", "--bundle", &path]).status, 1);
    runtime.must(&["spec", "--bundle", &path, "--file", "other.json"]);
    let other = std::fs::read(bundle.join("other.json")).unwrap();
    assert_eq!(other, std::fs::read(bundle.join("config.json")).unwrap());
    let config = std::fs::read(bundle.join("config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&config).unwrap();
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["true"]);
    std::fs::write(bundle.join("config.json"), config.to_string()).unwrap();
    runtime.must(&["run", "-b", &path, "made"]);
    assert_eq!(runtime.leftovers(), [""; 0]);
}
