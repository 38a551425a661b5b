//! The steps that make files up: written into a file system of their own, seen one by one.
//!
//! That file system lies below the container's devpts, where no path leads. It is attached because
//! Linux before 6.15 copies no mount that is attached nowhere, and stays because the kernel takes
//! a millisecond and more for each mount that is taken away.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::mount::{Change, INERT, Reach, Travel, set_attributes};
use rustix::fs::{Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_string,
    fsmount, fsopen, move_mount, open_tree,
};

use super::Child;
use super::mounts::{FROM_FD, attach};
use super::walk::FOLDER_MODE;
use crate::launch::report::Fault;
use crate::plan::MadeUp;

/// A file that its owner, the container's root, may change.
const MODE: Mode = Mode::from_raw_mode(0o644);
const CLONE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE.union(OpenTreeFlags::OPEN_TREE_CLOEXEC);

impl<'a> Child<'a> {
    /// Makes the place. Those of its files that can be written can fill it, and no more.
    pub(super) fn place_made_up(&mut self, context: Option<&CStr>) -> Result<(), Fault> {
        let fs = fsopen(c"tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(fs.as_fd(), c"size", c"16m")?;
        if let Some(context) = context {
            fsconfig_set_string(fs.as_fd(), c"context", context)?;
        }
        fsconfig_create(fs.as_fd())?;
        let place = fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, INERT)?;
        let dev = self.held.must(c"/dev")?;
        mkdirat(dev, c"pts", FOLDER_MODE)?;
        move_mount(&place, c"", dev, c"pts", FROM_FD)?;
        self.leave(fs);
        self.made_up = Some(place);
        Ok(())
    }

    /// Writes one of coffer's own files and puts it in its place.
    pub(super) fn put_own_file(&mut self, file: &'a MadeUp) -> Result<(), Fault> {
        self.write_made_up(file)?;
        let mount = self.copy_of(file)?;
        self.attach_at(&mount, &file.target)?;
        self.leave(mount);
        Ok(())
    }

    /// Writes files and puts them over the kernel's, where they can only be read.
    pub(super) fn put_made_up(&mut self, files: &'a [MadeUp]) -> Result<(), Fault> {
        files.iter().try_for_each(|file| self.write_made_up(file))?;
        let change = Change::set(MountAttrFlags::MOUNT_ATTR_RDONLY, Reach::One);
        set_attributes(self.place()?, Change { travel: Travel::Unchanged, ..change })?;
        for file in files {
            let Some(point) = self.existing(&file.target.path)? else { continue };
            let mount = self.copy_of(file)?;
            attach(&mount, &point)?;
            self.leave(mount);
            self.leave(point);
        }
        Ok(())
    }

    /// It is closed again: what is open for writing keeps a mount from being made read-only.
    fn write_made_up(&self, file: &MadeUp) -> Result<(), Fault> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let made = openat(self.place()?, &file.name, flags, MODE)?;
        match rustix::io::write(&made, &file.text)? {
            written if written == file.text.len() => Ok(()),
            _ => Err(Errno::NOSPC.into()),
        }
    }

    /// A mount of this file alone.
    fn copy_of(&self, file: &MadeUp) -> Result<OwnedFd, Fault> {
        Ok(open_tree(self.place()?, &file.name, CLONE)?)
    }

    fn place(&self) -> Result<BorrowedFd<'_>, Errno> {
        self.made_up.as_ref().map(AsFd::as_fd).ok_or(Errno::BADF)
    }
}
