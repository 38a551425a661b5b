//! Children that go on as ordinary programs, and new user namespaces for them. Source: man 2
//! fork, man 7 user_namespaces.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::Pid;
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::spawn::exit_now;

/// Makes a process that runs `child` and ends with the status that it gives back.
///
/// Unlike [`spawn`](crate::spawn::spawn) this is the C library's `fork`, which leaves the
/// library's own locks in order: the child may allocate and start threads as if it were a program
/// of its own. Locks of other kinds that another thread of the caller holds stay locked in the
/// child for good. A panic in `child` ends it with status 125.
///
/// # Errors
/// What `fork` says: `EAGAIN` at a limit, `ENOMEM`.
pub fn fork(child: impl FnOnce() -> i32) -> io::Result<Pid> {
    // SAFETY: fork takes no arguments and both processes return from it on a stack of their own.
    // POSIX lets the child of a program with threads call only async-signal-safe functions
    // because of locks that it cannot release; glibc and musl (since 1.2.2) put those of malloc
    // and of threads in order across fork, and waiting for any other is no unsoundness.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let status = catch_unwind(AssertUnwindSafe(child)).unwrap_or(125);
            exit_now(status)
        }
        pid => Pid::from_raw(pid).ok_or_else(io::Error::last_os_error),
    }
}

/// Puts the calling process into a new user namespace, with no ids mapped yet.
///
/// # Errors
/// `EINVAL` for a process with threads, `ENOSPC` or `EPERM` where the host allows no more.
pub fn enter_new() -> io::Result<()> {
    // SAFETY: what makes unshare unsafe is CLONE_FILES, which takes descriptors away from threads
    // that share them; that flag is not passed.
    Ok(unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }?)
}

/// The number of the first user namespace in `/proc/self/ns`. Source: linux/proc_ns.h,
/// `PROC_USER_INIT_INO`.
pub(crate) const FIRST: u64 = 0xefff_fffd;

/// Whether the calling process is in the first user namespace, the host's own.
///
/// # Errors
/// /proc cannot be read.
pub fn is_first() -> rustix::io::Result<bool> {
    Ok(rustix::fs::stat(c"/proc/self/ns/user")?.st_ino == FIRST)
}

#[cfg(test)]
mod tests {
    use rustix::process::{WaitOptions, waitpid};

    use super::*;

    fn status_of(child: impl FnOnce() -> i32) -> Option<i32> {
        let pid = fork(child).unwrap();
        let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
        status.exit_status()
    }

    #[test]
    fn a_child_is_a_program_of_its_own() {
        let work = || {
            std::thread::spawn(|| vec![7; 1000].len()).join().map_or(1, |n| i32::from(n != 1000))
        };
        assert_eq!(status_of(work), Some(0));
    }

    #[test]
    fn a_new_namespace_has_no_ids() {
        let work = || match enter_new() {
            Ok(()) if rustix::process::getuid().as_raw() == 65_534 => 0,
            Ok(()) => 1,
            Err(_) => 2,
        };
        assert_eq!(status_of(work), Some(0));
    }
}
