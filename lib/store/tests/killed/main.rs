//! kill -9 at every step.
//!
//! A child that works on a store is killed as it enters its n-th system call that changes
//! something, for every n, until it once comes to its end. What it leaves is checked, used and
//! collected. The child is this program itself, without the test harness.
#![expect(clippy::disallowed_methods, reason = "tests look at their own files by path")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::print_stdout, reason = "the harness would print this")]

#[path = "../face/common.rs"]
#[expect(dead_code, reason = "the other tests use the rest of it")]
mod common;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use coffer_oci::{Descriptor, Digest, MediaType};
use coffer_store::{Format, Repair, Store};
use coffer_tests::steps::{self, End, Victim};
use common::{Item, config, files, name, put_gzipped, put_image, tar};

/// Tells the child that it is one, and where its store is.
const ROOT: &str = "COFFER_TEST_ROOT";

fn main() {
    if let Some(root) = std::env::var_os(ROOT) {
        return work(&mut Store::open(root.as_ref()).unwrap());
    }
    // The kill-9 run is one test: named runs of others, and lists, are not its business.
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if named.is_none_or(|name| "killed_at_any_step_it_goes_on".contains(&name)) {
        killed_at_any_step_it_goes_on();
    }
}

fn killed_at_any_step_it_goes_on() {
    // In memory, where fsync costs nothing: a killed process loses no page of a file anywhere.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let root = folder.path().join("whole");
    work(&mut Store::open(&root).unwrap());
    let whole = files(&root);
    let program = std::env::current_exe().unwrap();
    let steps = steps::each(|step| {
        let root = folder.path().join(step.to_string());
        let mut child = Command::new(&program);
        child.env(ROOT, &root);
        let (end, outcome) = steps::kill_program_at(step, Victim::Command, &child, &program);
        assert!(end == End::Killed || outcome.status == 0, "step {step}: {outcome}");
        usable(&root, &whole);
        std::fs::remove_dir_all(root).unwrap();
        end
    });
    assert!(steps > 100, "only {steps} steps were found");
    println!("killed_at_any_step_it_goes_on: {steps} steps ... ok");
}

/// What a killed child left can be read, used and collected.
fn usable(root: &Path, whole: &BTreeSet<PathBuf>) {
    let mut store = Store::open(root).unwrap();
    let checked = store.check(Repair::Report).unwrap();
    assert!(checked.findings.is_empty(), "{:?}", checked.findings);
    for entry in store.images().unwrap() {
        store.image(&entry.descriptor).unwrap();
    }
    work(&mut store);
    drop(store);
    assert_eq!(files(root), *whole);
}

/// Everything that changes a store, one after another.
fn work(store: &mut Store) {
    let part = Descriptor::of(MediaType::OCI_LAYER, b"begun and finished");
    if let Some(mut writer) = store.writer(&part).unwrap() {
        writer.restart().unwrap();
        writer.write_all(b"begun and ").unwrap();
        drop(writer);
        let mut writer = store.writer(&part).unwrap().unwrap();
        assert_eq!(writer.offset(), 10);
        writer.write_all(b"finished").unwrap();
        writer.commit().unwrap();
    }
    let one = put_image(store, b"layer of one", 1);
    let two = put_gzipped(store, &[b"layer of two".to_vec()]);
    store.tag(&name("web:1"), &one).unwrap();
    store.tag(&name("web:2"), &two).unwrap();
    store.tag(&name("web:1"), &two).unwrap();
    store.untag(&name("web:2")).unwrap();
    let large = put_image(store, &vec![7; 200 << 10], 1);
    let mut archive = Vec::new();
    let platform = "linux/amd64".parse().unwrap();
    let images = [(Some(name("web:3")), large.clone()), (None, one.clone())];
    store.save(&images, &platform, Format::Docker, &mut archive).unwrap();
    store.exclusive().unwrap().prune(&[]).unwrap();
    store.load(&archive[..]).unwrap();
    store.load(&legacy()[..]).unwrap();
    store.keep_untagged(&two).unwrap();
    store.exclusive().unwrap().prune(std::slice::from_ref(&one)).unwrap();
}

/// What old dockers write, with a layer that is too large to be held in memory.
fn legacy() -> Vec<u8> {
    let layer = vec![9; (1 << 20) + 1];
    let manifest = r#"[{"Config":"c.json","RepoTags":["old:1"],"Layers":["l.tar"]}]"#;
    tar(&[
        Item::File("l.tar", &layer),
        Item::File("c.json", &config(&[Digest::of(&layer)])),
        Item::File("manifest.json", manifest.as_bytes()),
    ])
}
