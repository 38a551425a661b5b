//! Finding and making what things are mounted on, below the container's root and by fd alone.
//!
//! The image is hostile: every path is resolved by `openat2` inside the root, magic links are
//! refused, and where the kernel's file systems go no link is followed at all (law 5).

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::launch::report::{Cause, Fault};
use crate::plan::{Level, Target, TargetKind};

pub(super) const FOLDER_MODE: Mode = Mode::from_raw_mode(0o755);
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);

/// procfs. Source: linux/magic.h.
const PROC: u64 = 0x9fa0;

/// File systems of the kernel's that no link of an image may lead a mount into: proc, sysfs,
/// cgroup, cgroup2. Source: linux/magic.h.
const KERNEL_FILES: [u64; 4] = [PROC, 0x6265_6572, 0x0027_e0eb, 0x6367_7270];

/// Opens what `target` names, and makes it where it is missing.
pub(super) fn open_or_make(root: BorrowedFd<'_>, target: &Target) -> Result<OwnedFd, Fault> {
    match open(root, &target.path, target.kind) {
        Err(Fault { errno: Errno::NOENT, .. }) => match make(root, target)? {
            Some(made) => Ok(made),
            None => open(root, &target.path, target.kind),
        },
        opened => opened,
    }
}

/// The same, for mounts of the caller's: not in the kernel's own files.
pub(super) fn mount_point(root: BorrowedFd<'_>, target: &Target) -> Result<OwnedFd, Fault> {
    let opened = open_or_make(root, target)?;
    if !matches!(target.kind, TargetKind::Plain | TargetKind::Kernel) {
        let kind = u64::try_from(fs::fstatfs(&opened)?.f_type).unwrap_or(0);
        if KERNEL_FILES.contains(&kind) {
            return Err(Cause::KernelFiles.with(Errno::PERM));
        }
    }
    Ok(opened)
}

/// Whether what `target` names is there already.
pub(super) fn is_there(root: BorrowedFd<'_>, target: &Target) -> Result<bool, Fault> {
    match open(root, &target.path, target.kind) {
        Err(Fault { errno: Errno::NOENT, .. }) => Ok(false),
        opened => opened.map(|_| true),
    }
}

/// Nothing but procfs stands at `/proc`, where programs, and other runtimes that enter, believe
/// what they read and write (CVE-2019-16884).
pub(super) fn check_proc(target: &Target, mount: &OwnedFd) -> Result<(), Fault> {
    if target.path.as_c_str() != c"/proc" {
        return Ok(());
    }
    match u64::try_from(fs::fstatfs(mount)?.f_type) {
        Ok(PROC) => Ok(()),
        _ => Err(Cause::NotProc.with(Errno::PERM)),
    }
}

/// Opens a path below the root, as something to stand on and not to read.
pub(super) fn open(root: BorrowedFd<'_>, path: &CStr, kind: TargetKind) -> Result<OwnedFd, Fault> {
    let flags = match kind {
        TargetKind::Plain | TargetKind::Folder => OFlags::PATH | OFlags::DIRECTORY,
        TargetKind::File | TargetKind::Kernel => OFlags::PATH,
    };
    coffer_sys::dir::open_within(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve(kind))
        .map_err(|errno| fault(kind, errno))
}

fn resolve(kind: TargetKind) -> ResolveFlags {
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    match kind {
        TargetKind::Plain | TargetKind::Kernel => inside | ResolveFlags::NO_SYMLINKS,
        TargetKind::Folder | TargetKind::File => inside,
    }
}

fn fault(kind: TargetKind, errno: Errno) -> Fault {
    match (kind, errno) {
        (TargetKind::Plain | TargetKind::Kernel, Errno::LOOP) => Cause::Link.with(errno),
        (_, errno) => errno.into(),
    }
}

/// Makes the folders on the way to `target`, and the target itself. Gives back a new file, which
/// need not be looked for then.
fn make(root: BorrowedFd<'_>, target: &Target) -> Result<Option<OwnedFd>, Fault> {
    let Some(last) = target.levels.last() else { return Ok(None) };
    let (parent, _) = parent(root, target)?;
    match target.kind {
        TargetKind::Kernel => Err(Errno::NOENT.into()),
        TargetKind::File => make_file(parent.as_fd(), &last.name).map(Some),
        TargetKind::Plain | TargetKind::Folder => make_folder(parent.as_fd(), last).map(|()| None),
    }
}

/// The folder that `target` is in, made where it is missing, and its name there.
pub(super) fn parent<'a>(
    root: BorrowedFd<'_>,
    target: &'a Target,
) -> Result<(OwnedFd, &'a CStr), Fault> {
    let (last, way) = target.levels.split_last().ok_or(Errno::INVAL)?;
    let folder = if target.kind == TargetKind::Plain { target.kind } else { TargetKind::Folder };
    // Most often only the last one is missing.
    let parent = match open(root, &last.parent, folder) {
        Err(Fault { errno: Errno::NOENT, .. }) => {
            for level in way {
                make_folder(open(root, &level.parent, folder)?.as_fd(), level)?;
            }
            open(root, &last.parent, folder)?
        }
        opened => opened?,
    };
    Ok((parent, &last.name))
}

fn make_folder(parent: BorrowedFd<'_>, level: &Level) -> Result<(), Fault> {
    match fs::mkdirat(parent, &level.name, FOLDER_MODE) {
        Err(Errno::EXIST) => Ok(()),
        made => Ok(made?),
    }
}

/// Makes an empty file. A link that leads nowhere is replaced: it is the container's own copy.
fn make_file(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Fault> {
    let create = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = match fs::openat(parent, name, create, FILE_MODE) {
        Err(Errno::EXIST) => {
            fs::unlinkat(parent, name, AtFlags::empty())?;
            fs::openat(parent, name, create, FILE_MODE)
        }
        made => made,
    };
    Ok(made?)
}
