//! Mounting. Where a mount namespace of its own can be had, it happens in there.

use coffer_sys::attempt::{Call, attempt};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, UnmountFlags,
    fsconfig_create, fsmount, fsopen, mount, mount_bind, mount_change, mount_remount, unmount,
};

use super::{Tried, call, files, refused};

/// Leaves the container's mounts alone, where that can be had.
fn apart() {
    if attempt(Call::UNSHARE_MOUNT).is_ok() {
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        // Where this fails, what follows shows what the container allows.
        mount_change("/", private).unwrap_or_default();
    }
}

/// Mounts a file system of this kind on `/tmp`, which every image has, or on its root.
pub(crate) fn of_kind(kind: &str, data: &std::ffi::CStr) -> Tried {
    apart();
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("none", "/dev/shm", kind, flags, data)?;
    Ok(format!("mounted {kind}"))
}

/// Shows a folder at another place.
pub(crate) fn bind() -> Tried {
    apart();
    mount_bind("/proc", "/dev/shm")?;
    Ok("bound /proc to /dev/shm".to_owned())
}

/// Makes a path that cannot be written writable.
pub(crate) fn writable(path: &str) -> Tried {
    apart();
    mount_remount(path, MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV, c"")?;
    Ok(format!("{path} can be written"))
}

/// Uncovers a path, and reads what was below.
pub(crate) fn uncover(path: &str) -> Tried {
    apart();
    unmount(path, UnmountFlags::DETACH)?;
    files::says(path)
}

/// Has mounts travel between namespaces.
pub(crate) fn share() -> Tried {
    apart();
    mount_change("/", MountPropagationFlags::SHARED)?;
    Ok("the root is shared".to_owned())
}

/// A file system by the newer calls, attached nowhere.
pub(crate) fn new_api(kind: &str) -> Tried {
    let fs = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&fs)?;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    Ok(format!("made {kind}"))
}

/// In a user namespace of its own: what several ways out of a container began with.
pub(crate) fn as_new_user(kind: &str, data: &std::ffi::CStr) -> Tried {
    attempt(Call::UNSHARE_USER_CGROUP)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    of_kind(kind, data)
}

/// In a user namespace of its own, a file system by the newer calls.
pub(crate) fn opened_as_new_user() -> Tried {
    attempt(Call::UNSHARE_USER_MOUNT)?;
    new_api("tmpfs")
}

/// Another root, and then the old one by a way that it does not cover.
pub(crate) fn leaves_root(secret: &str) -> Tried {
    let below = "/tmp/coffer-audit-root";
    std::fs::create_dir(below)?;
    let chrooted = rustix::process::chroot(below);
    // It is empty still, and gone with the container otherwise.
    std::fs::remove_dir(below).unwrap_or_default();
    chrooted?;
    let up = "../".repeat(32);
    let text = files::read(&format!("{up}{secret}"), 256);
    match text {
        Ok(text) => Ok(text),
        Err(_) => refused("the folder above is the container's root"),
    }
}

/// Another root, for itself.
pub(crate) fn changes_root() -> Tried {
    rustix::process::chroot("/tmp")?;
    Ok("changed the root".to_owned())
}

/// Joins the namespace of the first process.
pub(crate) fn joins(name: &str) -> Tried {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    let path = format!("/proc/1/ns/{name}");
    let fd = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
    rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&fd), None)?;
    Ok(format!("joined {name}"))
}

/// Has every capability in a user namespace of its own.
pub(crate) fn maps_itself() -> Tried {
    let user = rustix::process::geteuid().as_raw();
    attempt(Call::UNSHARE_USER)?;
    let map = std::fs::OpenOptions::new().write(true).open("/proc/self/uid_map");
    std::io::Write::write_all(&mut map?, format!("0 {user} 1").as_bytes())?;
    call(Call::UNSHARE_MOUNT)
}
