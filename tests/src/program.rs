//! Programs that the tests run, and what came of them.

use std::ffi::OsStr;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a program that ended has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its exit status; 128 and the signal's number if one ended it, as a shell says.
    pub status: i32,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl Outcome {
    /// The standard output of a program that must have succeeded.
    ///
    /// # Panics
    /// It did not: the message shows all that it said.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(self.status, 0, "{self}");
        self.stdout
    }

    /// The standard error of a program that must have ended with `status`.
    ///
    /// # Panics
    /// It ended otherwise.
    #[track_caller]
    pub fn failure(self, status: i32) -> String {
        assert_eq!(self.status, status, "{self}");
        self.stderr
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}\n{}\n{}", self.status, self.stdout, self.stderr)
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let signal = || 128 + output.status.signal().unwrap_or_default();
        Self {
            status: output.status.code().unwrap_or_else(signal),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs `command` to its end without input.
///
/// # Panics
/// It cannot be started.
#[track_caller]
pub fn run(command: &mut Command) -> Outcome {
    let name = command.get_program().to_owned();
    match command.stdin(Stdio::null()).output() {
        Ok(output) => output.into(),
        Err(error) => panic!("{}: {error}", name.display()),
    }
}

/// Runs a program that must succeed, and gives its standard output.
///
/// # Panics
/// It cannot be started, or fails.
#[track_caller]
pub fn must(name: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    run(Command::new(name).args(arguments)).success()
}

/// Copies a program that is run afterwards, by a process of its own: what another test starts
/// meanwhile would keep a descriptor of ours that can write, and the program would be busy
/// (`ETXTBSY`) until it has become another.
///
/// # Panics
/// It cannot be copied.
#[track_caller]
pub fn copy(from: &Path, to: &Path) {
    must("cp", [from, to]);
}

/// Writes a program that is run afterwards, by a process of its own as [`copy`] does.
///
/// # Panics
/// It cannot be written.
#[track_caller]
pub fn write(path: &Path, bytes: &[u8]) {
    let mut writer = Command::new("sh");
    writer.args(["-c", "cat >\"$0\" && chmod 755 \"$0\""]).arg(path).stdin(Stdio::piped());
    let mut writer = writer.spawn().unwrap();
    writer.stdin.take().unwrap().write_all(bytes).unwrap();
    assert!(writer.wait().unwrap().success(), "{}", path.display());
}

/// Whether a test that needs root can run; says so where it cannot.
#[must_use]
pub fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("not run: needs root");
    }
    root
}
