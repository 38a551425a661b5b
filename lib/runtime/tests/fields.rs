//! Every field of runtime-spec 1.3.0's schema for Linux: it is refused by its JSON path, or
//! something of what will be done is another for it. None is dropped.

#![expect(clippy::disallowed_methods, reason = "the tests' own folders")]
#![expect(clippy::unwrap_used, reason = "a bundle that cannot be made fails the test")]

#[path = "common/decided.rs"]
mod decided;
#[path = "common/leaves.rs"]
mod leaves;
#[path = "common/table.rs"]
mod table;

use std::collections::BTreeSet;

use coffer_runtime::bundle::Bundle;
use coffer_runtime::cgroup::{Driver, Manager, OfBundle, Settings};
use coffer_runtime::plan::Authority;
use decided::{decide, folder};
use leaves::{changed, leaves, with};
use serde_json::{Value, json};
use table::fields;
use tempfile::TempDir;

/// All fields that the schema has for Linux, made from its files by following their references; an
/// array's elements are called 0, and the keys of a map `*`. Source: runtime-spec 1.3.0, schema/.
/// `process.commandLine` and `process.user.username` are for Windows, as the schema says.
const SCHEMA: &str = include_str!("schema-1.3.0.txt");

/// What shows only later, and the test that sees it: there, or in `tests/tests/oci_runtime`. What
/// makes no sense in it is refused at `create` already; see [`nonsense`].
const LATER: &[(&str, &str)] = &[
    ("/ociVersion", "life.rs"),
    ("/hooks/prestart/0/", "hooks.rs"),
    ("/hooks/createRuntime/0/", "hooks.rs"),
    ("/hooks/poststart/0/", "hooks.rs"),
    ("/hooks/poststop/0/", "hooks.rs"),
    ("/process/execCPUAffinity/", "exec.rs"),
];

/// What is kept behind a descriptor, whose number says nothing: `lib/runtime/tests/bundle.rs` sees
/// the owners of an id-mapped mount.
const HELD: [&str; 2] = ["/mounts/0/uidMappings/", "/mounts/0/gidMappings/"];

/// Values for [`LATER`] that are refused.
fn nonsense() -> Vec<(String, Value)> {
    let mut all = vec![
        ("/ociVersion".to_owned(), json!("2.0.0")),
        ("/process/execCPUAffinity/initial".to_owned(), json!("some")),
        ("/process/execCPUAffinity/final".to_owned(), json!("3-1")),
    ];
    for kind in ["prestart", "createRuntime", "poststart", "poststop"] {
        let field = |name: &str| format!("/hooks/{kind}/0/{name}");
        all.extend([
            (field("path"), json!("bin/true")),
            (field("args/0"), json!("a\u{0}b")),
            (field("env/0"), json!("A=\u{0}")),
            (field("timeout"), json!(0)),
        ]);
    }
    all
}

/// A bundle in which each of the fields makes a difference.
fn config() -> Value {
    json!({
        "ociVersion": "1.3.0",
        "process": {"user": {"uid": 0, "gid": 0}, "args": ["/bin/sh"], "cwd": "/"},
        "root": {"path": "rootfs"},
        "mounts": [{"destination": "/data", "type": "bind", "source": "data", "options": ["rbind"]}],
        "linux": {"namespaces": [
            {"type": "mount"}, {"type": "pid"}, {"type": "network"}, {"type": "uts"},
            {"type": "time"}, {"type": "ipc"},
        ]},
        // It is told the annotations.
        "hooks": {"startContainer": [{"path": "/bin/true"}]},
    })
}

/// A folder for bundles that are taken as far as all that would be done.
struct Bundles(TempDir);

impl Bundles {
    fn new() -> Self {
        Self(folder(b""))
    }

    /// All that would be done; the error's words where it is refused.
    fn decided(&self, config: &Value) -> Result<String, String> {
        let folder = self.0.path();
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
        let said = format!("{:?} in {}", decide(folder)?, groups(folder)?);
        Ok(plain(&said.replace(&*folder.to_string_lossy(), "FOLDER")))
    }
}

/// Where its control groups would be.
fn groups(folder: &std::path::Path) -> Result<String, String> {
    let said = |error: &dyn std::error::Error| error.to_string();
    let bundle = Bundle::open(folder).map_err(|error| said(&error))?;
    let linux = bundle.spec.linux.clone().unwrap_or_default();
    let resources = linux.resources.unwrap_or_default();
    let settings = Settings::of_bundle(&resources).map_err(|error| said(&error))?;
    let wanted = OfBundle {
        driver: &Driver::Cgroupfs,
        cgroups_path: &linux.cgroups_path,
        settings: &settings,
        annotations: &bundle.spec.annotations,
        id: "decided",
        authority: Authority::Root,
    };
    let manager = Manager::discover().map_err(|error| said(&error))?;
    // That this host has no controller for a setting is no matter of where groups are.
    Ok(manager
        .of_bundle(wanted)
        .map_or_else(|error| error.to_string(), |place| format!("{place:?}")))
}

