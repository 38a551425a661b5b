//! Landlock, as far as executing files goes. Source: man 7 landlock.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `LANDLOCK_ACCESS_FS_EXECUTE`.
const EXECUTE: u64 = 1 << 0;
/// `LANDLOCK_ACCESS_FS_REFER`: renames and links between folders. Every ruleset takes it away that
/// does not give it.
const REFER: u64 = 1 << 13;
/// `LANDLOCK_RULE_PATH_BENEATH`.
const PATH_BENEATH: libc::c_int = 1;

/// `struct landlock_path_beneath_attr`. Source: linux/landlock.h.
#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    parent: i32,
}

/// From here on, this thread and its children execute nothing but what lies beneath `root`, by
/// whatever name they reach it. It cannot be undone, and needs no_new_privs.
///
/// # Errors
/// `ENOSYS` or `EOPNOTSUPP` where the kernel has no Landlock or does not use it; `EINVAL` before
/// Linux 5.19.
pub fn execute_only_beneath(root: BorrowedFd<'_>) -> io::Result<()> {
    let handled: u64 = EXECUTE | REFER;
    // SAFETY: the kernel reads the first field of a landlock_ruleset_attr, whose size is said, and
    // answers with a new descriptor or an error.
    let ruleset = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, &raw const handled, size_of::<u64>(), 0)
    };
    let ruleset = i32::try_from(check(ruleset)?).map_err(|_| io::ErrorKind::InvalidData)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    let ruleset = unsafe { OwnedFd::from_raw_fd(ruleset) };
    let beneath = Beneath { allowed: handled, parent: root.as_raw_fd() };
    let fd = ruleset.as_raw_fd();
    // SAFETY: `beneath` has the layout that PATH_BENEATH names and is only read; both descriptors
    // are open during the call.
    check(unsafe {
        libc::syscall(libc::SYS_landlock_add_rule, fd, PATH_BENEATH, &raw const beneath, 0)
    })?;
    // SAFETY: takes a descriptor and a number, and only takes rights away.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, fd, 0) })?;
    Ok(())
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    /// A ruleset binds its thread and the children of that, so a thread is a safe place.
    #[test]
    fn what_lies_elsewhere_is_not_executed() {
        let run = std::thread::spawn(|| {
            let folder = crate::dir::open(std::path::Path::new("/proc")).unwrap();
            rustix::thread::set_no_new_privs(true).unwrap();
            execute_only_beneath(folder.as_fd()).unwrap();
            std::process::Command::new("/bin/true").status()
        });
        let refused = run.join().unwrap().unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    }
}
