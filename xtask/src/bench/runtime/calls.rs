//! How many system calls each verb takes, by strace's count, the container's own included.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Bundles, Runtime};
use crate::bench::measure::sample;
use crate::bench::peer;

/// `create` is `run` without the rest: strace would wait for the container that it leaves.
const VERBS: [&str; 5] = ["run", "start", "state", "exec", "delete"];

/// Prints the counts.
///
/// # Errors
/// strace or a runtime fails.
pub(super) fn compare(runtimes: &[Runtime], bundles: &Bundles, folder: &Path) -> Result<()> {
    println!("\nsystem calls, with those of /bin/true itself");
    println!("{:<34}{}", "", VERBS.map(|verb| format!(" {verb:>8}")).concat());
    for runtime in runtimes {
        let count = |command: Command| count(&command, &folder.join("calls"));
        let ran = count(runtime.run(&bundles.ends, "counted"))?;
        let mut create = runtime.command(&["create", "--bundle"]);
        create.arg(&bundles.sleeps).arg("counted");
        sample(create)?;
        let started = count(runtime.command(&["start", "counted"]))?;
        let state = count(runtime.command(&["state", "counted"]))?;
        let executed = count(runtime.command(&["exec", "counted", "/bin/true"]))?;
        let deleted = count(runtime.command(&["delete", "--force", "counted"]))?;
        let counts = [ran, started, state, executed, deleted];
        println!("{:<34}{}", runtime.name, counts.map(|count| format!(" {count:>8}")).concat());
    }
    Ok(())
}

fn count(command: &Command, file: &Path) -> Result<u64> {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-o"]).arg(file).arg(command.get_program()).args(command.get_args());
    peer::prepare(&mut strace)?;
    total(&fs::read_to_string(file)?).context("no total in what strace wrote")
}

/// The number of calls in the last line of `strace -c`. Source: man 1 strace, "-c".
fn total(summary: &str) -> Option<u64> {
    let line = summary.lines().rev().find(|line| line.ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_the_fourth_column() {
        let text = "100.00    0.001907           2       850        47 total\n";
        assert_eq!(total(text), Some(850));
        assert_eq!(total("nothing"), None);
    }
}
