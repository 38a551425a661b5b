//! The volume that was handed in read-only, with a file that is the host's.

use std::fs::{OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

use coffer_sys::attempt::{Handle, open_handle};
use rustix::fs::{CWD, Mode, OFlags, XattrFlags};
use rustix::pipe::{PipeFlags, SpliceFlags};

use super::{Tried, files, untried};
use crate::answer::Handed;

const VICTIM: &str = "/coffer-audit/victim";
const BESIDE: &str = "/coffer-audit/beside";

/// Writes to the file.
pub(crate) fn writes(path: &str) -> Tried {
    OpenOptions::new().append(true).open(path)?.write_all(b"reached\n")?;
    Ok(format!("wrote to {path}"))
}

/// Makes a file beside it.
pub(crate) fn makes() -> Tried {
    OpenOptions::new().create_new(true).write(true).open(BESIDE)?;
    Ok(format!("made {BESIDE}"))
}

/// Removes it.
pub(crate) fn removes() -> Tried {
    std::fs::remove_file(VICTIM)?;
    Ok("removed it".to_owned())
}

/// Gives it another name.
pub(crate) fn renames() -> Tried {
    std::fs::rename(VICTIM, BESIDE)?;
    Ok("renamed it".to_owned())
}

/// Gives it another mode, with a set-id bit.
pub(crate) fn changes_mode() -> Tried {
    std::fs::set_permissions(VICTIM, Permissions::from_mode(0o4777))?;
    Ok("changed its mode".to_owned())
}

/// Gives it another owner.
pub(crate) fn changes_owner() -> Tried {
    std::os::unix::fs::chown(VICTIM, Some(1), Some(1))?;
    Ok("changed its owner".to_owned())
}

/// Gives it other times.
pub(crate) fn changes_times() -> Tried {
    let now = rustix::fs::Timespec { tv_sec: 1, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
    rustix::fs::utimensat(CWD, VICTIM, &times, rustix::fs::AtFlags::empty())?;
    Ok("changed its times".to_owned())
}

/// Gives it an attribute.
pub(crate) fn adds_attribute() -> Tried {
    rustix::fs::setxattr(VICTIM, "user.audit", b"reached", XattrFlags::empty())?;
    Ok("added an attribute".to_owned())
}

/// Gives it a flag of its file system, which is for backups alone.
pub(crate) fn changes_flags() -> Tried {
    let file = std::fs::File::open(VICTIM)?;
    let flags = rustix::fs::ioctl_getflags(&file)?;
    rustix::fs::ioctl_setflags(&file, flags ^ rustix::fs::IFlags::NODUMP)?;
    Ok("changed its flags".to_owned())
}

/// Makes a second name for it.
pub(crate) fn links() -> Tried {
    std::fs::hard_link(VICTIM, BESIDE)?;
    Ok("linked it".to_owned())
}

/// Opens it anew by its descriptor, now for writing.
pub(crate) fn reopens() -> Tried {
    let file = std::fs::File::open(VICTIM)?;
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    writes(&path)
}

/// Shortens it.
pub(crate) fn truncates() -> Tried {
    OpenOptions::new().write(true).truncate(true).open(VICTIM)?;
    Ok("shortened it".to_owned())
}

/// Writes to the page that a pipe shares with it (CVE-2022-0847).
pub(crate) fn splices() -> Tried {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    // Every buffer of the pipe has been written once, and keeps the flag that says so.
    let mut block = [0_u8; 4096];
    for _ in 0..16 {
        rustix::io::write(&write, &block)?;
    }
    for _ in 0..16 {
        rustix::io::read(&read, &mut block)?;
    }
    let file = std::fs::File::open(VICTIM)?;
    let mut offset = 0;
    let (file, flags) = (file.as_fd(), SpliceFlags::empty());
    rustix::pipe::splice(file, Some(&mut offset), &write, None, 1, flags)?;
    rustix::io::write(&write, b"reached")?;
    let text = files::read(VICTIM, 64)?;
    if text.contains("reached") { Ok(text) } else { super::refused("the page is the pipe's own") }
}

/// Opens the host's secret by its handle, below the volume's file system (shocker).
pub(crate) fn opens_by_handle(handed: &Handed) -> Tried {
    let Some((kind, bytes)) = handed.handle.clone() else {
        return untried("the host's file system has no handles");
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let volume = rustix::fs::open("/coffer-audit", flags, Mode::empty())?;
    let opened = open_handle(volume.as_fd(), &Handle { kind, bytes })?;
    let mut text = String::new();
    std::fs::File::from(opened).take(256).read_to_string(&mut text)?;
    Ok(text)
}
