//! `checkpoint` and `restore` with the CRIU that `cargo xtask test` brings.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use coffer_tests::image::cargo_target;
use coffer_tests::oci::Runtime;
use coffer_tests::program;
use serde_json::{Value, json};

/// A shell that counts signals, and tells the count to whoever reads the fifo of its volume.
const COUNTER: &str = "n=0; trap 'n=$((n+1)); echo $n >/data/fifo' USR1; echo 0 >/data/fifo; \
    while :; do sleep 1000 & wait; done";

/// What the kernel says of a process that must be the same afterwards.
const SAME: [&str; 12] = [
    "Uid:",
    "Gid:",
    "Groups:",
    "CapInh:",
    "CapPrm:",
    "CapEff:",
    "CapBnd:",
    "CapAmb:",
    "NoNewPrivs:",
    "Seccomp:",
    "Seccomp_filters:",
    "Umask:",
];

/// CRIU, where there is one.
fn criu() -> Option<PathBuf> {
    let criu = cargo_target().join("peers/bin/criu");
    if !program::root() {
        return None;
    }
    if !criu.exists() {
        eprintln!("skipped: there is no CRIU (cargo xtask peers)");
        return None;
    }
    Some(criu)
}

/// A runtime with a counter in a bundle of its own.
struct Counted {
    runtime: Runtime,
    criu: String,
    bundle: PathBuf,
    id: String,
}

impl Counted {
    fn new(criu: &Path, name: &str, change: impl FnOnce(&mut Value)) -> Self {
        let runtime = Runtime::ours();
        let data = runtime.folder().join("data");
        fs::create_dir(&data).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, data.join("fifo"), 0o600.into()).unwrap();
        let bundle = runtime.bundle(COUNTER, |config| {
            config["mounts"].as_array_mut().unwrap().push(json!({
                "destination": "/data", "type": "bind", "source": data, "options": ["bind", "rw"],
            }));
            change(config);
        });
        fs::create_dir(bundle.join("rootfs/data")).unwrap();
        let criu = criu.to_string_lossy().into_owned();
        Self { runtime, criu, bundle, id: format!("{name}-{}", std::process::id()) }
    }

    fn start(&self) {
        assert_eq!(self.runtime.create(&self.id, &self.bundle).status, 0);
        self.runtime.must(&["start", &self.id]);
        assert_eq!(self.heard(), "0\n");
    }

    /// What it says next.
    fn heard(&self) -> String {
        fs::read_to_string(self.runtime.folder().join("data/fifo")).unwrap()
    }

    fn counts(&self) -> String {
        self.runtime.must(&["kill", &self.id, "USR1"]);
        self.heard()
    }

    fn images(&self) -> String {
        self.runtime.folder().join("images").to_string_lossy().into_owned()
    }

    fn words<'a>(&'a self, verb: &'a [&'a str], images: &'a str) -> Vec<&'a str> {
        [&["--criu", &self.criu], verb, &["--image-path", images, &self.id]].concat()
    }

    #[track_caller]
    fn checkpoint(&self, options: &[&str]) {
        let verb = [&["checkpoint"], options].concat();
        self.runtime.must(&self.words(&verb, &self.images()));
    }

    #[track_caller]
    fn restore(&self, options: &[&str]) {
        let bundle = self.bundle.to_string_lossy();
        let verb = [&["restore", "--detach", "--bundle", &bundle], options].concat();
        self.runtime.must(&self.words(&verb, &self.images()));
    }

    /// What its process may do, and what is mounted for it.
    fn fence(&self) -> Vec<String> {
        let pid = self.runtime.pid(&self.id);
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
        let status = read("status");
        let mut fence: Vec<String> = status
            .lines()
            .filter(|line| SAME.iter().any(|key| line.starts_with(key)))
            .map(str::to_owned)
            .collect();
        let mut mounts: Vec<String> = read("mountinfo").lines().map(shown).collect();
        mounts.sort();
        fence.extend(mounts);
        fence.extend(read("cgroup").lines().map(str::to_owned));
        fence.push(read("oom_score_adj"));
        fence
    }
}

/// A line of mountinfo without its numbers: place, options, kind and source.
fn shown(line: &str) -> String {
    let (front, back) = line.split_once(" - ").unwrap();
    let front: Vec<&str> = front.split(' ').collect();
    format!("{} {} {}", front[4], front[5], back.split(' ').next().unwrap_or_default())
}

#[test]
fn root_a_container_goes_on_where_it_was() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "checkpoint", |config| {
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "cgroup"}));
        config["linux"]["maskedPaths"] = json!(["/proc/timer_list", "/proc/scsi", "/proc/keys"]);
        config["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}],
        });
        config["process"]["oomScoreAdj"] = json!(77);
    });
    counted.start();
    assert_eq!(counted.counts(), "1\n");
    let before = counted.fence();
    counted.checkpoint(&[]);
    assert_eq!(counted.runtime.status(&counted.id), "none", "as with runc it is gone");
    counted.restore(&[]);
    assert_eq!(counted.runtime.status(&counted.id), "running");
    assert_eq!(counted.fence(), before);
    assert_eq!(counted.counts(), "2\n", "it has kept its count");
    counted.runtime.must(&["exec", &counted.id, "true"]);
    let words = ["exec", &counted.id, "busybox", "ip", "link", "show", "lo"];
    let loopback = counted.runtime.must(&words);
    assert!(loopback.contains("LOOPBACK,UP"), "{loopback}");
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

