//! What `checkpoint` and `restore` have for containers that move: memory over a socket, at once or
//! when it is wanted.

use std::fs::File;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use coffer_tests::oci::Runtime;
use coffer_tests::steps::{self, End, Victim};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::json;

use crate::counted::{COUNTER, Counted, criu};

/// A port that is free, below those that the kernel gives to whoever asks for any.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let next = std::iter::from_fn(|| Some(NEXT.fetch_add(1, Ordering::Relaxed)));
    next.take(10_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// A pipe whose writing end goes to children.
fn pipe() -> (File, OwnedFd) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    fcntl_setfd(writer.as_fd(), FdFlags::empty()).unwrap();
    (reader.into(), writer)
}

/// Waits for a zero byte.
#[track_caller]
fn ready(mut reader: File) {
    let mut byte = [1];
    reader.read_exact(&mut byte).unwrap();
    assert_eq!(byte, [0]);
}

/// A process that ends with the test, whatever becomes of it.
struct Beside(Child);

impl Beside {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    #[track_caller]
    fn succeeds(mut self) {
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Counted {
    /// A CRIU beside the runtime, which says on a pipe when it can be asked.
    fn beside(&self, words: &[&str]) -> (Beside, File) {
        let (reader, writer) = pipe();
        let number = writer.as_raw_fd().to_string();
        let mut criu = Command::new(&self.criu);
        criu.args(words).args(["--status-fd", &number, "--images-dir", &self.images()]);
        (Beside::start(&mut criu), reader)
    }
}

#[test]
fn root_memory_goes_to_a_server() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "server", |_| ());
    counted.start();
    assert_eq!(counted.counts(), "1\n");
    std::fs::create_dir(counted.images()).unwrap();
    let port = port().to_string();
    let words = ["page-server", "--address", "127.0.0.1", "--port", &port];
    let (server, serves) = counted.beside(&words);
    ready(serves);
    counted.checkpoint(&["--page-server", &format!("127.0.0.1:{port}")]);
    server.succeeds();
    counted.restore(&[]);
    assert_eq!(counted.counts(), "2\n", "its memory was with the server");
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

#[test]
fn root_memory_is_served_to_whoever_restores_lazily() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "lazy", |_| ());
    counted.start();
    assert_eq!(counted.counts(), "1\n");
    let (images, port) = (counted.images(), port());
    let (reader, writer) = pipe();
    let (server, number) = (format!("127.0.0.1:{port}"), writer.as_raw_fd().to_string());
    let verb = ["checkpoint", "--lazy-pages", "--page-server", &server, "--status-fd", &number];
    let mut dump = counted.runtime.command(&counted.words(&verb, &images));
    let dump = Beside::start(dump.stderr(Stdio::null()));
    drop(writer);
    ready(reader);
    let bundle = counted.bundle.to_string_lossy();
    let verb = ["restore", "--detach", "--lazy-pages", "--bundle", &bundle];
    let other = counted.runtime.run(&counted.words(&verb, &images));
    assert!(other.failure(1).contains("exists"), "the first one is still there");
    drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
    dump.succeeds();
    assert_eq!(counted.runtime.status(&counted.id), "none", "whoever asked has what he wanted");
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

/// Whether CRIU can do something on this kernel.
fn can(criu: &Path, feature: &str) -> bool {
    let check = Command::new(criu).args(["check", "--feature", feature]).output();
    check.unwrap().status.success()
}

