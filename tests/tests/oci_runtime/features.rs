//! `features`, beside what runc says of itself.

use std::process::Command;

use coffer_tests::image::cargo_target;
use coffer_tests::oci::Runtime;
use serde_json::Value;

/// Lists that a peer has and ours must have whole.
const LISTS: [&str; 6] = [
    "/hooks",
    "/linux/namespaces",
    "/linux/seccomp/actions",
    "/linux/seccomp/operators",
    "/linux/memoryPolicy/modes",
    "/linux/memoryPolicy/flags",
];

fn ours() -> Value {
    serde_json::from_str(&Runtime::ours().must(&["features"])).unwrap()
}

#[test]
fn features_have_the_shape_of_runcs() {
    let ours = ours();
    assert!(
        ours["linux"]["seccomp"]["actions"].as_array().unwrap().contains(&"SCMP_ACT_NOTIFY".into())
    );
    // runc's newest release; an older one has other fields.
    let newest = cargo_target().join("peers/bin/runc");
    if !newest.exists() {
        eprintln!("skipped: there is no newest runc (cargo xtask peers)");
        return;
    }
    let said = Command::new(newest).arg("features").output().unwrap();
    let theirs: Value = serde_json::from_slice(&said.stdout).unwrap();
    for (key, value) in theirs["linux"].as_object().unwrap() {
        let mine = &ours["linux"][key];
        assert_eq!(std::mem::discriminant(mine), std::mem::discriminant(value), "{key}: {mine}");
    }
    for list in LISTS {
        assert_eq!(names(&ours, list), names(&theirs, list), "{list}");
    }
}

fn names(features: &Value, list: &str) -> Vec<String> {
    let list = features.pointer(list).and_then(Value::as_array).unwrap();
    let mut names: Vec<String> =
        list.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect();
    names.sort_unstable();
    names
}
