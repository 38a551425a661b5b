//! Checkpoints through `ctr`, under our shim.

use std::fs;

use coffer_tests::containerd::Containerd;
use coffer_tests::criu::{COUNTER, Ear, criu};
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;

/// A containerd for containers that count.
struct Counting(Containerd, Ear);

impl Counting {
    fn new() -> Self {
        let containerd = Containerd::with(&BUSYBOX);
        let data = containerd.folder().join("data");
        fs::create_dir(&data).unwrap();
        Self(containerd, Ear::of(&data))
    }

    /// Flags with the volume for a count.
    fn mount(&self) -> String {
        let data = self.0.folder().join("data");
        format!("--mount=type=bind,src={},dst=/data,options=rbind:rw", data.display())
    }

    fn heard(&self) -> String {
        self.1.hears()
    }

    fn counts(&self, id: &str) -> String {
        self.0.must(&["task", "kill", "--signal", "SIGUSR1", id]);
        self.heard()
    }

    fn path(&self, name: &str) -> String {
        self.0.folder().join(name).to_string_lossy().into_owned()
    }
}

#[test]
fn root_a_container_goes_on_as_another_from_its_checkpoint() {
    if criu().is_none() {
        return;
    }
    let counting = Counting::new();
    let containerd = &counting.0;
    containerd.run(&["--detach", &counting.mount()], "one", &["sh", "-c", COUNTER]).success();
    assert_eq!(counting.heard(), "0\n");
    assert_eq!(counting.counts("one"), "1\n");
    let mut events = containerd.events();
    // ctr pauses it meanwhile.
    containerd.must(&["container", "checkpoint", "--image", "--rw", "--task", "one", "kept"]);
    let seen = events.until("/tasks/checkpointed");
    assert_eq!(seen.last().unwrap().1["container_id"], "one");
    assert_eq!(counting.counts("one"), "2\n", "it went on");
    containerd.remove("one");
    // Without a terminal ctr does not wait for the end.
    containerd.must(&["container", "restore", "--rw", "--live", "other", "kept"]);
    let started = events.until("/tasks/start");
    assert_eq!(started.last().unwrap().1["pid"], containerd.pid("other"));
    assert_eq!(containerd.status("other"), "RUNNING");
    assert_eq!(counting.counts("other"), "2\n", "this one is the earlier one");
    let exec = ["task", "exec", "--exec-id", "two", "other", "cat", "/proc/1/comm"];
    let outcome = program::run(&mut containerd.ctr(&exec));
    assert_eq!((outcome.status, &*outcome.stdout), (0, "sh\n"), "{outcome}");
    assert_eq!(events.until("/tasks/exit").last().unwrap().1["id"], "two");
    containerd.must(&["task", "kill", "--signal", "SIGKILL", "other"]);
    assert_eq!(events.until("/tasks/exit").last().unwrap().1["exit_status"], 137);
    containerd.remove("other");
    assert_eq!(containerd.leftovers(), [""; 0]);
}

#[test]
fn root_a_container_ends_with_its_checkpoint_where_it_is_told_to() {
    if criu().is_none() {
        return;
    }
    let counting = Counting::new();
    let containerd = &counting.0;
    containerd.call_ours_runcs();
    let said =
        containerd.run_theirs(&["--detach", &counting.mount()], "one", &["sh", "-c", COUNTER]);
    assert_eq!(said.status, 0, "{said}");
    assert_eq!(counting.heard(), "0\n");
    let mut events = containerd.events();
    let (images, work) = (counting.path("images"), counting.path("work"));
    let places = ["--image-path", &images, "--work-path", &work];
    containerd.must(&[&["task", "checkpoint", "--exit"], &places[..], &["one"]].concat());
    let ended = events.until("/tasks/exit");
    assert_eq!(ended.last().unwrap().1["exit_status"], 137);
    assert!(fs::exists(format!("{images}/inventory.img")).unwrap());
    assert!(fs::exists(format!("{work}/dump.log")).unwrap());
    containerd.must(&["task", "rm", "one"]);
    containerd.must(&["container", "rm", "one"]);
    assert_eq!(containerd.leftovers(), [""; 0]);
}

#[test]
fn root_a_restore_that_fails_says_why_and_leaves_nothing() {
    let Some(program) = criu() else { return };
    let counting = Counting::new();
    let containerd = &counting.0;
    containerd.run(&["--detach", &counting.mount()], "one", &["sh", "-c", COUNTER]).success();
    assert_eq!(counting.heard(), "0\n");
    containerd.must(&["container", "checkpoint", "--image", "--rw", "--task", "one", "kept"]);
    containerd.remove("one");
    fs::remove_file(counting.path("bin/criu")).unwrap();
    let said = program::run(&mut containerd.ctr(&[
        "container",
        "restore",
        "--rw",
        "--live",
        "other",
        "kept",
    ]));
    assert_ne!(said.status, 0);
    assert!(said.stderr.contains("install it, or name it with --criu FILE"), "{said}");
    std::os::unix::fs::symlink(program, counting.path("bin/criu")).unwrap();
    containerd.remove("other");
    assert_eq!(containerd.leftovers(), [""; 0]);
}
