//! Debian's containerd with everything of its own, and `ctr`, its client.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::daemon::{Daemon, outcome, remove_groups};
use crate::image::Recipe;
use crate::program::{self, Outcome};

/// `/run/containerd` is where shims have their sockets, whatever containerd is told.
const SCRIPT: &str = r#"
    mkdir -p /run/containerd
    mount -t tmpfs none /run/containerd
    cat > "$0/config.toml" <<END
version = 2
root = "$0/root"
state = "/run/containerd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$0/c.sock"
END
    exec containerd --config "$0/config.toml"
"#;
/// The runtime that is ours.
const OURS: &[&str] = &["--runtime", "io.containerd.coffer.v1"];

/// A containerd with one image.
#[derive(Debug)]
pub struct Containerd {
    daemon: Daemon,
    folder: TempDir,
    namespace: String,
    image: String,
}

impl Containerd {
    /// Starts it, and gives it `recipe`'s image as an OCI archive.
    ///
    /// # Panics
    /// It does not start, or does not take the image.
    #[must_use]
    pub fn with(recipe: &Recipe) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().unwrap();
        let daemon = Daemon::start(&[], SCRIPT, folder.path(), "containerd successfully booted");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // Another name than those of bundles' groups ([`crate::oci`]): one process may have both.
        let namespace = format!("coffer-test-ctr-{}-{number}", std::process::id());
        let image = format!("docker.io/library/{}:latest", recipe.name);
        let this = Self { daemon, folder, namespace, image };
        let archive = this.folder.path().join("image.tar");
        let layout = recipe.layout();
        program::must("tar", [Path::new("-cf"), &archive, Path::new("-C"), &layout, ".".as_ref()]);
        let base = format!("docker.io/library/{}", recipe.name);
        this.must(&["image", "import", "--base-name", &base, &archive.to_string_lossy()]);
        this
    }

    /// The program that `coffer-oci` is.
    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        self.folder.path().join("bin/coffer-oci")
    }

    /// Has our shim begin to serve `bundle` as the container `id`, as containerd does; gives the
    /// socket that it listens on.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start_shim(&self, id: &str, bundle: &Path) -> PathBuf {
        let address = self.folder.path().join("c.sock");
        let mut command = self.daemon.command("sh");
        command.args(["-c", "cd \"$0\" && exec containerd-shim-coffer-v1 \"$@\""]).arg(bundle);
        command.args(["-namespace", &self.namespace, "-id", id, "-address"]).arg(&address);
        command.arg("start").env("TTRPC_ADDRESS", address.with_extension("sock.ttrpc"));
        let programs = self.folder.path().join("bin");
        command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", programs.display()));
        let uri = outcome(command).success();
        self.daemon.sees(uri.trim().strip_prefix("unix://").unwrap())
    }

    /// From now on runc's own shim is ours: `ctr` and containerd give some options of checkpoints
    /// to runtimes of that name alone.
    ///
    /// # Panics
    /// It was asked for before.
    pub fn call_ours_runcs(&self) {
        let programs = self.folder.path().join("bin");
        let ours = programs.join("containerd-shim-coffer-v1");
        std::os::unix::fs::symlink(ours, programs.join("containerd-shim-runc-v2")).unwrap();
    }

    /// A folder that ends with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `ctr ARGUMENTS`, not yet started.
    #[must_use]
    pub fn ctr(&self, arguments: &[&str]) -> Command {
        let mut command = self.daemon.command("ctr");
        command.arg("--address").arg(self.folder.path().join("c.sock"));
        command.args(["--namespace", &self.namespace]).args(arguments);
        command
    }

    /// `ctr run FLAGS IMAGE ID COMMAND` under our shim, not yet started.
    #[must_use]
    pub fn run_command(&self, flags: &[&str], id: &str, command: &[&str]) -> Command {
        self.ctr(&[&["run"], OURS, flags, &[&*self.image, id], command].concat())
    }

    /// The same, run to its end.
    #[track_caller]
    #[must_use]
    pub fn run(&self, flags: &[&str], id: &str, command: &[&str]) -> Outcome {
        outcome(self.run_command(flags, id, command))
    }

    /// The same under containerd's own shim.
    #[track_caller]
    #[must_use]
    pub fn run_theirs(&self, flags: &[&str], id: &str, command: &[&str]) -> Outcome {
        outcome(self.ctr(&[&["run"], flags, &[&*self.image, id], command].concat()))
    }

    /// `ctr ARGUMENTS`, which must succeed.
    #[track_caller]
    pub fn must(&self, arguments: &[&str]) -> String {
        outcome(self.ctr(arguments)).success()
    }

    /// The first process of the task `id`.
    ///
    /// # Panics
    /// There is none.
    #[track_caller]
    #[must_use]
    pub fn pid(&self, id: &str) -> u32 {
        let list = self.must(&["task", "ls"]);
        let mut rows = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.find(|row| row.first() == Some(&id)).unwrap()[1].parse().unwrap()
    }

    /// The shim of the task `id`: the parent of its first process.
    ///
    /// # Panics
    /// There is none.
    #[track_caller]
    #[must_use]
    pub fn shim(&self, id: &str) -> u32 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid(id))).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
        line.trim().parse().unwrap()
    }

    /// How containerd sees the task `id`.
    ///
    /// # Panics
    /// There is none.
    #[track_caller]
    #[must_use]
    pub fn status(&self, id: &str) -> String {
        let list = self.must(&["task", "ls"]);
        let mut rows = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.find(|row| row.first() == Some(&id)).unwrap()[2].to_owned()
    }

    /// Kills and removes the container `id`.
    #[track_caller]
    pub fn remove(&self, id: &str) {
        drop(outcome(self.ctr(&["task", "rm", "--force", id])));
        self.must(&["container", "rm", id]);
    }

    /// Follows containerd's events from now on.
    ///
    /// # Panics
    /// `ctr` cannot be started.
    #[must_use]
    pub fn events(&self) -> Events {
        let mut client = self.ctr(&["events"]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(client.stdout.take().unwrap());
        let mut events = Events { client, lines };
        // Only once it has seen an event is it known to listen.
        while !events.heard_of_a_probe(self) {}
        events
    }

    /// What is left of containers: shims, mounts, states of the runtime.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let mut left = self.shims();
        let mounts =
            fs::read_to_string(self.daemon.sees("/proc/self/mountinfo")).unwrap_or_default();
        left.extend(mounts.lines().filter(|line| line.contains("/rootfs")).map(str::to_owned));
        for folder in ["/run/containerd/s", "/run/containerd/coffer"] {
            let Ok(names) = fs::read_dir(self.daemon.sees(folder)) else { continue };
            for path in names.flatten().map(|entry| entry.path()) {
                let is_empty = fs::read_dir(&path).is_ok_and(|mut below| below.next().is_none());
                if !is_empty {
                    left.push(path.display().to_string());
                }
            }
        }
        left
    }

    /// The command lines of our shims.
    #[must_use]
    pub fn shims(&self) -> Vec<String> {
        let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let lines = processes.filter_map(|path| {
            let line = String::from_utf8(fs::read(path.join("cmdline")).ok()?).ok()?;
            Some(line.replace('\0', " "))
        });
        lines
            .filter(|line| line.contains("shim-coffer-v1") && line.contains(&self.namespace))
            .collect()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        for id in outcome(self.ctr(&["task", "ls", "--quiet"])).stdout.lines() {
            drop(outcome(self.ctr(&["task", "rm", "--force", id])));
        }
        remove_groups(&[&self.namespace]);
    }
}

