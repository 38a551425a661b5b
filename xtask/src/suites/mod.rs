//! `cargo xtask suites runc`: runc's own integration suite, with `coffer-oci` in runc's place.
//!
//! Its source, fetched through Go's module proxy, is copied and not changed. A test that fails
//! must stand in `runc.txt` with its reason, and one that stands there must fail; where runc itself
//! fails too, it is the machine that cannot.

mod expected;
mod source;
mod tap;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::package::{self, FOR_SUITES};
use crate::{peers, room, shipped};
use expected::Expected;
use tap::{Counts, Test};

/// What stands around a run: see there.
const ROOM: &str = include_str!("room.sh");

/// Files of the suite that are not run, each with its reason.
const LEFT_OUT: [(&str, &str); 1] =
    [("checkpoint", "its tests hang in CRIU's dump here, with runc too")];

/// Runs the suite against the shipped coffer, or another runtime.
///
/// # Errors
/// What it needs cannot be had; see [`run_for_tests`] for who would rather go on.
pub(crate) fn run(words: &[&str]) -> Result<ExitCode> {
    room::enter()?;
    let runtime = match words {
        ["runc"] => {
            shipped::build()?;
            None
        }
        ["runc", runtime] => Some(PathBuf::from(runtime)),
        _ => bail!("usage: cargo xtask suites runc [RUNTIME]"),
    };
    Ok(if suite(runtime)? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs it as a part of all tests: a machine without Go, or that reaches no proxy, goes without.
///
/// # Errors
/// A test failed that should not, or passed that should not.
pub(crate) fn run_for_tests() -> Result<()> {
    let ready = package::ensure(FOR_SUITES).and_then(|()| source::ready());
    if let Err(error) = ready {
        eprintln!("skipped: runc's suite: {error:#}");
        return Ok(());
    }
    if suite(None)? { Ok(()) } else { bail!("runc's suite has other failures than expected") }
}

/// Whether everything is as expected.
fn suite(runtime: Option<PathBuf>) -> Result<bool> {
    if !rustix::process::geteuid().is_root() {
        bail!("runc's suite makes control groups and namespaces: run it as root");
    }
    package::ensure(FOR_SUITES)?;
    let suite = source::ready()?;
    let expected = Expected::read()?;
    let start = Instant::now();
    let ours = match runtime {
        Some(runtime) => std::path::absolute(runtime)?,
        None => as_runtime(&suite)?,
    };
    let files: Vec<String> = source::files(&suite)?
        .into_iter()
        .filter(|file| LEFT_OUT.iter().all(|(left_out, _)| left_out != file))
        .collect();
    let mut results = run_files(&suite, &ours, "ours", ".", &files)?;
    // Some of its tests wait for a moment and no event: what fails is run once more, alone.
    let again = run_failed(&suite, &expected, &results, (&ours, "again"))?;
    for (name, test) in again.into_iter().filter(|(_, test)| *test == Test::Passed) {
        println!("passed at the second run: {name}");
        results.insert(name, test);
    }
    let beside = beside(&suite, &expected, &results)?;
    let mut good = true;
    let mut counts = Counts::default();
    for (name, test) in &results {
        counts.add(*test);
        let known = expected.reason(name);
        match (test, known, beside.get(name)) {
            (Test::Failed, None, Some(Test::Failed)) => {
                println!("not here, with runc neither: {name}");
            }
            (Test::Failed, None, _) => {
                good = false;
                println!("FAILED: {name}");
            }
            (Test::Passed, Some(_), _) => {
                good = false;
                println!("passes now, and stands in runc.txt: {name}");
            }
            _ => {}
        }
    }
    for name in expected.names().filter(|name| !results.contains_key(*name)) {
        good = false;
        println!("stands in runc.txt, and there is no such test: {name}");
    }
    for (file, reason) in LEFT_OUT {
        println!("left out: {file}: {reason}");
    }
    println!(
        "runc's suite: {counts}, {} of the failures expected, {:.0} s",
        expected.names().count(),
        start.elapsed().as_secs_f64()
    );
    Ok(good)
}

/// What runc itself makes of the tests that failed and should not have.
fn beside(
    suite: &Path,
    expected: &Expected,
    results: &BTreeMap<String, Test>,
) -> Result<BTreeMap<String, Test>> {
    run_failed(suite, expected, results, (&suite.join(source::PEER), "runc"))
}

/// The same tests, alone, by `runtime`.
fn run_failed(
    suite: &Path,
    expected: &Expected,
    results: &BTreeMap<String, Test>,
    (runtime, whose): (&Path, &str),
) -> Result<BTreeMap<String, Test>> {
    let failed = results
        .iter()
        .filter(|(name, test)| **test == Test::Failed && expected.reason(name).is_none());
    let mut by_file: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, _) in failed {
        if let Some((file, test)) = name.split_once(": ") {
            by_file.entry(file.to_owned()).or_default().push(test.to_owned());
        }
    }
    let mut all = BTreeMap::new();
    for (file, tests) in by_file {
        let names: Vec<String> = tests.iter().map(|test| tap::pattern(test)).collect();
        let filter = format!("^({})$", names.join("|"));
        all.extend(run_files(suite, runtime, whose, &filter, &[file])?);
    }
    Ok(all)
}

/// The shipped coffer under the runtime's name.
fn as_runtime(suite: &Path) -> Result<PathBuf> {
    let link = suite.join("coffer-oci");
    if link.symlink_metadata().is_ok() {
        std::fs::remove_file(&link)?;
    }
    std::os::unix::fs::symlink(shipped::coffer(), &link).context("link the runtime")?;
    Ok(link)
}

/// Runs files of the suite; gives their tests as `FILE: NAME`.
fn run_files(
    suite: &Path,
    runtime: &Path,
    whose: &str,
    filter: &str,
    files: &[String],
) -> Result<BTreeMap<String, Test>> {
    let results = suite.join("results").join(whose);
    let script = suite.join("room.sh");
    std::fs::write(&script, ROOM)?;
    let mut bash = Command::new("bash");
    bash.arg(&script).arg(suite).arg(runtime).arg(&results).arg(filter).args(files);
    bash.env("TMPDIR", room::temporary()).env("COFFER_SUITE_BIN", peers::folder());
    if !bash.status().context("start bash")?.success() {
        bail!("the room for runc's suite could not be made");
    }
    let mut tests = BTreeMap::new();
    for file in files {
        let path = results.join(format!("{file}.tap"));
        let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let text = String::from_utf8_lossy(&text);
        let read = tap::read(&text);
        if read.len() != tap::planned(&text) {
            println!("{file}: {} of {} tests ended in time", read.len(), tap::planned(&text));
            tests.insert(format!("{file}: all of its tests end"), Test::Failed);
        }
        tests.extend(read.into_iter().map(|(name, test)| (format!("{file}: {name}"), test)));
    }
    Ok(tests)
}
