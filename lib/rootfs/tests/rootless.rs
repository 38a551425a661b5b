//! Unpacking, mounting and removing as an ordinary user, with sub-ids that the test brings along.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "folders and files of the test's own, by path")]

#[path = "common/bed.rs"]
mod bed;
#[path = "common/mod.rs"]
mod common;

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use bed::{Bed, Made, chain, is_root};
use coffer_confine::ids::{self, in_user_namespace};
use coffer_rootfs::limits::Limits;
use coffer_rootfs::{Flavour, OverlayPlan, Report, Upper};
use coffer_store::Image;
use coffer_sys::{thread, tree, userns};
use common::{Item, file, folder, hard_link, symlink};
use rustix::fs::{self as rfs, AtFlags, Gid, Mode, OFlags, Uid};
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use rustix::process::{DumpableBehavior, WaitOptions, set_dumpable_behavior, waitpid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

const USER: u32 = 4321;
const SUB: u32 = 400_000;

/// Runs `work` as a user with 65,536 sub-ids, in a process with mounts of its own.
fn as_user(work: fn(&Path) -> Result<(), String>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("passwd"), "root:x:0:0::/:\nmallory:x:4321:4321::/:\n")
        .unwrap();
    std::fs::write(folder.path().join("ids"), format!("mallory:{SUB}:65536\n")).unwrap();
    let home = folder.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(USER), Some(USER)).unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let pid = userns::fork(|| {
        let done = become_user(folder.path())
            .map_err(|error| error.to_string())
            .and_then(|()| work(&home));
        done.map_or_else(
            |error| {
                eprintln!("{error}");
                1
            },
            |()| 0,
        )
    });
    let (_, status) = waitpid(Some(pid.unwrap()), WaitOptions::empty()).unwrap().unwrap();
    assert_eq!(status.exit_status(), Some(0));
}

fn become_user(files: &Path) -> io::Result<()> {
    thread::own_mounts()?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount_bind(files.join("passwd"), "/etc/passwd")?;
    for name in ["subuid", "subgid"] {
        let path = Path::new("/etc").join(name);
        mount_bind(files.join("ids"), &path)?;
    }
    let (user, group) = (Uid::from_raw(USER), Gid::from_raw(USER));
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    Ok(set_dumpable_behavior(DumpableBehavior::Dumpable)?)
}

fn can_map() -> bool {
    let needed = ["/usr/bin/newuidmap", "/etc/subuid", "/etc/subgid"];
    let there = needed.iter().all(|path| Path::new(path).try_exists().unwrap());
    if !there {
        eprintln!("needs newuidmap (Debian: uidmap): skipped");
    }
    there
}

fn bed(home: &Path) -> Bed {
    Bed::at(tempfile::tempdir_in(home).unwrap(), Flavour::User)
}

/// Unpacks inside, as `coffer` does, and opens the stack outside.
fn make(bed: &Bed, image: &Image) -> Result<Made, String> {
    let ids = ids::subid::of_caller().map_err(|error| chain(&error))?;
    let ensure = || {
        let layers = bed.layers();
        layers.ensure(&bed.store, image, &Limits::default(), &|_, _| {}).map(|(_, report)| report)
    };
    let report: Report = in_user_namespace(&ids, ensure).map_err(|error| chain(&error))?;
    let stack = bed.layers().stack(&image.config).map_err(|error| chain(&error))?;
    Ok(Made { stack: stack.unwrap(), report })
}

/// Removes everything inside, as the user alone cannot.
fn remove(bed: Bed) -> Result<(), String> {
    let ids = ids::subid::of_caller().map_err(|error| chain(&error))?;
    let root = bed.store.root();
    let work = || {
        ["layers", "containers"]
            .iter()
            .try_for_each(|name| tree::remove(root, name.as_ref()).map(drop))
    };
    in_user_namespace(&ids, work).map_err(|error| chain(&error))?;
    let Bed { folder, store, .. } = bed;
    drop(store);
    folder.close().map_err(|error| error.to_string())
}

