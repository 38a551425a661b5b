//! A log, written and read as another crate would.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use coffer_runtime::log::{Follow, Line, Query, Rotation, Stream, Tag, Writer, read};
use coffer_runtime::state::{
    Containers, Draft, Exit, Locked, Outcome, Phase, ProcessId, Record, Removal, Running,
};
use coffer_sys::dir;
use jiff::Timestamp;

struct Scratch {
    _folder: tempfile::TempDir,
    containers: Containers,
    locked: Locked,
    record: Record,
}

fn scratch() -> Scratch {
    let folder = tempfile::tempdir().unwrap();
    let root: OwnedFd = dir::open(folder.path()).unwrap();
    let containers = Containers::open(root.as_fd()).unwrap();
    let draft = Draft {
        name: None,
        image: "busybox".to_owned(),
        manifest: None,
        command: Vec::new(),
        labels: BTreeMap::new(),
        removal: Removal::Keep,
    };
    let (locked, record) = containers.create(draft).unwrap();
    Scratch { _folder: folder, containers, locked, record }
}

impl Scratch {
    fn writer(&self, rotation: Rotation) -> Writer {
        Writer::new(self.locked.dir().try_clone_to_owned().unwrap(), rotation)
    }

    fn read(&self, query: &Query) -> Vec<String> {
        let mut lines = Vec::new();
        let mut sink = |line: &Line<'_>| {
            let end = if line.tag == Tag::Full { "" } else { "…" };
            lines.push(format!("{}{end}", String::from_utf8_lossy(line.bytes)));
            Ok(())
        };
        read(&self.locked, self.containers.boot(), query, &mut sink, &mut || Ok(())).unwrap();
        lines
    }

    fn set(&mut self, phase: Phase) {
        self.record.phase = phase;
        self.locked.save(&self.record).unwrap();
    }
}

#[test]
fn lines_come_back_over_all_files_in_their_order() {
    let scratch = scratch();
    assert!(scratch.read(&Query::default()).is_empty());
    let mut writer = scratch.writer(Rotation { bytes: 300, files: 9 });
    for n in 0..30 {
        let stream = if n % 2 == 0 { Stream::Stdout } else { Stream::Stderr };
        writer.write(stream, format!("{n}\n").as_bytes()).unwrap();
    }
    writer.write(Stream::Stdout, b"one\ntwo\nthr").unwrap();
    let all = scratch.read(&Query::default());
    let numbers: Vec<String> = (0..30).map(|n| n.to_string()).collect();
    assert_eq!(all[..30], numbers);
    assert_eq!(all[30..], ["one", "two", "thr…"]);
    let tail = scratch.read(&Query { tail: Some(3), ..Query::default() });
    assert_eq!(tail, ["29", "one", "two", "thr…"]);
}

#[test]
fn times_select() {
    let scratch = scratch();
    let mut writer = scratch.writer(Rotation::default());
    writer.write(Stream::Stdout, b"before\n").unwrap();
    let between = Timestamp::now();
    writer.write(Stream::Stdout, b"after\n").unwrap();
    let since = Query { since: Some(between), ..Query::default() };
    assert_eq!(scratch.read(&since), ["after"]);
    let until = Query { until: Some(between), ..Query::default() };
    assert_eq!(scratch.read(&until), ["before"]);
}

#[test]
fn following_loses_nothing_over_rotation_and_ends_with_the_container() {
    let mut scratch = scratch();
    let me = ProcessId::of(rustix::process::getpid(), scratch.containers.boot()).unwrap();
    let started = Timestamp::now();
    scratch.set(Phase::Running(Running { init: me.clone(), parent: me, started }));
    let mut writer = scratch.writer(Rotation { bytes: 2000, files: 50 });
    let dir = scratch.locked.dir().try_clone_to_owned().unwrap();
    let mut stopped = scratch.record.clone();
    let query = Query { follow: Follow::UntilStopped, ..Query::default() };
    let lines = std::thread::scope(|scope| {
        let reading = scope.spawn(|| scratch.read(&query));
        for n in 0..500 {
            writer.write(Stream::Stdout, format!("{n}\n").as_bytes()).unwrap();
        }
        let exit = Exit {
            outcome: Outcome::Exited(0),
            started: None,
            finished: Timestamp::now(),
            oom_killed: false,
            ended_for: None,
        };
        stopped.phase = Phase::Stopped(exit);
        let text = serde_json::to_vec(&stopped).unwrap();
        let mode = rustix::fs::Mode::RUSR;
        dir::write_whole(dir.as_fd(), "state.json", &text, mode, dir::Durability::Process).unwrap();
        reading.join().unwrap()
    });
    let numbers: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    assert_eq!(lines, numbers);
}
