//! A container that is checkpointed: a shell that counts, and tells its count.

use std::fs;
use std::path::{Path, PathBuf};

use coffer_tests::criu::Ear;
pub(crate) use coffer_tests::criu::{COUNTER, criu};
use coffer_tests::oci::Runtime;
use serde_json::{Value, json};

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

/// A runtime with a counter in a bundle of its own.
pub(crate) struct Counted {
    pub(crate) runtime: Runtime,
    pub(crate) criu: String,
    pub(crate) bundle: PathBuf,
    pub(crate) id: String,
    ear: Ear,
}

impl Counted {
    pub(crate) fn new(criu: &Path, name: &str, change: impl FnOnce(&mut Value)) -> Self {
        let runtime = Runtime::ours();
        let data = runtime.folder().join("data");
        fs::create_dir(&data).unwrap();
        let ear = Ear::of(&data);
        let bundle = runtime.bundle(COUNTER, |config| {
            config["mounts"].as_array_mut().unwrap().push(json!({
                "destination": "/data", "type": "bind", "source": data, "options": ["bind", "rw"],
            }));
            change(config);
        });
        fs::create_dir(bundle.join("rootfs/data")).unwrap();
        let criu = criu.to_string_lossy().into_owned();
        Self { runtime, criu, bundle, ear, id: format!("{name}-{}", std::process::id()) }
    }

    pub(crate) fn start(&self) {
        assert_eq!(self.runtime.create(&self.id, &self.bundle).status, 0);
        self.runtime.must(&["start", &self.id]);
        assert_eq!(self.heard(), "0\n");
    }

    /// What it says next.
    pub(crate) fn heard(&self) -> String {
        self.ear.hears()
    }

    pub(crate) fn counts(&self) -> String {
        self.runtime.must(&["kill", &self.id, "USR1"]);
        self.heard()
    }

    pub(crate) fn images(&self) -> String {
        self.runtime.folder().join("images").to_string_lossy().into_owned()
    }

    pub(crate) fn words<'a>(&'a self, verb: &'a [&'a str], images: &'a str) -> Vec<&'a str> {
        [&["--criu", &self.criu], verb, &["--image-path", images, &self.id]].concat()
    }

    #[track_caller]
    pub(crate) fn checkpoint(&self, options: &[&str]) {
        let verb = [&["checkpoint"], options].concat();
        self.runtime.must(&self.words(&verb, &self.images()));
    }

    #[track_caller]
    pub(crate) fn restore(&self, options: &[&str]) {
        let bundle = self.bundle.to_string_lossy();
        let verb = [&["restore", "--detach", "--bundle", &bundle], options].concat();
        self.runtime.must(&self.words(&verb, &self.images()));
    }

    /// What its process may do, and what is mounted for it.
    pub(crate) fn fence(&self) -> Vec<String> {
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
