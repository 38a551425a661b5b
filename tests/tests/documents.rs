//! SPECIFICATION.md and SECURITY.md name the tests that hold what they promise: each is there.

#![expect(clippy::disallowed_methods, reason = "reads the source tree")]
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A test that a document names: a file or folder, and maybe a function in it.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    path: PathBuf,
    function: Option<String>,
}

/// The tests in one cell, as people write them there: `path: function`, then `function`s of the
/// same file and `file.rs`s of the same folder, with braces for several; `folder` is where names
/// without a folder lie before any path was given.
fn tests(cell: &str, folder: &str) -> Vec<Named> {
    let mut found: Vec<Named> = Vec::new();
    let mut before = "";
    for (at, part) in cell.split('`').enumerate() {
        if at % 2 == 0 {
            before = part;
            continue;
        }
        let (path, function) = match part.split_once(": ") {
            Some((path, function)) => (path, Some(function.to_owned())),
            None => (part, None),
        };
        let last = found.last().map(|named| named.path.clone());
        if before.ends_with("fuzz target ") {
            let path = Path::new("fuzz/fuzz_targets").join(format!("{part}.rs"));
            found.push(Named { path, function: None });
        } else if path.contains('/') {
            found.extend(expanded(path).map(|path| Named { path, function: function.clone() }));
        } else if path.ends_with(".rs") {
            let folder = last.as_deref().and_then(Path::parent).unwrap_or(Path::new(folder));
            found.push(Named { path: folder.join(path), function });
        } else if let Some(path) = last {
            found.push(Named { path, function: Some(part.to_owned()) });
        }
    }
    found
}

/// `a/{b,c}.rs` in full.
fn expanded(path: &str) -> impl Iterator<Item = PathBuf> {
    let (start, rest) = path.split_once('{').unwrap_or((path, "}"));
    let (words, end) = rest.split_once('}').unwrap();
    words
        .split(',')
        .map(|word| PathBuf::from(format!("{start}{word}{end}")))
        .collect::<Vec<_>>()
        .into_iter()
}

/// The last cell of each row of the tables whose last heading is `heading`, with the row.
fn cells<'a>(text: &'a str, heading: &str) -> Vec<(&'a str, &'a str)> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        let last = line.trim_end_matches('|').rsplit('|').next().unwrap_or("").trim();
        match line.starts_with('|') {
            false => inside = false,
            true if last == heading => inside = true,
            true if inside && !last.starts_with("---") => found.push((line, last)),
            true => {}
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The source of a file; of a folder that of all files in it.
fn source(path: &Path) -> Option<String> {
    if path.is_file() {
        return fs::read_to_string(path).ok();
    }
    let entries = fs::read_dir(path).ok()?;
    Some(entries.filter_map(|entry| source(&entry.ok()?.path())).collect())
}

/// What is wrong with a test that is named, if anything is. Documents may leave out how names
/// begin, such as `root_`.
fn fault(named: &Named) -> Option<String> {
    let path = root().join(&named.path);
    // A module's tests may lie in files beside it, in a folder of its name.
    let beside = source(&path.with_extension(""));
    let Some(text) = source(&path) else { return Some(format!("{named:?}: no such file")) };
    let text = text + &beside.unwrap_or_default();
    let is_there = match &named.function {
        Some(function) => text.lines().any(|line| {
            let name =
                line.trim_start().strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            name.is_some_and(|name| name == function || name.ends_with(&format!("_{function}")))
        }),
        None => ["#[test]", "fuzz_target!", "fn main()"].iter().any(|mark| text.contains(mark)),
    };
    (!is_there).then(|| format!("{named:?}: no such test"))
}

#[test]
fn each_promise_names_tests_that_are_there() {
    let text = fs::read_to_string(root().join("SPECIFICATION.md")).unwrap();
    let mut faults = BTreeSet::new();
    let rows = cells(&text, "held by");
    assert!(rows.len() > 60, "the tables were not found");
    for (row, cell) in rows {
        let named = tests(cell, "");
        let is_held = !named.is_empty() || cell.contains("the same") || cell.contains("*unproven*");
        faults.extend((!is_held).then(|| format!("no test: {row}")));
        faults.extend(named.iter().filter_map(fault));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn each_break_out_names_a_test_that_is_there() {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let mut faults = BTreeSet::new();
    let rows = cells(&text, "test");
    assert!(rows.len() > 15, "the tables were not found");
    for (row, cell) in rows {
        let named = tests(cell, "tests/tests/hostile_bundles");
        let has_function = named.iter().any(|named| named.function.is_some());
        faults.extend((!has_function).then(|| format!("no test: {row}")));
        faults.extend(named.iter().filter_map(fault));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn names_are_read_as_people_write_them() {
    let named = |path: &str, function: Option<&str>| Named {
        path: path.into(),
        function: function.map(str::to_owned),
    };
    let cell = "`a/b.rs: one`, `two`, fuzz target `x`";
    let expected = [
        named("a/b.rs", Some("one")),
        named("a/b.rs", Some("two")),
        named("fuzz/fuzz_targets/x.rs", None),
    ];
    assert_eq!(tests(cell, ""), expected);
    assert_eq!(
        tests("`a/{b,c}.rs`, `d.rs`", ""),
        [named("a/b.rs", None), named("a/c.rs", None), named("a/d.rs", None)]
    );
    assert_eq!(tests("`m.rs: f`", "a"), [named("a/m.rs", Some("f"))]);
    let gone = fault(&named("tests/tests/documents.rs", Some("nobody_has_written_this")));
    assert!(gone.is_some_and(|text| text.contains("no such test")));
    assert!(fault(&named("tests/tests/nowhere.rs", None)).is_some());
}
