//! podman with a storage of its own, in a mount namespace that it can work in here.
//!
//! It wants a control group hierarchy of version 2 alone, and default limits that a root without
//! `CAP_SYS_RESOURCE` may not set: it gets the first on a mount of its own and no limits.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::coffer::binary;
use crate::program::{self, Outcome};

/// Flags of every `podman run`: the same network as coffer's default, no pid limit.
const RUN: &[&str] = &[
    "--network=none",
    "--cgroups=disabled",
    "--ulimit=nofile=1024:4096",
    "--ulimit=nproc=4096:4096",
];

/// What podman has to be told of a runtime that it does not know by name.
const OURS: &str = "[engine]
runtime_supports_json = [\"coffer-oci\", \"crun\"]
runtime_supports_nocgroup = [\"coffer-oci\", \"crun\"]
";

/// Where podman keeps images and containers for one test.
#[derive(Debug)]
pub struct Podman {
    folder: TempDir,
    runtime: PathBuf,
}

impl Default for Podman {
    fn default() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), runtime: "crun".into() }
    }
}

impl Podman {
    /// podman that calls `coffer-oci`.
    ///
    /// # Panics
    /// Its configuration cannot be written.
    #[must_use]
    pub fn with_ours() -> Self {
        let podman = Self::with_crun();
        let runtime = podman.folder.path().join("coffer-oci");
        std::os::unix::fs::symlink(binary(), &runtime).unwrap();
        Self { runtime, ..podman }
    }

    /// podman that calls crun, configured as for `coffer-oci`: a configuration of one's own takes
    /// the distribution's place, with its list of capabilities.
    ///
    /// # Panics
    /// Its configuration cannot be written.
    #[must_use]
    pub fn with_crun() -> Self {
        let podman = Self::default();
        std::fs::write(podman.folder.path().join("containers.conf"), OURS).unwrap();
        podman
    }

    /// `podman ARGUMENTS`, not yet started.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-ec"]);
        command.arg("mount -t cgroup2 none /sys/fs/cgroup; exec podman \"$@\"").arg("podman");
        for (flag, folder) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.arg(flag).arg(self.folder.path().join(folder));
        }
        command.args(["--storage-driver=overlay", "--events-backend=none"]);
        command.args(["--cgroup-manager=cgroupfs", "--runtime"]).arg(&self.runtime);
        let configuration = self.folder.path().join("containers.conf");
        if configuration.exists() {
            command.env("CONTAINERS_CONF", configuration);
        }
        match arguments {
            ["run", rest @ ..] => command.arg("run").args(RUN).args(rest),
            _ => command.args(arguments),
        };
        command
    }

    /// Runs `podman ARGUMENTS` to its end.
    #[must_use]
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        program::run(&mut self.command(arguments))
    }

    /// Pulls `name` from a registry on loopback.
    ///
    /// # Panics
    /// That fails.
    #[track_caller]
    pub fn pull(&self, name: &str) {
        self.run(&["pull", "--quiet", "--tls-verify=false", name]).success();
    }
}
