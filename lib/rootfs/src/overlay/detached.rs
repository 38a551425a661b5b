//! The mount by fds alone, nothing of it attached anywhere: Linux 6.15 and later.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::mount::{Change, Reach, set_attributes};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_fd,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, open_tree,
};

use super::{OverlayPlan, Paths};
use crate::Flavour;

/// The folder of the layers in the data root.
pub(super) const LAYERS: &CStr = c"layers";

pub(super) const CLONE: OpenTreeFlags =
    OpenTreeFlags::OPEN_TREE_CLONE.union(OpenTreeFlags::OPEN_TREE_CLOEXEC);

impl OverlayPlan {
    pub(super) fn mount_detached(
        &self,
        idmap: Option<BorrowedFd<'_>>,
        spent: &mut Vec<OwnedFd>,
    ) -> io::Result<OwnedFd> {
        let root = self.open_root()?;
        let fs = fsopen(c"overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        // What /proc/mounts shows as the device.
        fsconfig_set_string(&fs, c"source", c"overlay")?;
        // One mapped mount serves all layers, and another the container's own folder.
        let layers = alone(below(root.as_fd(), LAYERS)?, idmap)?;
        for lower in &self.lowers {
            fsconfig_set_fd(&fs, c"lowerdir+", below(layers.as_fd(), lower)?)?;
        }
        // A detached mount is dissolved with its fd, so both live until overlay has its own.
        let container = match &self.upper {
            None => None,
            Some(Paths { folder, upper, work }) => {
                let folder = alone(below(root.as_fd(), folder)?, idmap)?;
                fsconfig_set_fd(&fs, c"upperdir", below(folder.as_fd(), upper)?)?;
                fsconfig_set_fd(&fs, c"workdir", below(folder.as_fd(), work)?)?;
                Some(folder)
            }
        };
        for (name, value) in self.options() {
            fsconfig_set_string(&fs, *name, *value)?;
        }
        if let Some(context) = &self.context {
            fsconfig_set_string(&fs, c"context", context)?;
        }
        if self.flavour == Flavour::User {
            fsconfig_set_flag(&fs, c"userxattr")?;
        }
        self.as_owner(idmap, || Ok(fsconfig_create(&fs)?))?;
        spent.push(layers);
        spent.extend(container);
        Ok(fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, self.attributes())?)
    }

    /// No device node of an image is one; nothing of a container needs them to be.
    pub(super) fn attributes(&self) -> MountAttrFlags {
        let nodev = MountAttrFlags::MOUNT_ATTR_NODEV;
        match self.upper {
            Some(_) => nodev,
            None => nodev | MountAttrFlags::MOUNT_ATTR_RDONLY,
        }
    }
}

/// A folder of the host as it is, or through a mapped mount of its own.
pub(super) fn seen(folder: OwnedFd, idmap: Option<BorrowedFd<'_>>) -> io::Result<OwnedFd> {
    if idmap.is_none() { Ok(folder) } else { alone(folder, idmap) }
}

/// A folder of the host through a mount of its own, mapped where that is asked for. Overlay shows
/// what its layers are called in `/proc/self/mountinfo`: by such a mount, not where they are.
fn alone(folder: OwnedFd, idmap: Option<BorrowedFd<'_>>) -> io::Result<OwnedFd> {
    let mount = open_tree(folder, c"", CLONE | OpenTreeFlags::AT_EMPTY_PATH)?;
    let Some(userns) = idmap else { return Ok(mount) };
    let set = MountAttrFlags::empty();
    set_attributes(&mount, Change { idmap: Some(userns), ..Change::set(set, Reach::One) })?;
    Ok(mount)
}

/// Opens a folder of our own below another.
pub(super) fn below(folder: BorrowedFd<'_>, path: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let stay = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(coffer_sys::dir::open_within(folder, path, flags, Mode::empty(), stay)?)
}
