//! An OCI runtime, ours or a peer, with bundles and states of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bed;
use crate::coffer::binary;
use crate::group;
use crate::program::{self, Outcome};

/// What a bundle asks for before a test changes it.
const CONFIG: &str = include_str!("oci.json");

/// How long a process may take to end before the test has failed.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// A shell that needs no libraries: Debian's busybox-static.
pub(crate) const SHELL: &str = "/bin/busybox";

/// What the names of their control groups begin with.
const GROUP: &str = "coffer-test-";

/// How many bundles this process has made.
static BUNDLES: AtomicU32 = AtomicU32::new(0);

/// Which runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `coffer-oci`.
    Ours,
    /// runc.
    Runc,
    /// runc's newest release, as `cargo xtask peers` makes it.
    NewestRunc,
}

/// A runtime with a folder for states and bundles; all containers end with it.
#[derive(Debug)]
pub struct Runtime {
    folder: TempDir,
    kind: Kind,
}

impl Runtime {
    /// `coffer-oci`.
    ///
    /// # Panics
    /// Its folder cannot be made.
    #[must_use]
    pub fn ours() -> Self {
        let folder = tempfile::tempdir().unwrap();
        symlink(binary(), folder.path().join("coffer-oci")).unwrap();
        Self { folder, kind: Kind::Ours }
    }

    /// Ours, and runc where it is installed.
    ///
    /// # Panics
    /// As [`Self::ours`].
    #[must_use]
    pub fn all() -> Vec<Self> {
        let runc = Self { folder: tempfile::tempdir().unwrap(), kind: Kind::Runc };
        let is_there = Command::new("runc").arg("--version").stdout(Stdio::null()).status().is_ok();
        let mut all = vec![Self::ours()];
        all.extend(is_there.then_some(runc));
        all
    }

    /// Ours, and runc's newest release where it was made.
    ///
    /// # Panics
    /// As [`Self::ours`].
    #[must_use]
    pub fn beside_newest() -> Vec<Self> {
        let runc = Self { folder: tempfile::tempdir().unwrap(), kind: Kind::NewestRunc };
        let is_there = runc.program().exists();
        if !is_there {
            eprintln!("without a peer: there is no newest runc (cargo xtask peers)");
        }
        std::iter::once(Self::ours()).chain(is_there.then_some(runc)).collect()
    }

