//! SELinux: whether the host has it, and which contexts its policy knows. Source:
//! linux/security/selinux/selinuxfs.c.

use std::os::fd::{BorrowedFd, OwnedFd};

use coffer_confine::confinement::{Labels, Standing};
use coffer_confine::ids::{SIZE, pool};
use coffer_confine::selinux::{self, Changes, Context};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::LabelError;
use crate::plan::Authority;

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

/// The level that no other container of the data root has: its range of ids says which. A user's
/// containers have other ids, and a range only to be counted by; what a folder that is gone had is
/// free again.
///
/// # Errors
/// No range can be had.
pub(super) fn level(
    authority: Authority,
    root: BorrowedFd<'_>,
    id: &str,
) -> Result<String, LabelError> {
    // Ranges that do not meet begin in different multiples of their size.
    let number = pool::claim(root, id)?.number() / SIZE;
    Ok(selinux::level(match authority {
        Authority::Root => number,
        // Not the pairs that root's data root, or the next user's, begins with.
        Authority::User => {
            let user = rustix::process::geteuid().as_raw();
            number.wrapping_add(RANGES.wrapping_mul(user % USERS + 1))
        }
    }))
}

/// How many containers a data root has room for by default, and for how many users there are pairs
/// of categories beside root's.
const RANGES: u32 = 4096;
const USERS: u32 = 126;

/// Whether the policy lets this process execute a program in the context `to`. Source:
/// linux/security/selinux/selinuxfs.c, `sel_write_access`.
pub(super) fn may_become(to: &str) -> bool {
    let read = |path: &str| {
        let file = open(path, OFlags::RDONLY).ok()?;
        let mut bytes = [0; 4096];
        let count = rustix::io::read(&file, &mut bytes).ok()?;
        let text = String::from_utf8_lossy(bytes.get(..count)?);
        Some(text.trim_end_matches(['\0', '\n']).to_owned())
    };
    let allowed = || {
        let own = read("/proc/self/attr/current")?;
        let class = read(&format!("{KERNEL}/class/process/index"))?;
        let bit: u32 = read(&format!("{KERNEL}/class/process/perms/transition"))?.parse().ok()?;
        let file = open(&format!("{KERNEL}/access"), OFlags::RDWR).ok()?;
        rustix::io::write(&file, format!("{own} {to} {class}").as_bytes()).ok()?;
        let mut bytes = [0; 256];
        let count = rustix::io::read(&file, &mut bytes).ok()?;
        let answer = String::from_utf8_lossy(bytes.get(..count)?).into_owned();
        lets(&answer, bit)
    };
    // A process that may not ask may not do it either.
    allowed().unwrap_or(false)
}

/// Whether an answer of the kernel's lets the permission of this number be used: the first word is
/// what is allowed, a bit for each from 1 on; the last says whether the domain is held at all
/// (`AVD_FLAGS_PERMISSIVE`). Source: linux/security/selinux/include/security.h.
fn lets(answer: &str, permission: u32) -> Option<bool> {
    let number = |word: &str| u32::from_str_radix(word, 16).ok();
    let words: Vec<&str> = answer.split_whitespace().collect();
    let allowed = number(words.first()?)?;
    let permissive = words.get(5).and_then(|word| number(word)).is_some_and(|flags| flags & 1 != 0);
    Some(permissive || allowed & 1_u32.checked_shl(permission.checked_sub(1)?)? != 0)
}

fn open(path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty())
}

/// Makes sure that the host's policy has a context.
///
/// # Errors
/// [`LabelError::NoContext`].
pub(super) fn known(context: &Context) -> Result<(), LabelError> {
    let path = format!("{KERNEL}/context");
    let asked = open(&path, OFlags::RDWR)
        .and_then(|file| rustix::io::write(file, format!("{context}\0").as_bytes()));
    match asked {
        Ok(_) => Ok(()),
        Err(Errno::INVAL) => Err(LabelError::NoContext(context.to_string())),
        Err(errno) => Err(LabelError::File { what: path, done: "asked", source: errno.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_is_a_bit_and_a_permissive_domain_may_all() {
        assert_eq!(lets("2 ffffffff 0 ffffffff 7 0", 2), Some(true));
        assert_eq!(lets("2 ffffffff 0 ffffffff 7 0", 1), Some(false));
        assert_eq!(lets("0 ffffffff 0 ffffffff 7 1", 1), Some(true));
        for garbled in ["", "x", "2 ffffffff"] {
            assert_ne!(lets(garbled, 1), Some(true), "{garbled}");
        }
        assert_eq!(lets("1", 0), None);
    }
}
