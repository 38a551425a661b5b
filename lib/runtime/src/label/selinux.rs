//! SELinux: whether the host has it, and which contexts its policy knows. Source:
//! linux/security/selinux/selinuxfs.c.

use std::os::fd::BorrowedFd;

use coffer_confine::confinement::{Labels, Standing};
use coffer_confine::ids::{SIZE, pool};
use coffer_confine::selinux::{self, Changes, Context};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::LabelError;

/// Where the kernel shows SELinux; its magic number is in linux/magic.h.
const KERNEL: &str = "/sys/fs/selinux";
const MAGIC: u64 = 0xf97c_ff8c;

/// Whether SELinux is on: its file system is mounted.
pub(crate) fn is_on() -> bool {
    rustix::fs::statfs(KERNEL).is_ok_and(|stat| u64::try_from(stat.f_type) == Ok(MAGIC))
}

/// The contexts of a container whose own level is `level`.
///
/// # Errors
/// The host's policy does not know them.
pub(super) fn contexts(changes: &Changes, level: &str) -> Result<Labels, LabelError> {
    let (processes, files) = (changes.of_processes(level), changes.of_files(level));
    known(&processes)?;
    known(&files)?;
    known(&selinux::layers())?;
    let selinux_by = if changes.are_some() { Standing::Caller } else { Standing::Default };
    let (selinux, mounts) = (processes.to_string(), files.to_string());
    Ok(Labels { selinux, mounts, selinux_by, ..Labels::default() })
}

/// The level that no other container of the data root has: its range of ids says which.
///
/// # Errors
/// No range can be had.
pub(super) fn level(root: BorrowedFd<'_>, id: &str) -> Result<String, LabelError> {
    // Ranges that do not meet begin in different multiples of their size.
    Ok(selinux::level(pool::claim(root, id)?.number() / SIZE))
}

/// Makes sure that the host's policy has a context.
///
/// # Errors
/// [`LabelError::NoContext`].
pub(super) fn known(context: &Context) -> Result<(), LabelError> {
    let path = format!("{KERNEL}/context");
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path.as_str(), flags, Mode::empty());
    let asked = file.and_then(|file| rustix::io::write(file, format!("{context}\0").as_bytes()));
    match asked {
        Ok(_) => Ok(()),
        Err(Errno::INVAL) => Err(LabelError::NoContext(context.to_string())),
        Err(errno) => Err(LabelError::File { what: path, done: "asked", source: errno.into() }),
    }
}
