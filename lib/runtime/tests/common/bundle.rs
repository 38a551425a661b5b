//! A bundle from a folder, its `config.json` as `runc spec` writes it.

use std::path::{Path, PathBuf};

use coffer_confine::confinement::{Confinement, Host, Warning};
use coffer_oci::runtime::{Process, Spec};
use coffer_runtime::cgroup::Entry;
use coffer_runtime::launch::{Calls, Gate, Launch, LaunchError, Launched, Stdio, launch_with};
use coffer_runtime::plan::{
    Authority, Bundle, CgroupView, Given, Inputs, JoinInputs, Joined, Keyring, Lines, Plan,
    PlanError, RootChange, RootFs,
};
use coffer_runtime::spec::Init;
use rustix::fd::{AsFd, OwnedFd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;
use serde_json::{Value, json};

use super::{Bench, Ended, finish, start};

/// A bundle to be run.
pub(crate) struct TestBundle {
    bench: Bench,
    pub(crate) config: Value,
    pub(crate) id: &'static str,
    pub(crate) root_change: RootChange,
    pub(crate) keyring: Keyring,
    pub(crate) preserved: u32,
}

impl TestBundle {
    /// One that runs a line of shell.
    pub(crate) fn shell(line: &str) -> Self {
        let mut config: Value = serde_json::from_str(CONFIG).unwrap();
        config["process"]["args"] = json!(["sh", "-c", line]);
        Self {
            bench: Bench::new(),
            config,
            id: "test",
            root_change: RootChange::Pivot,
            keyring: Keyring::Own,
            preserved: 0,
        }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.bench.root()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.bench.folder()
    }

    /// Sets what is at `place` (a JSON pointer) and makes the way to it.
    pub(crate) fn set(&mut self, place: &str, value: Value) {
        let mut at = &mut self.config;
        for name in place.split('/').skip(1) {
            at = &mut at[name];
        }
        *at = value;
    }

    pub(crate) fn mount(&mut self, mount: Value) {
        self.config["mounts"].as_array_mut().unwrap().push(mount);
    }

    /// Takes away the namespace of this kind.
    pub(crate) fn share(&mut self, kind: &str) {
        self.namespaces().retain(|namespace| namespace["type"] != kind);
    }

    /// Adds a namespace, or gives it a path.
    pub(crate) fn namespace(&mut self, kind: &str, path: &str) {
        self.share(kind);
        self.namespaces().push(json!({"type": kind, "path": path}));
    }

    /// Maps the container's ids to a range of the host's.
    pub(crate) fn map_ids(&mut self, first: u32) {
        let map = json!([{"containerID": 0, "hostID": first, "size": 65536}]);
        self.config["linux"]["uidMappings"] = map.clone();
        self.config["linux"]["gidMappings"] = map;
        self.own_by(first);
    }

    /// Gives the root to a user of the host.
    pub(crate) fn own_by(&self, owner: u32) {
        let owner = format!("{owner}:{owner}");
        let root = self.root();
        let chown = std::process::Command::new("chown").arg("-Rh").arg(owner).arg(root).status();
        assert!(chown.unwrap().success());
    }

    fn namespaces(&mut self) -> &mut Vec<Value> {
        self.config["linux"]["namespaces"].as_array_mut().unwrap()
    }

    pub(crate) fn spec(&self) -> Spec {
        serde_json::from_value(self.config.clone()).unwrap()
    }

    pub(crate) fn warnings(&self) -> Vec<Warning> {
        Confinement::of_bundle(&self.spec(), &Host::read()).unwrap().warnings
    }

    pub(crate) fn confinement(&self) -> Confinement {
        Confinement::of_bundle(&self.spec(), &Host::read()).unwrap().confinement
    }

    pub(crate) fn try_plan(&self, confinement: &Confinement) -> Result<Plan, PlanError> {
        Plan::new(Inputs {
            spec: &self.spec(),
            confinement,
            host: &Host::read(),
            root: RootFs::Folder(self.root()),
            authority: Authority::Root,
            cgroups: CgroupView::None,
            init: Init::Program,
            given: Given::default(),
            bundle: Some(self.bundle()),
        })
    }

    pub(crate) fn plan(&self) -> Plan {
        self.try_plan(&self.confinement()).unwrap()
    }

    /// The plan of a process that joins it.
    pub(crate) fn join(&self, container: &Launched, process: Value) -> Result<Plan, String> {
        let process: Process = serde_json::from_value(process).unwrap();
        let host = Host::read();
        let of = self.confinement().of_process(&process, &host).map_err(|e| e.to_string())?;
        Plan::join(JoinInputs {
            target: container.pidfd.as_fd(),
            confinement: &of.confinement,
            host: &host,
            identity: &of.confinement.identity,
            process: &process,
            authority: Authority::Root,
            named: None,
            bundle: Some(Joined {
                bundle: self.bundle(),
                annotations: &self.spec().annotations,
                personality: None,
                memory_policy: None,
                pid: container.pid,
            }),
        })
        .map_err(|error| error.to_string())
    }

    fn bundle(&self) -> Bundle<'_> {
        Bundle {
            id: self.id,
            folder: self.folder(),
            root_change: self.root_change,
            keyring: self.keyring,
            preserved: self.preserved,
            home: None,
            lines: Lines::ForScreens,
        }
    }

    /// What is said instead of running it.
    pub(crate) fn refused(&self) -> String {
        match Confinement::of_bundle(&self.spec(), &Host::read()) {
            Err(error) => error.to_string(),
            Ok(of) => self.try_plan(&of.confinement).unwrap_err().to_string(),
        }
    }

    pub(crate) fn run(&self) -> Result<Ended, LaunchError> {
        let (reader, launched) = self.start(Gate::Open)?;
        Ok(finish(reader, &launched))
    }

    /// Runs it, with a call where the hooks of the runtime have their place.
    pub(crate) fn run_with(
        &self,
        created: &mut dyn FnMut(Pid) -> std::io::Result<()>,
    ) -> Result<Ended, LaunchError> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let fds = Stdio::Fds([reader.as_fd(), writer.as_fd(), writer.as_fd()]);
        let how = Launch { cgroup: &Entry::Nowhere, stdio: fds, gate: Gate::Open };
        let calls = Calls { joined: &mut |_| Ok(()), created };
        let launched = launch_with(&self.plan(), &how, calls)?;
        drop(writer);
        Ok(finish(reader, &launched))
    }

    pub(crate) fn start(&self, gate: Gate<'_>) -> Result<(OwnedFd, Launched), LaunchError> {
        start(&self.plan(), gate)
    }
}

/// As `runc spec` writes it, without a terminal.
const CONFIG: &str = r#"{
  "ociVersion": "1.3.0",
  "process": {
    "terminal": false, "user": {"uid": 0, "gid": 0}, "args": ["sh"], "cwd": "/",
    "env": ["PATH=/bin", "TERM=xterm"], "noNewPrivileges": true,
    "capabilities": {
      "bounding": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
      "effective": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
      "permitted": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]},
    "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}]
  },
  "root": {"path": "rootfs", "readonly": false}, "hostname": "bundle",
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
     "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
     "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
     "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
     "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs",
     "options": ["nosuid", "noexec", "nodev", "ro"]}],
  "linux": {
    "resources": {"devices": [{"allow": false, "access": "rwm"}]},
    "namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
      {"type": "mount"}, {"type": "cgroup"}],
    "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/sys/firmware"],
    "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/sys"]
  }
}"#;
