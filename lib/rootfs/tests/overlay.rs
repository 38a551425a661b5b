//! The stack mounted by the kernel, and what a container writes to it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "common/bed.rs"]
mod bed;
#[path = "common/mod.rs"]
mod common;
#[path = "common/userns.rs"]
mod userns;

use std::os::fd::{AsFd, OwnedFd};

use bed::{Bed, Made, is_root};
use coffer_rootfs::{OverlayPlan, Upper};
use coffer_sys::exec::{Strings, execve};
use common::{Item, file, folder, symlink};
use rustix::fs::{self as rfs, AtFlags, Mode, OFlags};
use userns::{HOST, as_root_of, userns};

const CONTAINER: &str = "containers/c1";

/// Makes the container's folders, and gives the plan of its mount.
fn plan(bed: &Bed, made: &Made, owner: Option<(u32, u32)>) -> OverlayPlan {
    let data = bed.store.root();
    rfs::mkdirat(data, "containers", Mode::RWXU).ok();
    rfs::mkdirat(data, CONTAINER, Mode::RWXU).unwrap();
    let container = rfs::openat(data, CONTAINER, OFlags::DIRECTORY, Mode::empty()).unwrap();
    let upper = Upper::new(CONTAINER);
    upper.make(container.as_fd(), &made.stack).unwrap();
    OverlayPlan::new(&made.stack, bed.data(), Some(&upper), owner).unwrap()
}

fn owner_of(mount: &OwnedFd, path: &str) -> (u32, u32) {
    let stat = rfs::statat(mount, path, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    (stat.st_uid, stat.st_gid)
}

fn read(mount: &OwnedFd, path: &str) -> Option<String> {
    let fd = rfs::openat(mount, path, OFlags::RDONLY, Mode::empty()).ok()?;
    std::io::read_to_string(std::fs::File::from(fd)).ok()
}

/// Two layers with everything that the merge has to get right.
fn layers() -> [Vec<Item>; 2] {
    [
        vec![
            folder("./").mode(0o711).owner(1, 2),
            folder("a/"),
            file("a/gone", "1"),
            file("a/stays", "1").owner(5, 6),
            folder("b/"),
            file("b/hidden", "1"),
            folder("c/"),
            file("c/x", "1"),
            symlink("d", "a"),
        ],
        vec![
            file("a/.wh.gone", ""),
            folder("b/"),
            file("b/.wh..wh..opq", ""),
            file("b/new", "2"),
            file("c", "a file now"),
            folder("d/"),
            file("d/y", "2"),
        ],
    ]
}

#[test]
fn root_the_kernel_and_our_lookup_see_the_same() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let [one, two] = layers();
    let made = bed.make(&[&one, &two]);
    let mount = plan(&bed, &made, None).mount(None).unwrap();
    for path in ["a/gone", "a/stays", "b/hidden", "b/new", "c", "d/y", "d/stays"] {
        assert_eq!(read(&mount, path), made.read(path), "{path}");
    }
    assert_eq!(read(&mount, "c").as_deref(), Some("a file now"));
    assert_eq!(read(&mount, "b/hidden"), None);
    let root = rfs::fstat(&mount).unwrap();
    assert_eq!((root.st_mode & 0o7777, root.st_uid, root.st_gid), (0o711, 1, 2));
}

/// What a container's root may do with its files. No allocation: see `as_root_of`.
fn use_it(mount: &OwnedFd) -> Result<(), i32> {
    let at = |line: u32| move |_| i32::try_from(line).unwrap_or(0);
    let flags = OFlags::CREATE | OFlags::WRONLY;
    let new = rfs::openat(mount, c"new", flags, Mode::RWXU).map_err(at(line!()))?;
    rustix::io::write(&new, b"by the container").map_err(at(line!()))?;
    let owner = (Some(rustix::fs::Uid::from_raw(33)), Some(rustix::fs::Gid::from_raw(34)));
    rfs::fchown(&new, owner.0, owner.1).map_err(at(line!()))?;
    rfs::unlinkat(mount, c"a/stays", AtFlags::empty()).map_err(at(line!()))?;
    rfs::unlinkat(mount, c"b/new", AtFlags::empty()).map_err(at(line!()))?;
    rfs::unlinkat(mount, c"b", AtFlags::REMOVEDIR).map_err(at(line!()))?;
    rfs::mkdirat(mount, c"b", Mode::RWXU).map_err(at(line!()))?;
    let old = rfs::openat(mount, c"c", OFlags::WRONLY | OFlags::APPEND, Mode::empty());
    rustix::io::write(old.map_err(at(line!()))?, b"!").map_err(at(line!()))?;
    Ok(())
}

fn container_writes(bed: &Bed, plan: &OverlayPlan) {
    let userns = userns();
    let mount = plan.mount(Some(userns.as_fd())).unwrap();
    assert_eq!(owner_of(&mount, "a/stays"), (HOST + 5, HOST + 6));
    assert_eq!(owner_of(&mount, "."), (HOST + 1, HOST + 2));
    let status = as_root_of(userns.as_fd(), || use_it(&mount).err().unwrap_or(0));
    assert_eq!(status, Some(0), "the line of `use_it` that failed");
    assert_eq!(owner_of(&mount, "new"), (HOST + 33, HOST + 34));
    assert_eq!(read(&mount, "c").as_deref(), Some("a file now!"));
    assert_eq!(read(&mount, "a/stays"), None);
    // On disk the ids are those of the image, also of what overlay made for itself.
    let upper =
        rfs::openat(bed.store.root(), "containers/c1/upper", OFlags::DIRECTORY, Mode::empty());
    let upper = upper.unwrap();
    assert_eq!(owner_of(&upper, "new"), (33, 34));
    assert_eq!(owner_of(&upper, "c"), (0, 0));
    let whiteout = rfs::statat(&upper, "a/stays", AtFlags::SYMLINK_NOFOLLOW).unwrap();
    assert_eq!((whiteout.st_mode & 0o170_000, whiteout.st_rdev), (0o020_000, 0));
    assert_eq!(owner_of(&upper, "."), (1, 2));
}

