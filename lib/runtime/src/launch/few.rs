//! Children whose mount namespace is a copy of one with few mounts.
//!
//! A new mount namespace is a copy of its maker's, a microsecond for each mount to make and to
//! take away, and a host may have thousands. The kernel keeps a small one, made right after the
//! first of all, in which the thread that fills devtmpfs is. The parent enters it for the moment in
//! which it clones, and comes back. What the child then mounts is all its own or the parent's, so
//! nothing on the way depends on what it copied. Source: linux/drivers/base/devtmpfs.c.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use coffer_sys::mount::INERT;
use coffer_sys::mount_namespace::MountNamespace;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountPropagationFlags, MoveMountFlags, fsconfig_create, fsmount,
    fsopen, mount_change, move_mount,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::plan::Plan;

/// From how many mounts on it is worth the way: measured, it takes as long as copying 23, and at 80
/// a fiftieth of a start is saved.
const MANY: u32 = 64;
/// The same for a child in a user namespace, where there is more to do.
const MANY_WITH_VIEWS: u32 = 96;
/// How many the small one has at the most.
const FEW: u32 = 4;
/// How many namespaces are looked at on the way to the first.
const FAR: usize = 128;
const FROM_FD: MoveMountFlags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
/// A folder of sysfs that nothing can be made in: where the control groups go.
const ALWAYS_EMPTY: &CStr = c"fs/cgroup";

/// The way to the namespace with few mounts, and back.
#[derive(Debug)]
pub(super) struct FewMounts {
    callers: MountNamespace,
    root: OwnedFd,
    folder: OwnedFd,
}

impl FewMounts {
    /// Enters the small namespace, where the plan's child can be born there and that is sooner done
    /// than copying the caller's. Says whether: the caller must then [leave](Self::leave) it before
    /// it does anything else.
    ///
    /// # Errors
    /// What the kernel says where there is no way back. Nothing more may be done then.
    pub(super) fn enter(plan: &Plan) -> rustix::io::Result<Option<Self>> {
        if plan.child_looks_at_host() {
            return Ok(None);
        }
        // Where it cannot be had (Linux before 6.12, rights that are missing) all is as ever.
        let Some((way, few)) = Self::find(plan.child_needs_views()) else { return Ok(None) };
        if enter(&few).is_err() {
            return Ok(None);
        }
        if plan.child_needs_views() && show_kernels().is_err() {
            way.leave()?;
            return Ok(None);
        }
        Ok(Some(way))
    }

    /// The way there and back.
    fn find(with_views: bool) -> Option<(Self, MountNamespace)> {
        let many = if with_views { MANY_WITH_VIEWS } else { MANY };
        let callers = MountNamespace::own().ok().filter(|own| own.mounts() >= many)?;
        let few = small(&callers).ok().flatten()?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, c"/", flags, Mode::empty()).ok()?;
        let folder = rustix::fs::openat(CWD, c".", flags, Mode::empty()).ok()?;
        Some((Self { callers, root, folder }, few))
    }

    /// Comes back, to the same root and folder.
    ///
    /// # Errors
    /// What the kernel says. Nothing more may be done then.
    pub(super) fn leave(&self) -> rustix::io::Result<()> {
        enter(&self.callers)?;
        rustix::process::fchdir(&self.root)?;
        rustix::process::chroot(c".")?;
        rustix::process::fchdir(&self.folder)
    }
}

/// Goes on into a copy of the small namespace with sysfs and proc in it, for a child in a user
/// namespace. A mount below hides nothing where its place is a folder that the kernel keeps empty:
/// so proc goes where sysfs has one. Nobody makes a user namespace below another root than that of
/// the mount namespace: that is sysfs now. Source: `current_chrooted` in linux/fs/namespace.c.
fn show_kernels() -> rustix::io::Result<()> {
    coffer_sys::namespace::unshare_mounts()?;
    mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let (sysfs, proc) = (whole(c"sysfs")?, whole(c"proc")?);
    move_mount(&sysfs, c"", CWD, c"/", FROM_FD)?;
    move_mount(&proc, c"", &sysfs, ALWAYS_EMPTY, FROM_FD)?;
    rustix::process::fchdir(&sysfs)?;
    rustix::process::chroot(c".")
}

/// A file system of the kernel's, attached nowhere.
fn whole(kind: &CStr) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, INERT)
}

/// The second mount namespace that was ever made, where it is as the kernel has made it. Nobody but
/// the host's root can have changed it.
fn small(own: &MountNamespace) -> rustix::io::Result<Option<MountNamespace>> {
    let mut first = None;
    for _ in 0..FAR {
        let at = first.as_ref().unwrap_or(own);
        match at.before()? {
            Some(before) => first = Some(before),
            None => {
                let second = at.after()?.filter(|second| second.mounts() <= FEW);
                return match second {
                    Some(second) if second.is_of_first_user_namespace()? => Ok(Some(second)),
                    _ => Ok(None),
                };
            }
        }
    }
    Ok(None)
}

fn enter(namespace: &MountNamespace) -> rustix::io::Result<()> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))
}
