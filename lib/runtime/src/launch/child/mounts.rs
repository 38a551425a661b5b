//! The steps that mount: the root, the kernel's file systems, binds, masks, and the pivot.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::mount::{Change, INERT, Reach, Travel, set_attributes};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount,
    fsopen, mount, mount_change, move_mount, open_tree, unmount,
};

use super::dev::{check_device, seal};
use super::{Child, copy, walk};
use crate::launch::look;
use crate::launch::report::Fault;
use crate::plan::{
    Bind, BindSource, Contents, Filesystem, Keep, ModeOf, RootSource, Target, TargetKind,
};

/// A mount by fd onto a place by fd.
const BY_FD: MoveMountFlags =
    MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH.union(MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH);
/// A mount by fd onto a place by name.
pub(super) const FROM_FD: MoveMountFlags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
const CLONE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE.union(OpenTreeFlags::OPEN_TREE_CLOEXEC);
const CLONE_TREE: OpenTreeFlags = CLONE.union(OpenTreeFlags::AT_RECURSIVE);

impl<'a> Child<'a> {
    /// The mounts were copied from the host's; nothing that happens here may travel back.
    pub(super) fn cut_mounts(&self, travel: Travel) -> Result<(), Fault> {
        let flag = match travel {
            Travel::Slave => MountPropagationFlags::DOWNSTREAM,
            _ => MountPropagationFlags::PRIVATE,
        };
        Ok(mount_change(c"/", flag | MountPropagationFlags::REC)?)
    }

    /// Puts the root over `/`, where everything else is still found below it by those whose root
    /// is the old one: the place that is there on every host.
    pub(super) fn attach_root(&mut self, source: &RootSource) -> Result<(), Fault> {
        let root = match source {
            RootSource::Parent => self.handed(0)?,
            RootSource::Overlay(overlay) => overlay.mount(None, &mut Vec::new())?,
            RootSource::Folder(path) => open_tree(CWD, path, CLONE_TREE)?,
        };
        move_mount(&root, c"", CWD, c"/", FROM_FD)?;
        self.root = Some(root);
        Ok(())
    }

    /// Mounts a file system of the kernel's.
    pub(super) fn mount_filesystem(&mut self, fs: &'a Filesystem) -> Result<(), Fault> {
        let mount = self.new_mount(fs)?;
        if fs.keep != Keep::Proc {
            walk::check_proc(&fs.target, &mount)?;
        }
        if fs.contents == Contents::Copied && walk::is_there(self.root()?, &fs.target)? {
            let point = walk::mount_point(self.root()?, &fs.target)?;
            copy::copy_up(&point, &mount, fs)?;
            attach(&mount, &point)?;
        } else {
            self.attach_at(&mount, &fs.target)?;
        }
        match fs.target.kind {
            TargetKind::Plain => self.held.hold(&fs.target.path, mount),
            _ => self.leave(mount),
        }
        Ok(())
    }

