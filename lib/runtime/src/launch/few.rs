//! Children whose mount namespace is a copy of one with few mounts.
//!
//! A new mount namespace is a copy of its maker's, a microsecond for each mount to make and to
//! take away, and a host may have thousands. The kernel keeps a small one, made right after the
//! first of all, in which the thread that fills devtmpfs is. The parent enters it for the moment in
//! which it clones, and comes back. What the child then mounts is all its own or the parent's, so
//! nothing on the way depends on what it copied. Source: linux/drivers/base/devtmpfs.c.

use std::os::fd::{AsFd, OwnedFd};

use coffer_sys::mount_namespace::MountNamespace;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::plan::Plan;

/// From how many mounts on it is worth the way: measured, it takes as long as copying 23, and at 80
/// a fiftieth of a start is saved.
const MANY: u32 = 64;
/// How many the small one has at the most.
const FEW: u32 = 4;
/// How many namespaces are looked at on the way to the first.
const FAR: usize = 128;

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
    pub(super) fn enter(plan: &Plan) -> Option<Self> {
        if plan.child_looks_at_host() {
            return None;
        }
        // Where it cannot be had (Linux before 6.12, rights that are missing) all is as ever.
        let callers = MountNamespace::own().ok().filter(|own| own.mounts() >= MANY)?;
        let few = small(&callers).ok().flatten()?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, c"/", flags, Mode::empty()).ok()?;
        let folder = rustix::fs::openat(CWD, c".", flags, Mode::empty()).ok()?;
        enter(&few).ok()?;
        Some(Self { callers, root, folder })
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
