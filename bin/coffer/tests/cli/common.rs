//! Runs the built command with nothing of the caller's environment.

use std::path::Path;
use std::process::{Command, Output};

/// A finished run, as a person sees it.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit status.
    pub(crate) code: i32,
    /// What it wrote to stdout.
    pub(crate) stdout: String,
    /// What it wrote to stderr.
    pub(crate) stderr: String,
}

/// The command itself, with an empty environment but for a home that is not there.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coffer"));
    command.env_clear().env("HOME", "/nonexistent");
    command
}

/// Runs `coffer` with the words of `line`.
pub(crate) fn coffer(line: &str) -> Ran {
    finish(command().args(line.split_whitespace()).output().unwrap())
}

/// Runs `coffer` on the store below `root`.
pub(crate) fn coffer_at(root: &Path, args: &[&str]) -> Ran {
    finish(command().arg("--root").arg(root).args(args).output().unwrap())
}

/// What came of a process.
pub(crate) fn finish(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Checks that a run went well, and gives its stdout.
#[track_caller]
pub(crate) fn good(ran: Ran) -> String {
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    ran.stdout
}