    /// Which it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        match self.kind {
            Kind::Ours => self.folder.path().join("coffer-oci"),
            Kind::Runc => PathBuf::from("runc"),
            Kind::NewestRunc => bed::peer("bin/runc"),
        }
    }

    /// A folder for whatever the test needs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where its states are.
    #[must_use]
    pub fn states(&self) -> PathBuf {
        self.folder.path().join("states")
    }

    /// A bundle that runs a line of shell, changed by `change`.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn bundle(&self, line: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
        let mut config: Value = serde_json::from_str(CONFIG).unwrap();
        config["process"]["args"] = json!(["sh", "-c", line]);
        // A group of its own: tests that run at once use the same ids.
        let number = BUNDLES.fetch_add(1, Ordering::Relaxed);
        let group = format!("/{GROUP}{}-{number}", std::process::id());
        config["linux"]["cgroupsPath"] = json!(group);
        change(&mut config);
        self.bundle_of(&serde_json::to_string(&config).unwrap())
    }

    /// A bundle with this configuration.
    ///
    /// # Panics
    /// It cannot be written.
    #[must_use]
    pub fn bundle_of(&self, config: &str) -> PathBuf {
        let bundle = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        let root = bundle.join("rootfs");
        for folder in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        program::copy(&bed::shell(), &root.join("bin/busybox"));
        for name in ["sh", "cat", "echo", "env", "id", "ls", "sleep", "stat", "true", "wc"] {
            symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        fs::write(bundle.join("config.json"), config).unwrap();
        bundle
    }

    /// The runtime with these arguments, not yet started.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program());
        command.arg("--root").arg(self.states()).args(arguments);
        command
    }

    /// Runs it. What it and its container say goes to files: a container may outlive it.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        self.finish(&mut self.command(arguments))
    }

    /// The same for a command that the test has prepared.
    ///
    /// # Panics
    /// It cannot be run.
    #[track_caller]
    pub fn finish(&self, command: &mut Command) -> Outcome {
        let mut files = [(); 2].map(|()| tempfile::tempfile_in(self.folder.path()).unwrap());
        let [stdout, stderr] = files.each_ref().map(|file| file.try_clone().unwrap());
        let status = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).status().unwrap();
        let [stdout, stderr] = files.each_mut().map(read);
        std::process::Output { status, stdout, stderr }.into()
    }

    /// Runs it; it must succeed. Gives what it said.
    #[track_caller]
    pub fn must(&self, arguments: &[&str]) -> String {
        self.run(arguments).success()
    }

    /// Makes a container of this bundle.
    #[track_caller]
    pub fn create(&self, id: &str, bundle: &Path) -> Outcome {
        self.run(&["create", "--bundle", &bundle.to_string_lossy(), id])
    }

    /// What `state` says; `None` where it fails.
    ///
    /// # Panics
    /// It says no JSON.
    #[must_use]
    pub fn state(&self, id: &str) -> Option<Value> {
        let outcome = self.run(&["state", id]);
        (outcome.status == 0).then(|| serde_json::from_str(&outcome.stdout).unwrap())
    }

    /// What a container is doing, in the specification's words; `none` where there is none.
    #[must_use]
    pub fn status(&self, id: &str) -> String {
        let state = self.state(id).unwrap_or_else(|| json!({"status": "none"}));
        state["status"].as_str().unwrap_or_default().to_owned()
    }

    /// Its process.
    ///
    /// # Panics
    /// There is none.
    #[must_use]
    pub fn pid(&self, id: &str) -> i32 {
        let state = self.state(id).expect("a container");
        i32::try_from(state["pid"].as_i64().unwrap()).unwrap()
    }

    /// Waits until the process `pid` has ended.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn ends(pid: i32) {
        let pid = Pid::from_raw(pid).expect("a process");
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        let ended = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&PATIENCE)).unwrap();
        assert_eq!(ended, 1, "process {pid:?} does not end");
    }

    /// Removes all containers, then says what is left: states, mounts, processes, groups.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let states = names(&self.states());
        for id in &states {
            let removed = self.run(&["delete", "--force", id]);
            assert_eq!(removed.status, 0, "delete --force {id}: {removed}");
        }
        let mut left = names(&self.states());
        let folder = self.folder.path().to_string_lossy().into_owned();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        left.extend(mounts.lines().filter(|line| line.contains(&folder)).map(str::to_owned));
        left.extend(processes(&folder));
        if self.kind == Kind::Ours {
            let groups = self.groups().into_iter().flat_map(|name| group::all(&name));
            left.extend(groups.map(|group| group.display().to_string()));
        }
        left
    }

    /// The control groups that [`Self::bundle`] has named.
    fn groups(&self) -> Vec<String> {
        let named = |bundle: &String| {
            let text = fs::read(self.folder.path().join(bundle).join("config.json")).ok()?;
            let config: Value = serde_json::from_slice(&text).ok()?;
            let path = config["linux"]["cgroupsPath"].as_str()?;
            path.strip_prefix('/').filter(|name| name.starts_with(GROUP)).map(str::to_owned)
        };
        names(self.folder.path()).iter().filter_map(named).collect()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        for id in names(&self.states()) {
            drop(self.run(&["delete", "--force", &id]));
        }
        // runc leaves its version 2 group where the host's controllers are version 1's.
        if self.kind != Kind::Ours {
            self.groups().iter().for_each(|name| group::remove(name));
        } else if !std::thread::panicking() {
            let left: Vec<PathBuf> = self.groups().iter().flat_map(|n| group::all(n)).collect();
            assert_eq!(left, [""; 0].map(PathBuf::from), "groups without a container");
        }
    }
}

fn read(file: &mut fs::File) -> Vec<u8> {
    use std::io::{Read, Seek};
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Processes whose root or program is below `folder`, other than those that only end.
fn processes(folder: &str) -> Vec<String> {
    let is_ours = |process: &Path| {
        ["root", "cwd"].iter().any(|link| {
            let target = fs::read_link(process.join(link));
            target.is_ok_and(|target| target.to_string_lossy().contains(folder))
        })
    };
    let entries = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let ours = entries.filter(|path| is_ours(path));
    ours.map(|path| format!("process {}", path.display())).collect()
}