#[test]
fn root_a_container_writes_through_mapped_ids() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let [one, two] = layers();
    let made = bed.make(&[&one, &two]);
    container_writes(&bed, &plan(&bed, &made, Some((HOST, HOST))));
    assert_eq!(
        rustix::process::dumpable_behavior().unwrap(),
        rustix::process::DumpableBehavior::Dumpable
    );
    assert!(rustix::process::geteuid().is_root());
}

#[test]
fn root_older_kernels_attach_the_layers_in_a_thread() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let [one, two] = layers();
    let made = bed.make(&[&one, &two]);
    let before = std::io::read_to_string(
        std::fs::OpenOptions::new().read(true).open("/proc/self/mountinfo").unwrap(),
    );
    container_writes(&bed, &plan(&bed, &made, Some((HOST, HOST))).for_older_kernels());
    let after = std::io::read_to_string(
        std::fs::OpenOptions::new().read(true).open("/proc/self/mountinfo").unwrap(),
    );
    assert_eq!(before.unwrap(), after.unwrap());
}

#[test]
fn root_without_an_upper_nothing_can_be_written() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let made = bed.make(&[&[file("f", "1"), folder("a/"), file("a/.wh.nothing", "")]]);
    for plan in [
        OverlayPlan::new(&made.stack, bed.data(), None, None).unwrap(),
        OverlayPlan::new(&made.stack, bed.data(), None, None).unwrap().for_older_kernels(),
    ] {
        let mount = plan.mount(None).unwrap();
        assert_eq!(read(&mount, "f").as_deref(), Some("1"));
        let write = rfs::openat(&mount, "f", OFlags::WRONLY, Mode::empty());
        assert_eq!(write.unwrap_err(), rustix::io::Errno::ROFS);
        assert!(rfs::statat(&mount, "a/nothing", AtFlags::empty()).is_err(), "a whiteout shows");
    }
}

#[test]
fn root_an_image_without_layers_is_an_empty_folder() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let made = bed.make(&[]);
    let userns = userns();
    let mount = plan(&bed, &made, Some((HOST, HOST))).mount(Some(userns.as_fd())).unwrap();
    assert_eq!(made.list(), [""; 0]);
    assert_eq!(owner_of(&mount, "."), (HOST, HOST));
}

#[test]
fn root_two_hundred_layers() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let layers: Vec<Vec<Item>> = (0..200)
        .map(|n| vec![file(format!("f{n}"), n.to_string()), file("last", n.to_string())])
        .collect();
    let layers: Vec<&[Item]> = layers.iter().map(Vec::as_slice).collect();
    let made = bed.make(&layers);
    let plan = plan(&bed, &made, None);
    let mount = plan.mount(None).unwrap();
    assert_eq!(read(&mount, "f0").as_deref(), Some("0"));
    assert_eq!(read(&mount, "last").as_deref(), Some("199"));
    let mount = plan.for_older_kernels().mount(None).unwrap();
    assert_eq!(read(&mount, "f0").as_deref(), Some("0"));
}

/// Run by the test below, from a file with a capability.
#[test]
#[ignore = "a program of another test"]
fn program_that_needs_its_file_capability() {
    let effective = rustix::thread::capabilities(None).unwrap().effective;
    assert_eq!(effective, rustix::thread::CapabilitySet::NET_BIND_SERVICE);
    assert_eq!(rustix::process::getuid().as_raw(), 33);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "this very program, by its magic link")]
fn root_a_file_capability_holds_under_mapped_ids() {
    if !is_root() {
        return;
    }
    // vfs_cap_data, version 2: CAP_NET_BIND_SERVICE, effective. It has no user namespace of its
    // own, so what it gives is decided by how its file is seen.
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let program = file("program", std::fs::read("/proc/self/exe").unwrap()).mode(0o755);
    let bed = Bed::new();
    let made = bed.make(&[&[program.xattr("security.capability", capability)]]);
    assert_eq!(made.xattr("program", "security.capability").as_deref(), Some(&capability[..]));
    let userns = userns();
    let mount = plan(&bed, &made, Some((HOST, HOST))).mount(Some(userns.as_fd())).unwrap();
    let program = rfs::openat(&mount, "program", OFlags::PATH, Mode::empty()).unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&program));
    let path = std::ffi::CString::new(path).unwrap();
    let name = c"program_that_needs_its_file_capability";
    let args = [c"program", c"--ignored", c"--exact", c"--quiet", name];
    let args = Strings::new(args.map(std::ffi::CStr::to_owned).to_vec());
    let none = Strings::new(Vec::new());
    // Files of mounts elsewhere have no capabilities, so it is attached first.
    let inside = || {
        let user = rustix::fs::Uid::from_raw(33);
        if rustix::thread::set_thread_res_uid(user, user, user).is_err() {
            return 97;
        }
        execve(&path, &args, &none).raw_os_error()
    };
    let status = userns::as_root_with_mount(userns.as_fd(), mount.as_fd(), inside);
    assert_eq!(status, Some(0));
}
