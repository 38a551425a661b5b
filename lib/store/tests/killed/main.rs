//! kill -9 at every step.
//!
//! The steps are found by ptrace: a child that works on a store is killed as it enters its n-th
//! system call that changes a file, for every n, until it once comes to its end. What it leaves is
//! checked, used and collected. The child is this program itself, without the test harness, whose
//! threads ptrace would not see.
#![expect(clippy::disallowed_methods, reason = "tests look at their own files by path")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
#![expect(clippy::print_stdout, reason = "the harness would print this")]

#[path = "../face/common.rs"]
#[expect(dead_code, reason = "the other tests use the rest of it")]
mod common;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use coffer_oci::{Descriptor, Digest, MediaType};
use coffer_store::{Format, Repair, Store};
use common::{Item, config, files, name, put_gzipped, put_image, tar};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

/// Tells the child that it is one, and where its store is.
const ROOT: &str = "COFFER_TEST_ROOT";

fn main() {
    if let Some(root) = std::env::var_os(ROOT) {
        // From here on the parent counts.
        ptrace::traceme().unwrap();
        raise(Signal::SIGSTOP).unwrap();
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
    let mut steps = 0;
    loop {
        let root = folder.path().join(steps.to_string());
        if run_until(&root, steps + 1) {
            break;
        }
        usable(&root, &whole);
        std::fs::remove_dir_all(root).unwrap();
        steps += 1;
    }
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

/// Whether the child, which stands at a system call, is about to change a file.
fn changes_files(child: Pid) -> bool {
    #[cfg(target_arch = "x86_64")]
    let number = ptrace::getregs(child).unwrap().orig_rax as i64;
    #[cfg(target_arch = "aarch64")]
    let number = ptrace::getregs(child).unwrap().regs[8] as i64;
    [
        nix::libc::SYS_openat,
        nix::libc::SYS_openat2,
        nix::libc::SYS_write,
        nix::libc::SYS_ftruncate,
        nix::libc::SYS_fchmod,
        nix::libc::SYS_fsync,
        nix::libc::SYS_flock,
        nix::libc::SYS_mkdirat,
        nix::libc::SYS_renameat,
        nix::libc::SYS_renameat2,
        nix::libc::SYS_linkat,
        nix::libc::SYS_unlinkat,
    ]
    .contains(&number)
}

/// Runs the child and kills it at its `last`-th change. Says whether it came to its end before.
fn run_until(root: &Path, last: usize) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    #[expect(clippy::zombie_processes, reason = "waitpid below waits for it")]
    let child = child.env(ROOT, root).stdout(Stdio::null()).spawn().unwrap();
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    assert_eq!(waitpid(pid, None).unwrap(), WaitStatus::Stopped(pid, Signal::SIGSTOP));
    ptrace::setoptions(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD).unwrap();
    let (mut changes, mut entering) = (0, true);
    loop {
        ptrace::syscall(pid, None).unwrap();
        match waitpid(pid, None).unwrap() {
            WaitStatus::PtraceSyscall(_) => {
                changes += usize::from(entering && changes_files(pid));
                entering = !entering;
            }
            WaitStatus::Exited(_, code) => {
                assert_eq!(code, 0, "the child failed by itself");
                return true;
            }
            other => panic!("the child ended with {other:?}"),
        }
        if changes == last {
            kill(pid, Signal::SIGKILL).unwrap();
            assert!(matches!(waitpid(pid, None), Ok(WaitStatus::Signaled(..))));
            return false;
        }
    }
}