#[test]
fn root_a_checkpoint_may_leave_it_running() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "leave", |_| ());
    counted.start();
    counted.checkpoint(&["--leave-running", "--manage-cgroups-mode", "ignore"]);
    assert_eq!(counted.counts(), "1\n", "it went on");
    counted.runtime.must(&["delete", "--force", &counted.id]);
    counted.restore(&["--manage-cgroups-mode", "ignore"]);
    assert_eq!(counted.counts(), "1\n", "this one is the earlier one");
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

#[test]
fn root_restore_in_the_foreground_gives_the_status() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "foreground", |config| {
        let line = format!("trap 'echo end >/data/fifo; exit 7' TERM; {COUNTER}");
        config["process"]["args"] = json!(["sh", "-c", line]);
    });
    counted.start();
    counted.checkpoint(&[]);
    let (bundle, images) = (counted.bundle.to_string_lossy(), counted.images());
    let pid_file = counted.runtime.folder().join("pid");
    let pid = pid_file.to_string_lossy();
    let verb = ["restore", "--bundle", &bundle, "--pid-file", &pid];
    let words = counted.words(&verb, &images);
    let mut command = counted.runtime.command(&words);
    // A stream is restored as what it was: a file, and no pipe.
    let said = fs::File::create(counted.runtime.folder().join("said")).unwrap();
    command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
    let mut restoring = command.spawn().unwrap();
    while fs::read_to_string(&pid_file).is_err() {
        assert!(restoring.try_wait().unwrap().is_none(), "it ended");
        std::thread::yield_now();
    }
    assert_eq!(counted.counts(), "1\n");
    counted.runtime.must(&["kill", &counted.id, "TERM"]);
    assert_eq!(counted.heard(), "end\n");
    assert_eq!(restoring.wait().unwrap().code(), Some(7));
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

#[test]
fn root_a_terminal_comes_over_the_socket_again() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "terminal", |config| {
        config["process"]["terminal"] = json!(true);
    });
    let socket = counted.runtime.folder().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let (bundle, socket) = (counted.bundle.to_string_lossy(), socket.to_string_lossy());
    counted.runtime.must(&["create", "-b", &bundle, "--console-socket", &socket, &counted.id]);
    let first = super::terminal::take(&listener);
    counted.runtime.must(&["start", &counted.id]);
    assert_eq!(counted.heard(), "0\n");
    counted.checkpoint(&[]);
    drop(first);
    counted.restore(&["--console-socket", &socket]);
    let second = super::terminal::take(&listener);
    assert_eq!(counted.counts(), "1\n");
    counted.runtime.must(&["exec", &counted.id, "sh", "-c", "echo said >/dev/pts/0"]);
    counted.runtime.must(&["delete", "--force", &counted.id]);
    assert_eq!(super::terminal::screen(second), "said\r\n");
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

#[test]
fn root_what_cannot_be_is_refused_by_name_and_leaves_nothing() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "refused", |config| {
        config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_BE", "priority": 4});
    });
    counted.start();
    let images = counted.images();
    let said = counted.runtime.run(&counted.words(&["checkpoint"], &images));
    assert!(said.failure(1).contains("process.ioPriority cannot be checkpointed"));
    assert_eq!(counted.counts(), "1\n", "it goes on");
    let nowhere = ["--criu", "/nowhere/criu", "checkpoint", "--image-path", &images, &counted.id];
    let other = Counted::new(&criu, "nowhere", |_| ());
    other.start();
    let nowhere: Vec<&str> = nowhere[..5].iter().copied().chain([other.id.as_str()]).collect();
    let said = other.runtime.run(&nowhere).failure(1);
    assert!(said.contains("cannot run CRIU as /nowhere/criu"), "{said}");
    let bundle = other.bundle.to_string_lossy();
    let empty = other.runtime.folder().join("empty").to_string_lossy().into_owned();
    let said = other.runtime.run(&[
        "--criu",
        &other.criu,
        "restore",
        "--bundle",
        &bundle,
        "--image-path",
        &empty,
        "new",
    ]);
    assert!(said.failure(1).contains("holds no checkpoint of this runtime"));
    assert_eq!(other.runtime.leftovers(), [""; 0]);
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

#[test]
fn a_missing_criu_is_named_with_the_way_on() {
    let runtime = Runtime::ours();
    for verb in ["checkpoint", "restore"] {
        let images = runtime.folder().join("images").to_string_lossy().into_owned();
        let bundle = runtime.bundle("true", |_| ()).to_string_lossy().into_owned();
        let mut words = vec![verb, "--image-path", &images, "some"];
        if verb == "restore" {
            words.extend(["--bundle", &bundle]);
        }
        let said = runtime.finish(runtime.command(&words).env("PATH", "/nowhere")).failure(1);
        assert!(said.contains("CRIU") && said.contains("--criu FILE"), "{said}");
    }
    assert_eq!(runtime.run(&["checkpoint", "--help"]).status, 0, "podman asks so");
}

#[test]
fn root_a_link_where_something_is_mounted_is_refused() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "link", |_| ());
    counted.start();
    counted.checkpoint(&[]);
    let (place, outside) = (counted.bundle.join("rootfs/data"), counted.runtime.folder().join("x"));
    fs::remove_dir(&place).unwrap();
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, &place).unwrap();
    let (bundle, images) = (counted.bundle.to_string_lossy(), counted.images());
    let verb = ["restore", "--detach", "--bundle", &bundle];
    let said = counted.runtime.run(&counted.words(&verb, &images)).failure(1);
    assert!(said.contains("/data is no place to mount on"), "{said}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}
