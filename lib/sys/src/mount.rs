//! What rustix lacks of the mount calls. Source: man 2 mount_setattr.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::mount::MountAttrFlags;

/// A change to a mount's attributes.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Attributes to be set.
    pub set: MountAttrFlags,
    /// The user namespace by which owners are mapped (`MOUNT_ATTR_IDMAP`).
    pub idmap: Option<BorrowedFd<'a>>,
    /// Whether mounts below are changed too.
    pub reach: Reach,
}

/// How far a change of attributes goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The mount alone.
    One,
    /// All mounts below it too.
    Tree,
}

/// Changes the attributes of the mount that `mount` stands for, and cuts it off from its peers
/// (`MS_PRIVATE`): nothing that is mounted below it travels.
///
/// # Errors
/// With `idmap`: `EINVAL` where the file system cannot be mapped, `EPERM` where it is mapped
/// already or the caller may not.
pub fn set_attributes(mount: impl AsFd, change: Change<'_>) -> io::Result<()> {
    let mut attr = libc::mount_attr {
        attr_set: u64::from(change.set.bits()),
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    if let Some(userns) = change.idmap {
        attr.attr_set |= libc::MOUNT_ATTR_IDMAP;
        attr.userns_fd = userns.as_raw_fd() as u64;
    }
    let reach = match change.reach {
        Reach::One => 0,
        Reach::Tree => libc::AT_RECURSIVE,
    };
    // SAFETY: the path is a C string, `attr` is a mount_attr of the size passed, which the kernel
    // only reads, and both descriptors are borrowed for the time of the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | reach,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
