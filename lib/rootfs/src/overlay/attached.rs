//! The mount on kernels before 6.15, which take layers by path, and attached ones only.
//!
//! mount(2) has 4096 bytes for all options, so layers are named by the magic links of their fds:
//! about 220 of them fit. As root, the mapped mounts are attached in a mount namespace that lasts
//! as long as a thread. Inside a container's namespaces they are attached in its own, below a
//! tmpfs that goes away again. Linux 5.19 is the oldest for mapped layers, 5.11 for users.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use coffer_sys::thread::own_mounts;
use rustix::fs::{CWD, Mode};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    UnmountFlags, fsconfig_create, fsmount, fsopen, mount, mount_change, move_mount, open_tree,
    unmount,
};

use super::detached::{CLONE, LAYERS, below, seen};
use super::{OverlayPlan, Paths};
use crate::Flavour;

impl OverlayPlan {
    pub(super) fn mount_attached(&self, idmap: Option<BorrowedFd<'_>>) -> io::Result<OwnedFd> {
        if self.flavour == Flavour::User {
            return self.mount_here(idmap);
        }
        let thread = || {
            own_mounts()?;
            mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
            self.mount_here(idmap)
        };
        std::thread::scope(|scope| {
            let panicked = |_| io::Error::other("the thread that mounts has panicked");
            scope.spawn(thread).join().map_err(panicked)?
        })
    }

    /// Mounts in the current mount namespace, which nobody else looks into.
    fn mount_here(&self, idmap: Option<BorrowedFd<'_>>) -> io::Result<OwnedFd> {
        let place = scratch()?;
        let mounted = self.mount_at(place.as_fd(), idmap);
        unmount(fd_path(place.as_fd()), UnmountFlags::DETACH)?;
        mounted
    }

    fn mount_at(
        &self,
        place: BorrowedFd<'_>,
        idmap: Option<BorrowedFd<'_>>,
    ) -> io::Result<OwnedFd> {
        let root = self.open_root()?;
        let layers = attached(below(root.as_fd(), LAYERS)?, idmap, place, c"layers")?;
        // These fds live until the mount is made, since the options name them.
        let lowers = self.lowers.iter().map(|path| below(layers.as_fd(), path));
        let lowers: Vec<OwnedFd> = lowers.collect::<io::Result<_>>()?;
        let upper = match &self.upper {
            None => None,
            Some(Paths { folder, upper, work }) => {
                let folder = attached(below(root.as_fd(), folder)?, idmap, place, c"container")?;
                Some((below(folder.as_fd(), upper)?, below(folder.as_fd(), work)?))
            }
        };
        let options = CString::new(self.all_options(&lowers, upper.as_ref()))?;
        let point = folder(place, c"merged")?;
        let mut flags = MountFlags::NODEV;
        flags.set(MountFlags::RDONLY, self.upper.is_none());
        let point = fd_path(point.as_fd());
        let make = || Ok(mount(c"overlay", point, c"overlay", flags, options.as_c_str())?);
        self.as_owner(idmap, make)?;
        Ok(open_tree(place, c"merged", CLONE)?)
    }

    fn all_options(&self, lowers: &[OwnedFd], upper: Option<&(OwnedFd, OwnedFd)>) -> String {
        let lowers: Vec<String> = lowers.iter().map(|fd| fd_path(fd.as_fd())).collect();
        let mut options = format!("lowerdir={}", lowers.join(":"));
        if let Some((upper, work)) = upper {
            let (upper, work) = (fd_path(upper.as_fd()), fd_path(work.as_fd()));
            options += &format!(",upperdir={upper},workdir={work}");
        }
        for (name, value) in self.options() {
            options += &format!(",{name}={value}");
        }
        if let Some(context) = &self.context {
            // Its categories have a comma between them.
            options += &format!(",context=\"{}\"", context.to_string_lossy());
        }
        if self.flavour == Flavour::User {
            options += ",userxattr";
        }
        options
    }
}

/// The folder as it is, or through a mapped mount that is attached at `place`.
fn attached(
    source: OwnedFd,
    idmap: Option<BorrowedFd<'_>>,
    place: BorrowedFd<'_>,
    name: &CStr,
) -> io::Result<OwnedFd> {
    let source = seen(source, idmap)?;
    if idmap.is_some() {
        let target = folder(place, name)?;
        let by_fd =
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(&source, c"", target, c"", by_fd)?;
    }
    Ok(source)
}

fn folder(place: BorrowedFd<'_>, name: &CStr) -> io::Result<OwnedFd> {
    rustix::fs::mkdirat(place, name, Mode::RWXU)?;
    below(place, name)
}

/// A small file system to attach things to, put over `/`, where whoever has `/` as its root does
/// not see it.
fn scratch() -> io::Result<OwnedFd> {
    let fs = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&fs)?;
    let place = fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    move_mount(&place, c"", CWD, c"/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    Ok(place)
}

/// The magic link of an fd, for calls that take paths alone. It leads to what is open, whatever
/// becomes of names.
fn fd_path(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}
