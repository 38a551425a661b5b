//! A daemon of a container engine, started by a test in a mount namespace of its own and stopped by
//! its number. The distribution's services stay as they are: stopped.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::coffer;
use crate::program::{self, Outcome};

/// How long one command of a client may take, in seconds.
const PATIENCE: &str = "90";

/// A process that serves until it is dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
}

impl Daemon {
    /// Runs `script` in a new mount namespace, with `coffer-oci` and the shim first on its PATH,
    /// until its standard error says `ready`. The script has to `exec` the daemon.
    ///
    /// # Panics
    /// It ends before.
    #[must_use]
    pub fn start(unshare: &[&str], script: &str, folder: &Path, ready: &str) -> Self {
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", programs(folder).display());
        let mut child = Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .args(unshare)
            .args(["sh", "-ec", script])
            .arg(folder)
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        wait_for(ready, &mut lines);
        // The rest of its log is for whoever looks at a failed test.
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                eprintln!("{line}");
            }
        });
        Self { child }
    }

    /// `program`, seen from where the daemon is; killed after a while, since clients pass other
    /// signals on to containers.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--foreground", "-s", "KILL", PATIENCE]);
        command.args(["nsenter", "--mount", "--wdns=/", "--target", &self.child.id().to_string()]);
        command.arg("--").arg(program);
        command
    }

    /// A path as the daemon sees it.
    #[must_use]
    pub fn sees(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.child.id()))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // SIGTERM, so that it ends what it has started itself.
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

/// Reads until a line holds `ready`.
fn wait_for(ready: &str, lines: &mut BufReader<ChildStderr>) {
    let mut seen = String::new();
    while !seen.lines().last().is_some_and(|line| line.contains(ready)) {
        let n = lines.read_line(&mut seen).unwrap();
        assert_ne!(n, 0, "it ended before it was ready:\n{seen}");
    }
}

/// A folder with `coffer-oci` and the shim.
///
/// # Panics
/// They are not built.
#[must_use]
pub fn programs(folder: &Path) -> PathBuf {
    let programs = folder.join("bin");
    if !programs.exists() {
        std::fs::create_dir(&programs).unwrap();
        let coffer = coffer::binary();
        let shim = coffer.with_file_name("containerd-shim-coffer-v1");
        assert!(shim.exists(), "{} is not built", shim.display());
        symlink(shim, programs.join("containerd-shim-coffer-v1")).unwrap();
        symlink(coffer, programs.join("coffer-oci")).unwrap();
        if let Some(criu) = crate::criu::installed() {
            symlink(criu, programs.join("criu")).unwrap();
        }
    }
    programs
}

/// Removes the control groups that end in one of `names` or are below such a group, in every
/// hierarchy; engines leave the parents of their containers' groups behind.
pub fn remove_groups(names: &[&str]) {
    for name in names {
        let script = format!(
            "find /sys/fs/cgroup -mindepth 2 -depth -type d -path '*/{name}*' -exec rmdir {{}} + 2>/dev/null; true"
        );
        drop(program::run(Command::new("sh").args(["-c", &script])));
    }
}

/// Runs a client's command to its end without input.
#[track_caller]
pub fn outcome(mut command: Command) -> Outcome {
    program::run(&mut command)
}