/// containerd's events as they come.
#[derive(Debug)]
pub struct Events {
    client: Child,
    lines: BufReader<ChildStdout>,
}

impl Events {
    /// The events up to the first of `topic`, each as its topic and its JSON.
    ///
    /// # Panics
    /// They end before.
    #[track_caller]
    pub fn until(&mut self, topic: &str) -> Vec<(String, serde_json::Value)> {
        let mut seen = Vec::new();
        loop {
            let event = self.next();
            let found = event.0 == topic;
            seen.push(event);
            if found {
                return seen;
            }
        }
    }

    #[track_caller]
    fn next(&mut self) -> (String, serde_json::Value) {
        let mut line = String::new();
        assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the events have ended");
        let at = line.find(" /").unwrap();
        let (topic, json) = line[at + 1..].trim().split_once(' ').unwrap();
        (topic.to_owned(), serde_json::from_str(json).unwrap())
    }

    /// Makes events until one is seen.
    fn heard_of_a_probe(&mut self, containerd: &Containerd) -> bool {
        let probe = ["image", "label", &*containerd.image, "probe=1"];
        containerd.must(&probe);
        let mut ready =
            [rustix::event::PollFd::new(self.lines.get_ref(), rustix::event::PollFlags::IN)];
        let moment = rustix::event::Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        rustix::event::poll(&mut ready, Some(&moment)).unwrap() > 0
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.client.kill().unwrap();
        self.client.wait().unwrap();
    }
}
