//! Debian's containerd as Kubernetes has it, configured by docs/engines.md, and `crictl`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::daemon::{Daemon, outcome, programs, remove_groups};
use crate::engines;
use crate::image::cargo_target;
use crate::image::catalogue::{BUSYBOX, PAUSE};
use crate::program::{self, Outcome};

/// `/run/containerd` is where shims have their sockets, whatever containerd is told.
const SCRIPT: &str = r#"
    mkdir -p /run/containerd
    mount -t tmpfs none /run/containerd
    exec containerd --config "$0/config.toml"
"#;

/// A containerd that serves the kubelet's interface.
#[derive(Debug)]
pub struct Cri {
    daemon: Daemon,
    folder: TempDir,
    crictl: PathBuf,
}

impl Cri {
    /// Starts it with the page's runtimes and two images; `None` where there is no `crictl`.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let crictl = cargo_target().join("peers/bin/crictl");
        if !crictl.exists() {
            eprintln!("skipped: there is no crictl (cargo xtask peers)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.toml"), config(folder.path())).unwrap();
        let daemon = Daemon::start(&[], SCRIPT, folder.path(), "containerd successfully booted");
        let this = Self { daemon, folder, crictl };
        for recipe in [BUSYBOX, PAUSE] {
            let archive = this.folder.path().join(format!("{}.tar", recipe.name));
            let layout = recipe.layout();
            program::must(
                "tar",
                [Path::new("-cf"), &archive, "-C".as_ref(), &layout, ".".as_ref()],
            );
            let mut ctr = this.daemon.command("ctr");
            ctr.arg("--address").arg(this.folder.path().join("c.sock"));
            ctr.args(["--namespace", "k8s.io", "image", "import", "--base-name"]);
            ctr.arg(format!("docker.io/library/{}", recipe.name)).arg(&archive);
            outcome(ctr).success();
        }
        Some(this)
    }

    /// `crictl ARGUMENTS`.
    #[track_caller]
    #[must_use]
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        let endpoint = format!("unix://{}", self.folder.path().join("c.sock").display());
        let mut command = self.daemon.command(&self.crictl.to_string_lossy());
        command.args(["--runtime-endpoint", &endpoint, "--image-endpoint", &endpoint]);
        outcome({
            command.args(["--timeout", "60s"]).args(arguments);
            command
        })
    }

    /// The same, which must succeed: its standard output, trimmed.
    #[track_caller]
    pub fn must(&self, arguments: &[&str]) -> String {
        self.run(arguments).success().trim().to_owned()
    }

    /// A pod on the host's network, of this `RuntimeClass` handler: its id.
    #[track_caller]
    pub fn pod(&self, handler: &str) -> String {
        let pod = self.file("pod.json", &self.pod_config());
        self.must(&["runp", "--runtime", handler, &pod])
    }

    /// A container of a pod that runs a line of shell, started: its id.
    #[track_caller]
    pub fn container(&self, pod: &str, name: &str, line: &str) -> String {
        let container = self.file(
            name,
            &json!({
                "metadata": {"name": name},
                "image": {"image": "docker.io/library/busybox:latest"},
                "command": ["sh", "-c", line],
                "log_path": format!("{name}.log"),
                "linux": {"resources": {"memory_limit_in_bytes": 67_108_864}},
            }),
        );
        let pod_file = self.file("pod.json", &self.pod_config());
        let id = self.must(&["create", pod, &container, &pod_file]);
        self.must(&["start", &id]);
        id
    }

    /// What `inspect` says of a container.
    ///
    /// # Panics
    /// It is no JSON.
    #[track_caller]
    #[must_use]
    pub fn inspect(&self, id: &str) -> Value {
        serde_json::from_str(&self.must(&["inspect", id])).unwrap()
    }

    fn pod_config(&self) -> Value {
        json!({
            "metadata": {"name": "example", "namespace": "default", "uid": "one", "attempt": 1},
            "log_directory": self.folder.path().join("logs"),
            "linux": {
                "cgroup_parent": self.group(),
                "security_context": {"namespace_options": {"network": 2}},
            },
        })
    }

    /// The control group of its pods.
    fn group(&self) -> String {
        let name = self.folder.path().file_name().unwrap_or_default().to_string_lossy();
        format!("/coffer-cri{}", name.trim_start_matches('.'))
    }

    fn file(&self, name: &str, value: &Value) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, value.to_string()).unwrap();
        path.to_string_lossy().into_owned()
    }
}

impl Drop for Cri {
    fn drop(&mut self) {
        drop(self.run(&["rmp", "--all", "--force"]));
        let group = self.group();
        for root in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            drop(fs::remove_dir(root.path().join(group.trim_start_matches('/'))));
        }
        remove_groups(&[group.trim_start_matches('/')]);
    }
}

/// The page's block, and beside it what a test needs.
fn config(folder: &Path) -> String {
    let at = folder.display();
    let block = engines::lines("containerd", "toml", &programs(folder));
    // A host that may not lower a badness is told so: pods ask for -998.
    format!(
        r#"root = "{at}/root"
state = "/run/containerd/state"
{block}
[grpc]
address = "{at}/c.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/library/pause:latest"
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
conf_dir = "{at}/cni"
"#
    )
}
