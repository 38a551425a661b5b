//! Work in user namespaces, as root with a range and as an ordinary user with sub-ids.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "helpers of tests, and a folder of their own"
)]

use std::io;
use std::path::Path;

use coffer_confine::ids::{self, IdMap, InsideError, in_user_namespace};
use coffer_sys::userns;
use rustix::fs::{CWD, Gid, Mode, OFlags, Uid, fchown, openat};
use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use rustix::process::{
    DumpableBehavior, WaitOptions, geteuid, getgid, getuid, set_dumpable_behavior, waitpid,
};
use rustix::thread::{UnshareFlags, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

fn root() -> bool {
    let root = geteuid().is_root();
    if !root {
        println!("skipped: needs root");
    }
    root
}

/// Who the process is, and whether it may give a file to another of the container's users.
fn probe() -> Result<(u32, u32, bool), io::Error> {
    let file = openat(CWD, "/dev/shm", OFlags::TMPFILE | OFlags::RDWR, Mode::RWXU)?;
    let given = fchown(&file, Some(Uid::from_raw(33)), Some(Gid::from_raw(33))).is_ok();
    Ok((getuid().as_raw(), getgid().as_raw(), given))
}

#[test]
fn root_is_root_of_its_range() {
    if !root() {
        return;
    }
    let map = IdMap::contiguous(0x7000_0000, 65_536);
    assert_eq!(in_user_namespace(&map, probe).unwrap(), (0, 0, true));
}

#[test]
fn root_gets_the_works_error_with_its_causes() {
    if !root() {
        return;
    }
    let map = IdMap::contiguous(0x7000_0000, 65_536);
    let error = in_user_namespace(&map, || Err::<(), _>(io::Error::other("no such luck")));
    assert_eq!(error.unwrap_err().to_string(), "no such luck");
    let died = in_user_namespace(&map, || -> io::Result<()> { std::process::exit(7) });
    let message = died.unwrap_err().to_string();
    assert_eq!(message, "the process in the user namespace ended with status 7 and no answer");
}

#[test]
fn root_is_told_of_a_map_that_is_refused() {
    if !root() {
        return;
    }
    let error = in_user_namespace(&IdMap::default(), probe).unwrap_err();
    assert!(matches!(error, InsideError::Ids(_)), "{error:?}");
}

/// Runs `work` as the user 4321 in a mount namespace in which `/etc` has these three files.
fn as_user(sub_ids: &str, work: fn() -> Result<(), String>) -> Option<i32> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("passwd", "root:x:0:0::/:\nmallory:x:4321:4321::/:\n"),
        ("subuid", sub_ids),
        ("subgid", sub_ids),
    ] {
        write(&folder.path().join(name), text);
    }
    let pid = userns::fork(|| {
        match become_user(folder.path()).map_err(|e| e.to_string()).and_then(|()| work()) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("{error}");
                1
            }
        }
    });
    let waited = waitpid(Some(pid.unwrap()), WaitOptions::empty()).unwrap();
    waited.and_then(|(_, status)| status.exit_status())
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[expect(deprecated, reason = "NEWNS alone is sound, and tests have no unsafe code")]
fn become_user(files: &Path) -> io::Result<()> {
    // The child has one thread and shares nothing with the test but descriptors.
    rustix::thread::unshare(UnshareFlags::NEWNS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    for name in ["passwd", "subuid", "subgid"] {
        mount_bind(files.join(name), Path::new("/etc").join(name))?;
    }
    let (user, group) = (Uid::from_raw(4321), Gid::from_raw(4321));
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    // A user who has logged in owns its own files in /proc; one who was root a moment ago does not.
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    Ok(())
}

#[test]
fn root_as_an_ordinary_user_with_sub_ids() {
    if !root() {
        return;
    }
    if !Path::new("/usr/bin/newuidmap").try_exists().unwrap() {
        return println!("skipped: needs newuidmap (Debian: uidmap)");
    }
    let status = as_user("mallory:400000:65536\n", || {
        let map = ids::subid::of_caller().map_err(|e| e.to_string())?;
        let seen = in_user_namespace(&map, probe).map_err(|e| format!("{e}: {e:?}"))?;
        if seen == (0, 0, true) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    assert_eq!(status, Some(0));
}

#[test]
fn root_as_an_ordinary_user_without_sub_ids() {
    if !root() {
        return;
    }
    let status = as_user("others:400000:65536\n", || {
        let error = ids::subid::of_caller().unwrap_err();
        let expected = "mallory has no ids to lend to containers in /etc/subuid";
        if error.to_string() != expected || error.help().is_none() {
            return Err(error.to_string());
        }
        let seen = in_user_namespace(&ids::caller_alone(), probe).map_err(|e| format!("{e:?}"))?;
        if seen == (0, 0, false) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    assert_eq!(status, Some(0));
}

/// Sub-ids that are somebody else's: the helper refuses, and its words come through.
#[test]
fn root_as_an_ordinary_user_with_ids_of_others() {
    if !root() || !Path::new("/usr/bin/newuidmap").try_exists().unwrap() {
        return;
    }
    let status = as_user("mallory:400000:65536\n", || {
        let mut map = ids::subid::of_caller().map_err(|e| e.to_string())?;
        map.uids[1].host = 500_000;
        match in_user_namespace(&map, probe) {
            Err(InsideError::Ids(error)) if error.to_string().contains("newuidmap refused") => {
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    });
    assert_eq!(status, Some(0));
}
