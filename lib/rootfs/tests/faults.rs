//! Several at once, killed at any moment, and a full disk.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

#[path = "common/bed.rs"]
mod bed;
#[path = "common/mod.rs"]
mod common;

use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bed::{Bed, chain, is_root};
use coffer_rootfs::limits::Limits;
use coffer_rootfs::{Event, Flavour, Layers};
use coffer_store::{Image, Store};
use coffer_sys::{dir, userns};
use common::{Item, file, folder, hard_link};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open, waitpid};

/// Three layers of many files; the upper ones need what is below them.
fn layers(files: usize) -> Vec<Vec<Item>> {
    (0..3)
        .map(|layer| {
            let mut items: Vec<Item> = (0..files)
                .flat_map(|n| {
                    let name = format!("d{layer}/s{}/f{n}", n % 17);
                    [file(name, vec![b'x'; 100]).owner(n as u64, 7)]
                })
                .collect();
            if layer > 0 {
                items.push(hard_link(format!("link{layer}"), "d0/s0/f0"));
                items.push(file(format!("d{}/.wh.s1", layer - 1), ""));
            } else {
                items.push(folder("./").mode(0o700));
            }
            items
        })
        .collect()
}

fn image(bed: &Bed, files: usize) -> Image {
    let layers = layers(files);
    bed.image(&layers.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// A data root in memory: what is tested is not the disk.
fn in_memory() -> Bed {
    Bed::at(tempfile::tempdir_in("/dev/shm").unwrap(), Flavour::Root)
}

/// What must be there at the end, however it came about.
fn check(bed: &Bed, image: &Image, files: usize) {
    let made = bed.ensure(image, &Limits::default()).unwrap();
    let hidden = (0..files).filter(|n| n % 17 == 1).count();
    let lines = made.list();
    let files_there =
        lines.iter().filter(|line| line.contains("/f") && line.contains("leaf")).count();
    assert_eq!(files_there, 3 * files - 2 * hidden);
    assert_eq!(made.stat("link2").unwrap().st_size, 100);
    let mut names: Vec<_> = dir::entries(dir::open(&bed.data().join("layers")).unwrap().as_fd())
        .unwrap()
        .into_iter()
        .map(|entry| entry.name.into_string().unwrap())
        .collect();
    names.retain(|name| name.starts_with("tmp-"));
    assert_eq!(names, [""; 0], "left over");
}

#[test]
fn root_a_layer_is_made_once_whoever_wants_it() {
    if !is_root() {
        return;
    }
    let bed = in_memory();
    let image = image(&bed, 300);
    let made = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                // A store and a folder of its own, as in another process: locks are per open file.
                let store = Store::open(bed.data()).unwrap();
                let layers = Layers::open(store.root(), Flavour::Root).unwrap();
                let count = |_: &_, event| {
                    if matches!(event, Event::Done(_)) {
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                };
                let (stack, _) = layers.ensure(&store, &image, &Limits::default(), &count).unwrap();
                assert_eq!(stack.layers().len(), 3);
            });
        }
    });
    assert_eq!(made.into_inner(), 3);
    check(&bed, &image, 300);
}

#[test]
fn root_a_layer_of_another_boot_is_made_again_unless_the_disk_has_it() {
    if !is_root() {
        return;
    }
    let bed = in_memory();
    let image = image(&bed, 20);
    bed.ensure(&image, &Limits::default()).unwrap();
    let layers = dir::open(&bed.data().join("layers")).unwrap();
    let name = image.config.chain_ids()[1].hex().to_owned();
    let layer = dir::open_at(layers.as_fd(), &name).unwrap();
    // As after a power failure: the mark of another boot, and a file without its content.
    dir::remove_file(layer.as_fd(), "unsynced").unwrap();
    rustix::fs::symlinkat("another boot", &layer, "unsynced").unwrap();
    let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::TRUNC;
    rustix::fs::openat(&layer, "tree/d1/s0/f0", flags, rustix::fs::Mode::empty()).unwrap();
    assert!(bed.layers().stack(&image.config).unwrap().is_none());
    check(&bed, &image, 20);
    let made = bed.ensure(&image, &Limits::default()).unwrap();
    assert_eq!(made.read("d1/s0/f0").map(|text| text.len()), Some(100));
}

/// Kills a child that unpacks after `delay`; says whether it was done before.
fn kill_after(bed: &Bed, image: &Image, delay: Duration) -> bool {
    let pid = userns::fork(|| i32::from(bed.ensure(image, &Limits::default()).is_err())).unwrap();
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let delay = Timespec {
        tv_sec: delay.as_secs().try_into().unwrap(),
        tv_nsec: i64::from(delay.subsec_nanos()),
    };
    let ended = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&delay)).unwrap() > 0;
    kill_process(pid, Signal::KILL).unwrap();
    let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
    assert!(!ended || status.exit_status() == Some(0));
    ended
}

#[test]
fn root_killed_at_any_moment_nothing_is_lost() {
    if !is_root() {
        return;
    }
    let bed = in_memory();
    let image = image(&bed, 500);
    let mut delay = Duration::from_micros(200);
    while !kill_after(&bed, &image, delay) {
        // A layer that has its name is whole, whatever happened to the others.
        if let Some(stack) = bed.layers().stack(&image.config).unwrap() {
            assert_eq!(stack.layers().len(), 3);
        }
        if delay.subsec_micros().is_multiple_of(4) {
            bed.layers().prune(&|_| true).unwrap();
        }
        delay = delay * 6 / 5;
        assert!(delay < Duration::from_secs(60), "it is never done");
    }
    check(&bed, &image, 500);
    // Kills of a first attempt, each on an empty folder.
    for step in 0..12 {
        bed.layers().prune(&|_| false).unwrap();
        kill_after(&bed, &image, Duration::from_millis(1 + step * 4));
        check(&bed, &image, 500);
    }
}

#[test]
fn root_a_full_disk_leaves_nothing() {
    if !is_root() {
        return;
    }
    let fs = rustix::mount::fsopen("tmpfs", rustix::mount::FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
    rustix::mount::fsconfig_set_string(&fs, "size", "4m").unwrap();
    rustix::mount::fsconfig_create(&fs).unwrap();
    let flags = rustix::mount::FsMountFlags::FSMOUNT_CLOEXEC;
    let disk = rustix::mount::fsmount(&fs, flags, rustix::mount::MountAttrFlags::empty()).unwrap();
    let path = format!("/proc/self/fd/{}", disk.as_raw_fd());
    let folder = tempfile::tempdir_in(Path::new(&path)).unwrap();
    let bed = Bed::at(folder, Flavour::Root);
    let zeros = common::archive(&[file("a/big", vec![0; 6 << 20])]);
    let blob = (
        common::zstd(&zeros),
        coffer_oci::MediaType::OCI_LAYER_ZSTD,
        coffer_oci::Digest::of(&zeros),
    );
    let image = bed.image_of(&[blob]);
    let error = chain(&bed.ensure(&image, &Limits::default()).err().unwrap());
    assert!(error.contains("cannot write a/big") && error.contains("No space left"), "{error}");
    let free = || {
        let stat = rustix::fs::fstatvfs(&disk).unwrap();
        stat.f_bavail * stat.f_frsize
    };
    // The children of other tests have a copy of the open file for a moment.
    let until = Instant::now() + Duration::from_secs(60);
    while free() <= 3 << 20 {
        assert!(Instant::now() < until, "{} bytes are free", free());
        std::thread::yield_now();
    }
}