    /// A new mount of `fs`, attached nowhere.
    fn new_mount(&mut self, fs: &Filesystem) -> Result<OwnedFd, Fault> {
        let context = fsopen(&fs.kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, value) in &fs.options {
            match value {
                Some(value) => fsconfig_set_string(context.as_fd(), key, value)?,
                None => fsconfig_set_flag(context.as_fd(), key)?,
            }
        }
        if fs.mode == ModeOf::Covered {
            self.copy_mode(&context, &fs.target)?;
        }
        fsconfig_create(context.as_fd())?;
        let mount = fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, fs.attributes)?;
        self.leave(context);
        if !matches!(fs.travel, Travel::Private | Travel::Unchanged) {
            let change = Change::set(MountAttrFlags::empty(), Reach::One);
            set_attributes(&mount, Change { travel: fs.travel, ..change })?;
        }
        Ok(mount)
    }

    /// Gives a file system that is being made the mode of the folder that it will cover.
    fn copy_mode(&self, context: &OwnedFd, target: &Target) -> Result<(), Fault> {
        let covered = match walk::open(self.root()?, &target.path, target.kind) {
            Err(Fault { errno: Errno::NOENT, .. }) => return Ok(()),
            covered => covered?,
        };
        let mode = rustix::fs::fstat(&covered)?.st_mode;
        drop(covered);
        // Four octal digits, and the end of the string.
        let digit = |place: u32| b'0' + u8::try_from(mode >> (3 * place) & 7).unwrap_or(0);
        let text = [digit(3), digit(2), digit(1), digit(0), 0];
        let text = CStr::from_bytes_with_nul(&text).map_err(|_| Errno::INVAL)?;
        Ok(fsconfig_set_string(context.as_fd(), c"mode", text)?)
    }

    /// Attaches a mount at its target: by name where that is directly in the root or in a mount of
    /// our own, else where a walk leads.
    pub(super) fn attach_at(&mut self, mount: &OwnedFd, target: &Target) -> Result<(), Fault> {
        if target.kind == TargetKind::Plain && self.attach_by_name(mount, target)? {
            return Ok(());
        }
        let point = walk::mount_point(self.root()?, target)?;
        attach(mount, &point)?;
        self.leave(point);
        Ok(())
    }

    /// Says whether that could be done. Where not, the walk finds out why: `move_mount` follows no
    /// link at the end, and refuses it.
    fn attach_by_name(&self, mount: &OwnedFd, target: &Target) -> Result<bool, Fault> {
        let Some(last) = target.levels.last() else { return Ok(false) };
        let parent = match last.parent.to_bytes() {
            b"/" => Some(self.root()?),
            _ => self.held.at(&last.parent),
        };
        let Some(parent) = parent else { return Ok(false) };
        let attach = || move_mount(mount, c"", parent, &last.name, FROM_FD);
        match attach() {
            Err(Errno::NOENT) => {
                rustix::fs::mkdirat(parent, &last.name, walk::FOLDER_MODE)?;
                Ok(attach().is_ok())
            }
            attached => Ok(attached.is_ok()),
        }
    }

    /// Mounts a file or folder of the host.
    pub(super) fn bind(&mut self, bind: &'a Bind) -> Result<(), Fault> {
        let mount = match &bind.source {
            BindSource::Parent(number) => self.handed(*number)?,
            BindSource::Path { path, look } => {
                let clone = match look.reach {
                    Reach::One => CLONE,
                    Reach::Tree => CLONE_TREE,
                };
                let mount = open_tree(CWD, path, clone)?;
                look::apply(&mount, look, None)?;
                mount
            }
        };
        walk::check_proc(&bind.target, &mount)?;
        self.attach_at(&mount, &bind.target)?;
        if bind.target.path.as_c_str() == c"/proc" {
            // The host's, where its processes are shared: it was looked at.
            self.held.hold(&bind.target.path, mount);
        } else {
            self.held.forget(&bind.target.path);
            self.leave(mount);
        }
        Ok(())
    }

    /// Hides a path: a folder behind one that is empty, anything else behind the null device.
    pub(super) fn mask(&mut self, path: &CStr) -> Result<(), Fault> {
        match path.to_bytes().strip_prefix(b"/proc/") {
            Some(name) if self.is_in_proc(name) => self.mask_in_proc(path),
            _ => self.mask_at(path),
        }
    }

    /// Whether `name`, what comes after `/proc/`, is directly in our own mount of proc.
    fn is_in_proc(&self, name: &[u8]) -> bool {
        self.held.at(c"/proc").is_some() && !name.is_empty() && !name.contains(&b'/')
    }

    /// The same for a name directly in our own mount of proc, where there is no way to be led
    /// astray on: tried as a file, which most are. A link there would itself be covered.
    fn mask_in_proc(&mut self, path: &CStr) -> Result<(), Fault> {
        let cover = match self.cover.take() {
            Some(cover) => cover,
            None => self.null_cover()?,
        };
        let name = &path[c"/proc/".count_bytes()..];
        match move_mount(&cover, c"", self.held.must(c"/proc")?, name, FROM_FD) {
            Ok(()) => {
                self.keep_mask(cover);
                Ok(())
            }
            Err(Errno::NOENT) => {
                self.cover = Some(cover);
                Ok(())
            }
            // A folder. What else it may mean, is met again there.
            Err(Errno::NOTDIR | Errno::INVAL) => {
                self.cover = Some(cover);
                self.mask_at(path)
            }
            Err(errno) => Err(errno.into()),
        }
    }

    fn mask_at(&mut self, path: &CStr) -> Result<(), Fault> {
        let Some(point) = self.existing(path)? else { return Ok(()) };
        let folder = FileType::from_raw_mode(rustix::fs::fstat(&point)?.st_mode);
        let cover = match folder {
            FileType::Directory => self.empty_folder()?,
            _ => self.null_cover()?,
        };
        attach(&cover, &point)?;
        self.leave(point);
        match folder {
            FileType::Directory => {
                if let Some(spent) = self.empty.replace(cover) {
                    self.leave(spent);
                }
            }
            _ => self.keep_mask(cover),
        }
        Ok(())
    }

    /// The first mask is kept to be copied; it is sealed already.
    fn keep_mask(&mut self, mask: OwnedFd) {
        match self.mask {
            Some(_) => self.leave(mask),
            None => self.mask = Some(mask),
        }
    }

    /// A sealed copy of the null device's mount: that in our own `/dev`, or else the host's, which
    /// is looked at as every device is. It is taken from where it is attached: Linux before 6.15
    /// copies no mount that is attached nowhere.
    fn null_cover(&self) -> Result<OwnedFd, Fault> {
        if let Some(mask) = &self.mask {
            return clone_of(mask.as_fd(), Reach::One);
        }
        let null = match &self.null {
            Some(null) => clone_of(null.as_fd(), Reach::One)?,
            None => {
                let null = open_tree(CWD, c"/dev/null", CLONE)?;
                check_device(&null, FileType::CharacterDevice, (1, 3))?;
                null
            }
        };
        seal(&null)?;
        Ok(null)
    }

    /// An empty folder that cannot be written, as a mount that is attached nowhere.
    fn empty_folder(&self) -> Result<OwnedFd, Fault> {
        match &self.empty {
            Some(empty) => clone_of(empty.as_fd(), Reach::One),
            None => {
                let fs = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
                fsconfig_set_string(fs.as_fd(), c"nr_inodes", c"1")?;
                fsconfig_set_string(fs.as_fd(), c"mode", c"555")?;
                fsconfig_create(fs.as_fd())?;
                let sealed = INERT | MountAttrFlags::MOUNT_ATTR_RDONLY;
                Ok(fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, sealed)?)
            }
        }
    }

    /// Makes what is at `path`, and below it, read-only: the mount itself where it is ours, else a
    /// copy of the mount that is put over the path.
    pub(super) fn make_read_only(&mut self, path: &CStr) -> Result<(), Fault> {
        let set = MountAttrFlags::MOUNT_ATTR_RDONLY;
        let change = Change::set(set, Reach::Tree);
        if let Some(own) = self.held.at(path) {
            return Ok(set_attributes(own, change)?);
        }
        match path.to_bytes().strip_prefix(b"/proc/") {
            Some(name) if self.is_in_proc(name) => {
                let name = &path[c"/proc/".count_bytes()..];
                let proc = self.held.must(c"/proc")?;
                let nofollow = OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
                let mount = match open_tree(proc, name, CLONE_TREE | nofollow) {
                    Err(Errno::NOENT) => return Ok(()),
                    mount => mount?,
                };
                set_attributes(&mount, change)?;
                move_mount(&mount, c"", proc, name, FROM_FD)?;
                self.leave(mount);
            }
            _ => {
                let Some(point) = self.existing(path)? else { return Ok(()) };
                let mount = clone_of(point.as_fd(), Reach::Tree)?;
                set_attributes(&mount, change)?;
                attach(&mount, &point)?;
                self.leave(mount);
                self.leave(point);
            }
        }
        Ok(())
    }

    /// Makes the root itself read-only, and not what is mounted below it.
    pub(super) fn make_root_read_only(&self) -> Result<(), Fault> {
        let set = MountAttrFlags::MOUNT_ATTR_RDONLY;
        let change = Change { travel: Travel::Unchanged, ..Change::set(set, Reach::One) };
        Ok(set_attributes(self.root()?, change)?)
    }

    /// Makes the mount at `target` read-only, now that it is filled.
    pub(super) fn seal(&self, target: &Target) -> Result<(), Fault> {
        let mount = walk::open(self.root()?, &target.path, TargetKind::Folder)?;
        let change = Change::set(MountAttrFlags::MOUNT_ATTR_RDONLY, Reach::One);
        Ok(set_attributes(&mount, Change { travel: Travel::Unchanged, ..change })?)
    }

    /// Moves the new root over the old one and enters it. What was mounted on the host stays
    /// below, where no path leads, but for `bare`: the host's views of its kernel. Those go, or are
    /// covered where a user namespace may not take them away. Source:
    /// linux/Documentation/filesystems/ramfs-rootfs-initramfs.rst, "What is rootfs?".
    pub(super) fn move_root(&mut self, bare: &[CString]) -> Result<(), Fault> {
        for place in bare {
            match unmount(place, UnmountFlags::DETACH) {
                // What was mounted below another one has gone with that.
                Err(Errno::INVAL | Errno::PERM) => {
                    match mount(c"tmpfs", place, c"tmpfs", MountFlags::empty(), None) {
                        Err(Errno::NOENT) => {}
                        covered => covered?,
                    }
                }
                Err(Errno::NOENT) => {}
                unmounted => unmounted?,
            }
        }
        rustix::process::fchdir(self.root()?)?;
        rustix::process::chroot(c".")?;
        Ok(rustix::process::chdir(c"/")?)
    }

    /// Sets how mounts travel below the root, which is `/` now.
    pub(super) fn travel_root(&self, travel: Travel, reach: Reach) -> Result<(), Fault> {
        let none = MountAttrFlags::empty();
        let change = Change { travel, ..Change::set(none, reach) };
        Ok(set_attributes(self.root()?, change)?)
    }

    /// Changes to the new root and lets go of the old one. Source: man 2 pivot_root, "pivot_root
    /// ('.', '.')".
    pub(super) fn pivot(&mut self) -> Result<(), Fault> {
        rustix::process::fchdir(self.root()?)?;
        rustix::process::pivot_root(c".", c".")?;
        Ok(unmount(c".", UnmountFlags::DETACH)?)
    }

    /// What is at `path`, where there is such a thing. It is reached without links: what coffer
    /// masks lies in its own mounts of proc and sysfs, and a mask on a link would hide nothing.
    pub(super) fn existing(&self, path: &CStr) -> Result<Option<OwnedFd>, Fault> {
        let resolve =
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        match coffer_sys::dir::open_within(self.root()?, path, flags, Mode::empty(), resolve) {
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            opened => Ok(Some(opened?)),
        }
    }
}

/// A copy of the mount below `place`, attached nowhere.
pub(super) fn clone_of(place: BorrowedFd<'_>, reach: Reach) -> Result<OwnedFd, Fault> {
    let flags = CLONE | OpenTreeFlags::AT_EMPTY_PATH;
    let flags = match reach {
        Reach::One => flags,
        Reach::Tree => flags | OpenTreeFlags::AT_RECURSIVE,
    };
    Ok(open_tree(place, c"", flags)?)
}

/// Attaches a detached mount.
pub(super) fn attach(mount: &OwnedFd, point: &OwnedFd) -> Result<(), Fault> {
    Ok(move_mount(mount, c"", point, c"", BY_FD)?)
}
