//! Debian's dockerd with everything of its own, and `docker`, its client.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::daemon::{self, Daemon, outcome, remove_groups};
use crate::engines;
use crate::program::Outcome;

/// The folders below `/run` are where dockerd and its containerd have their sockets.
const SCRIPT: &str = r#"
    mkdir -p /run/containerd /run/docker
    mount -t tmpfs none /run/containerd
    mount -t tmpfs none /run/docker
    exec dockerd --config-file "$0/daemon.json"
"#;

/// Which runtime containers get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// `coffer-oci`, by docs/engines.md.
    Ours,
    /// Debian's runc.
    Runc,
}

/// A dockerd without images and without a network.
#[derive(Debug)]
pub struct Dockerd {
    daemon: Daemon,
    folder: TempDir,
    group: String,
}

impl Default for Dockerd {
    /// Starts it.
    ///
    /// # Panics
    /// It does not start.
    fn default() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().unwrap();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let group = format!("coffer-docker-{}-{number}", std::process::id());
        let configuration = configuration(folder.path(), &group);
        fs::write(folder.path().join("daemon.json"), configuration.to_string()).unwrap();
        let daemon = Daemon::start(&[], SCRIPT, folder.path(), "API listen on");
        Self { daemon, folder, group }
    }
}

impl Dockerd {
    /// `docker ARGUMENTS`, not yet started; its `run` without a network, since there is none.
    #[must_use]
    pub fn command(&self, runtime: Runtime, arguments: &[&str]) -> Command {
        // By its path: a newer client elsewhere on the PATH asks for what this daemon has not.
        let mut command = self.daemon.command("/usr/bin/docker");
        command.arg("--host").arg(format!("unix://{}/d.sock", self.folder.path().display()));
        command.arg("--config").arg(self.folder.path().join("client"));
        let runtime = match runtime {
            Runtime::Ours => "coffer",
            Runtime::Runc => "runc",
        };
        match arguments {
            ["run", rest @ ..] => {
                command.args(["run", "--network=none", "--runtime", runtime]).args(rest)
            }
            _ => command.args(arguments),
        };
        command
    }

    /// Runs `docker ARGUMENTS` to its end.
    #[track_caller]
    #[must_use]
    pub fn run(&self, runtime: Runtime, arguments: &[&str]) -> Outcome {
        outcome(self.command(runtime, arguments))
    }

    /// `docker ARGUMENTS`, which must succeed.
    #[track_caller]
    pub fn must(&self, arguments: &[&str]) -> String {
        self.run(Runtime::Ours, arguments).success()
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        for id in self.run(Runtime::Ours, &["ps", "--all", "--quiet"]).stdout.lines() {
            drop(self.run(Runtime::Ours, &["rm", "--force", id]));
        }
        remove_groups(&[&self.group]);
    }
}

/// The page's lines, and what keeps this daemon apart from all others.
fn configuration(folder: &Path, group: &str) -> Value {
    let lines = engines::lines("Docker", "json", &daemon::programs(folder));
    let mut configuration: Value = serde_json::from_str(&lines).unwrap();
    let own = json!({
        "data-root": folder.join("data"),
        "exec-root": "/run/docker",
        "pidfile": "/run/docker/pid",
        "hosts": [format!("unix://{}/d.sock", folder.display())],
        "cgroup-parent": format!("/{group}"),
        "storage-driver": "overlay2",
        "bridge": "none",
        "iptables": false,
        "ip6tables": false,
        "ip-forward": false,
        "ip-masq": false,
    });
    for (key, value) in own.as_object().unwrap() {
        configuration[key] = value.clone();
    }
    configuration
}
