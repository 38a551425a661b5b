//! One stage of a long run: a program, its time, and the tests it counted.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, WaitOptions};

use crate::leftover;

/// Tests that ran, added up from cargo's summary lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }

    /// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    fn from_summary(line: &str) -> Option<Self> {
        let fields = line.strip_prefix("test result: ")?.split_once(". ")?.1;
        let field = |word: &str| {
            let number = fields.split("; ").find_map(|f| f.strip_suffix(word))?;
            number.trim().parse().ok()
        };
        Some(Self {
            passed: field("passed")?,
            failed: field("failed")?,
            ignored: field("ignored")?,
        })
    }
}

/// What became of a stage.
struct Stage {
    name: String,
    took: Duration,
    passed: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
}

/// The stages of one run, in order.
#[derive(Default)]
pub(crate) struct Stages {
    stages: Vec<Stage>,
    counts: Counts,
}

impl Stages {
    /// Makes this process the parent of all that its programs lose.
    ///
    /// # Errors
    /// The kernel refuses, which it never does for a process's own pid.
    pub(crate) fn new() -> Result<Self> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .context("become the parent of orphans")?;
        Ok(Self::default())
    }

    /// Times `work`, which is not a program.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let result = work();
        let passed = if result.is_ok() { Verdict::Passed } else { Verdict::Failed };
        self.stages.push(Stage { name: name.into(), took: start.elapsed(), passed });
        result
    }

    /// Runs `command` to its end, passing its output on; says whether it ended with 0.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(crate) fn program(&mut self, name: &str, command: &mut Command) -> Result<bool> {
        eprintln!("== {name}");
        let start = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {:?}", command.get_program()))?;
        let output = child.stdout.take().context("stdout is a pipe")?;
        let reader = thread::spawn(move || pass_on(output));
        let passed = reap_until(&child)?;
        // A leftover may hold the pipe open: the reader ends only after it is gone.
        for leftover in leftover::end_all() {
            eprintln!("left running by {name}, ended: {leftover}");
        }
        self.counts.add(reader.join().unwrap_or_default());
        self.stages.push(Stage { name: name.into(), took: start.elapsed(), passed });
        Ok(passed == Verdict::Passed)
    }

    /// The tests that ran in all stages.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// No stage failed.
    pub(crate) fn all_passed(&self) -> bool {
        self.stages.iter().all(|stage| stage.passed == Verdict::Passed)
    }
}

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "where the time went:")?;
        for stage in &self.stages {
            let mark = if stage.passed == Verdict::Passed { "" } else { "  FAILED" };
            writeln!(f, "{:7.1} s  {}{mark}", stage.took.as_secs_f64(), stage.name)?;
        }
        Ok(())
    }
}

/// Waits for `child`, and reaps every orphan that ends meanwhile: containers look ended to the
/// tests only once somebody has reaped them.
fn reap_until(child: &std::process::Child) -> Result<Verdict> {
    let pid = Pid::from_child(child);
    loop {
        let ended = rustix::process::wait(WaitOptions::empty()).context("wait for a program")?;
        if let Some((ended, status)) = ended
            && ended == pid
        {
            let passed = status.exit_status() == Some(0);
            return Ok(if passed { Verdict::Passed } else { Verdict::Failed });
        }
    }
}

/// Copies lines to our stdout and counts the tests that they report.
fn pass_on(output: impl Read) -> Counts {
    let mut counts = Counts::default();
    let mut lines = BufReader::new(output);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
        let text = String::from_utf8_lossy(&line);
        print!("{text}");
        if let Some(summary) = Counts::from_summary(text.trim_end()) {
            counts.add(summary);
        }
        line.clear();
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_summaries() {
        let output = "running 3 tests\n\
            test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
            test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(pass_on(output.as_bytes()), Counts { passed: 3, failed: 2, ignored: 1 });
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(Counts::from_summary("test result: odd"), None);
        assert_eq!(Counts::from_summary("test a_test ... ok"), None);
    }
}