/// Without the numbers of descriptors and the addresses, which are others each time.
fn plain(text: &str) -> String {
    let without = |text: &str, mark: &str, radix| {
        let mut parts = text.split(mark);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + part.trim_start_matches(|c: char| c.is_digit(radix)))
    };
    without(&without(text, "fd: ", 10), "0x", 16)
}

/// The JSON path of a pointer, as errors give it.
fn path(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace("/0", "[0]").replace('/', ".")
}

#[test]
fn root_every_field_is_refused_by_its_path_or_changes_what_is_done() {
    if !coffer_tests::program::root() {
        return;
    }
    let bundles = Bundles::new();
    let base = bundles.decided(&config()).unwrap();
    assert_eq!(bundles.decided(&config()).as_ref(), Ok(&base), "it is the same twice");
    let mut silent = Vec::new();
    for (pointer, value) in fields() {
        match bundles.decided(&with(config(), pointer, value.clone())) {
            Ok(other) if other == base => silent.push(format!("{pointer} {value}: dropped")),
            Ok(_) => {}
            Err(words) if words.contains(&path(pointer)) => {}
            Err(words) => silent.push(format!("{pointer} {value}: {words}")),
        }
    }
    assert_eq!(silent, [""; 0]);
}

/// Where several fields stand in one row, each of them counts.
#[test]
fn root_every_part_of_a_value_counts() {
    if !coffer_tests::program::root() {
        return;
    }
    let (bundles, mut silent) = (Bundles::new(), Vec::new());
    for (pointer, value) in fields() {
        let whole = with(config(), pointer, value.clone());
        // What is refused is refused as a whole.
        let Ok(before) = bundles.decided(&whole) else { continue };
        for leaf in leaves(&value) {
            let at = format!("{pointer}{leaf}");
            let held = HELD.iter().any(|start| at.starts_with(start));
            if !held && bundles.decided(&changed(&whole, &at)).as_ref() == Ok(&before) {
                silent.push(format!("{at} of {value}"));
            }
        }
    }
    assert_eq!(silent, [""; 0]);
}

#[test]
fn every_field_of_the_schema_is_looked_at() {
    let rows = fields();
    let tried = |(pointer, value): &(&'static str, Value)| {
        leaves(value).into_iter().map(|leaf| format!("{pointer}{leaf}")).collect::<Vec<_>>()
    };
    let tried: BTreeSet<String> = rows.iter().flat_map(tried).collect();
    let later = |field: &str| LATER.iter().any(|(start, _)| field.starts_with(start));
    let missing: Vec<&str> = SCHEMA
        .lines()
        .filter(|field| !later(field) && !tried.iter().any(|tried| leaves::is(field, tried)))
        .collect();
    assert_eq!(missing, [""; 0]);
    let idle: Vec<_> =
        LATER.iter().filter(|(start, _)| !SCHEMA.lines().any(|f| f.starts_with(start))).collect();
    assert!(idle.is_empty(), "{idle:?}");
}

#[test]
fn root_what_shows_later_is_refused_at_create_where_it_makes_no_sense() {
    if !coffer_tests::program::root() {
        return;
    }
    let hook = json!([{"path": "/bin/true", "args": ["true"], "env": ["A=B"], "timeout": 3}]);
    let mut base = config();
    for kind in ["prestart", "createRuntime", "poststart", "poststop"] {
        base = with(base, &format!("/hooks/{kind}"), hook.clone());
    }
    base = with(base, "/process/execCPUAffinity", json!({"initial": "0", "final": "0"}));
    let bundles = Bundles::new();
    bundles.decided(&base).unwrap();
    for (pointer, value) in nonsense() {
        let words = bundles.decided(&with(base.clone(), &pointer, value)).unwrap_err();
        let at =
            path(pointer.trim_end_matches("/0").trim_end_matches("/args").trim_end_matches("/env"));
        assert!(words.contains(&at), "{pointer}: {words}");
    }
}

#[test]
fn root_what_the_specification_does_not_know_is_passed_over() {
    if !coffer_tests::program::root() {
        return;
    }
    let bundles = Bundles::new();
    let base = bundles.decided(&config());
    // runtime-spec config.md, "Extensibility", and the objects of other platforms.
    for pointer in ["/windows", "/solaris", "/vm", "/zos", "/freebsd", "/linux/unknown"] {
        assert!(bundles.decided(&with(config(), pointer, json!({"some": 1}))) == base, "{pointer}");
    }
}