#[test]
fn root_memory_comes_when_it_is_wanted() {
    let Some(criu) = criu() else { return };
    if !can(&criu, "uffd") {
        eprintln!("skipped: this kernel has no userfaultfd");
        return;
    }
    let counted = Counted::new(&criu, "wanted", |_| ());
    counted.start();
    assert_eq!(counted.counts(), "1\n");
    counted.checkpoint(&[]);
    let (server, serves) = counted.beside(&["lazy-pages"]);
    ready(serves);
    counted.restore(&["--lazy-pages"]);
    assert_eq!(counted.counts(), "2\n", "its memory is there when it looks at it");
    server.succeeds();
    assert_eq!(counted.counts(), "3\n", "and afterwards");
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

#[test]
fn root_a_restore_that_waits_for_memory_may_be_killed_anywhere() {
    let Some(criu) = criu() else { return };
    if !can(&criu, "uffd") {
        eprintln!("skipped: this kernel has no userfaultfd");
        return;
    }
    let counted = Counted::new(&criu, "killed", |_| ());
    counted.start();
    counted.checkpoint(&[]);
    let (bundle, images) = (counted.bundle.to_string_lossy(), counted.images());
    let verb = ["restore", "--detach", "--lazy-pages", "--bundle", &bundle];
    let last = steps::each(|step| {
        let (server, serves) = counted.beside(&["lazy-pages"]);
        ready(serves);
        let command = counted.runtime.command(&counted.words(&verb, &images));
        let (end, outcome) = steps::kill_at(step, Victim::Command, &command);
        assert!(end == End::Killed || outcome.status == 0, "step {step}: {outcome}");
        drop(server);
        let left = counted.runtime.leftovers();
        assert!(left.is_empty(), "after a kill at step {step}: {left:#?}");
        end
    });
    assert!(last > 3, "no more than {last} steps");
}

#[test]
fn root_a_restore_asks_who_serves_memory() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "asks", |_| ());
    counted.start();
    counted.checkpoint(&[]);
    let (bundle, images) = (counted.bundle.to_string_lossy(), counted.images());
    let verb = ["restore", "--detach", "--lazy-pages", "--bundle", &bundle];
    let said = counted.runtime.run(&counted.words(&verb, &images)).failure(1);
    assert!(said.contains("uffd"), "nobody listens at lazy-pages.socket: {said}");
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

#[test]
fn root_what_is_paused_is_checkpointed_and_what_is_unlinked_comes_back() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "paused", |config| {
        let line = format!("exec 7>/data/gone; ln /data/gone /data/kept; rm /data/gone; {COUNTER}");
        config["process"]["args"] = json!(["sh", "-c", line]);
    });
    counted.start();
    assert_eq!(counted.counts(), "1\n");
    counted.runtime.must(&["pause", &counted.id]);
    let images = counted.images();
    let said = counted.runtime.run(&counted.words(&["checkpoint"], &images)).failure(1);
    assert!(said.contains("link-remap"), "{said}");
    assert_eq!(counted.runtime.status(&counted.id), "paused", "it stays as it was");
    counted.checkpoint(&["--link-remap", "--tcp-skip-in-flight"]);
    counted.restore(&[]);
    assert_eq!(counted.counts(), "2\n");
    assert_eq!(counted.runtime.leftovers(), [""; 0]);
}

#[test]
fn root_memory_alone_is_written_ahead_where_the_kernel_tracks_it() {
    let Some(criu) = criu() else { return };
    let counted = Counted::new(&criu, "ahead", |_| ());
    counted.start();
    let tracked = can(&criu, "mem_dirty_track");
    let ahead = counted.runtime.folder().join("ahead").to_string_lossy().into_owned();
    let said = counted.runtime.run(&counted.words(&["checkpoint", "--pre-dump"], &ahead));
    if !tracked {
        let said = said.failure(1);
        assert!(said.contains("cannot track which memory changes"), "{said}");
        return;
    }
    assert_eq!(said.status, 0, "{said}");
    assert_eq!(counted.counts(), "1\n", "it goes on");
    counted.checkpoint(&["--parent-path", "../ahead"]);
    counted.restore(&[]);
    assert_eq!(counted.counts(), "2\n");
}

#[test]
fn options_that_cannot_be_meant_are_refused_by_name() {
    let runtime = Runtime::ours();
    let bundle = runtime.bundle("true", |_| ()).to_string_lossy().into_owned();
    let images = runtime.folder().join("images").to_string_lossy().into_owned();
    let common = ["--criu", "/nowhere/criu"];
    for (verb, options) in [
        ("checkpoint", &["--page-server", "nowhere"][..]),
        ("checkpoint", &["--page-server", ":80"]),
        ("checkpoint", &["--page-server", "::1:80"]),
        ("checkpoint", &["--page-server", "127.0.0.1:0"]),
        ("checkpoint", &["--status-fd", "9"]),
        ("checkpoint", &["--status-fd", "99", "--lazy-pages"]),
        ("checkpoint", &["--manage-cgroups-mode", "some"]),
        ("restore", &["--no-pivot", "--bundle", &bundle]),
        ("restore", &["--lsm-profile", "some", "--bundle", &bundle]),
        ("restore", &["--empty-ns", "pid", "--bundle", &bundle]),
    ] {
        let words = [&common, &[verb, "--image-path", &images][..], options, &["some"]].concat();
        let said = runtime.run(&words).failure(1);
        assert!(said.contains(options[0]), "{options:?}: {said}");
    }
}
