//! What rustix lacks of the mount calls. Source: man 2 mount_setattr.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::mount::MountAttrFlags;

/// The attributes of what only shows or hides something: no program, no device, no set-user-id.
pub const INERT: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// A change to a mount.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Attributes to be set.
    pub set: MountAttrFlags,
    /// Attributes to be cleared.
    pub clear: MountAttrFlags,
    /// How mounts below it travel from then on.
    pub travel: Travel,
    /// The user namespace by which owners are mapped (`MOUNT_ATTR_IDMAP`).
    pub idmap: Option<BorrowedFd<'a>>,
    /// Whether mounts below are changed too.
    pub reach: Reach,
}

impl Change<'_> {
    /// Sets attributes, and cuts the mount off from its peers.
    pub fn set(set: MountAttrFlags, reach: Reach) -> Self {
        Self { set, clear: MountAttrFlags::empty(), travel: Travel::Private, idmap: None, reach }
    }
}

/// Where what is mounted below a mount appears too. Source: man 7 mount_namespaces, "Shared
/// subtrees".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Travel {
    /// As before.
    #[default]
    Unchanged,
    /// Nowhere else.
    Private,
    /// Nowhere else; what is mounted on its master appears here.
    Slave,
    /// On all of its peers.
    Shared,
    /// Nowhere else, and nobody can bind it.
    Unbindable,
}

/// How far a change of attributes goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The mount alone.
    One,
    /// All mounts below it too.
    Tree,
}

/// How access times are kept. Source: linux/mount.h, `MOUNT_ATTR__ATIME`.
const ACCESS_TIME: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOATIME.union(MountAttrFlags::MOUNT_ATTR_STRICTATIME);

/// Changes the mount that `mount` stands for.
///
/// # Errors
/// With `idmap`: `EINVAL` where the file system cannot be mapped, `EPERM` where it is mapped
/// already or the caller may not.
pub fn set_attributes(mount: impl AsFd, change: Change<'_>) -> io::Result<()> {
    let mut attr = libc::mount_attr {
        attr_set: u64::from(change.set.bits()),
        attr_clr: u64::from(change.clear.bits()),
        propagation: match change.travel {
            Travel::Unchanged => 0,
            Travel::Private => libc::MS_PRIVATE,
            Travel::Slave => libc::MS_SLAVE,
            Travel::Shared => libc::MS_SHARED,
            Travel::Unbindable => libc::MS_UNBINDABLE,
        },
        userns_fd: 0,
    };
    // The three are values of one field, which the kernel only sets where it is cleared.
    if change.set.union(change.clear).intersects(ACCESS_TIME) {
        attr.attr_clr |= u64::from(MountAttrFlags::MOUNT_ATTR__ATIME.bits());
    }
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