const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn layers() -> [Vec<Item>; 2] {
    [
        vec![
            folder("./").mode(0o755),
            folder("a/").owner(33, 34).mode(0o700),
            file("a/f", "1").owner(33, 33).mode(0o4755).xattr("security.capability", CAPABILITY),
            file("a/gone", "1"),
            folder("b/"),
            file("b/hidden", "1"),
            file("top", "1").owner(65_535, 1),
            symlink("s", "a/f").owner(5, 6),
            Item::new(b'3', "null").device(1, 3),
            file("x", "")
                .xattr("trusted.t", "1")
                .xattr("user.u", "2")
                .xattr("user.overlay.opaque", "y"),
        ],
        vec![
            file("a/.wh.gone", ""),
            folder("b/"),
            file("b/.wh..wh..opq", ""),
            hard_link("link", "a/f"),
        ],
    ]
}

#[test]
fn root_a_user_unpacks_and_mounts() {
    if !is_root() || !can_map() {
        return;
    }
    as_user(|home| {
        let bed = bed(home);
        let [one, two] = layers();
        let made = make(&bed, &bed.image(&[&one, &two]))?;
        assert_eq!((made.report.devices_left_out, made.report.xattrs_left_out), (1, 1));
        // The folder of another of the container's users is closed to this one outside.
        let tree = made.stack.layers()[0].tree();
        assert_eq!(rfs::statat(tree, "a", AtFlags::empty()).unwrap().st_uid, SUB + 32);
        let top = made.stat("top").unwrap();
        assert_eq!(
            (top.st_uid, top.st_gid, made.read("top").as_deref()),
            (SUB + 65_534, SUB, Some("1"))
        );
        assert_eq!(made.xattr("x", "user.overlay.opaque"), None);
        assert_eq!(made.xattr("x", "user.u").as_deref(), Some(&b"2"[..]));
        let data = bed.store.root();
        rfs::mkdirat(data, "containers", Mode::RWXU).unwrap();
        rfs::mkdirat(data, "containers/c", Mode::RWXU).unwrap();
        let ids = ids::subid::of_caller().unwrap();
        in_user_namespace(&ids, || inside(&bed, &made)).map_err(|error| chain(&error))?;
        remove(bed)
    });
}

/// What coffer's child does: makes the container's folders, and mounts in namespaces of its own.
fn inside(bed: &Bed, made: &Made) -> io::Result<()> {
    thread::own_mounts()?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let upper = Upper::new("containers/c");
    let container =
        rfs::openat(bed.store.root(), "containers/c", OFlags::DIRECTORY, Mode::empty())?;
    upper.make(container.as_fd(), &made.stack).map_err(io::Error::other)?;
    let plan = || OverlayPlan::new(&made.stack, bed.data(), Some(&upper), None).unwrap();
    use_it(&plan(), "first")?;
    use_it(&plan().for_older_kernels(), "second")
}

fn use_it(plan: &OverlayPlan, new: &str) -> io::Result<()> {
    let mount = plan.mount(None)?;
    let owner = |path: &str| {
        rfs::statat(&mount, path, AtFlags::SYMLINK_NOFOLLOW)
            .map(|stat| (stat.st_uid, stat.st_mode & 0o7777))
    };
    assert_eq!(owner("a")?, (33, 0o700));
    assert_eq!(owner("link")?, (33, 0o4755));
    assert_eq!(owner("s")?.0, 5);
    for path in ["a/gone", "b/hidden", "null", new] {
        assert_eq!(owner(path).unwrap_err(), rustix::io::Errno::NOENT, "{path}");
    }
    let file = rfs::openat(&mount, "a/f", OFlags::RDONLY, Mode::empty())?;
    let mut value = [0; 64];
    let length = rfs::fgetxattr(&file, "security.capability", &mut value[..])?;
    assert_eq!(value[..length], CAPABILITY, "seen from inside it is as it was written");
    let made = rfs::openat(&mount, new, OFlags::CREATE | OFlags::WRONLY, Mode::RWXU)?;
    rfs::fchown(&made, Some(Uid::from_raw(33)), Some(Gid::from_raw(33)))?;
    if new == "first" {
        rfs::unlinkat(&mount, "top", AtFlags::empty())?;
    }
    assert!(owner("top").is_err());
    Ok(())
}

#[test]
fn root_a_user_has_no_ids_beyond_the_range() {
    if !is_root() || !can_map() {
        return;
    }
    as_user(|home| {
        let bed = bed(home);
        for item in [
            file("f", "").owner(70_000, 0),
            folder("d/").owner(0, 70_000),
            symlink("s", "x").owner(70_000, 0),
        ] {
            let error = make(&bed, &bed.image(&[&[item]])).err().unwrap();
            assert!(error.contains("your ids do not reach so far"), "{error}");
        }
        remove(bed)
    });
}
