//! Making processes with `clone3`. Source: man 2 clone.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Flags that do not fit into an int. Source: linux/sched.h.
const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
const CLONE_INTO_CGROUP: u64 = 1 << 33;

/// What the child gets of its own, and where it starts.
#[derive(Clone, Copy, Debug)]
pub struct Clone3<'a> {
    /// New namespaces.
    pub namespaces: UnshareFlags,
    /// The v2 control group that it starts in; the parent's where there is none.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Whose child it is.
    pub parent: Parent,
}

/// Whose child a new process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// The caller's.
    Caller,
    /// That of the caller's own parent (`CLONE_PARENT`), which has to wait for it.
    OfCaller,
}

/// A child that was made.
#[derive(Debug)]
pub struct Cloned {
    /// Its number, in the caller's pid namespace.
    pub pid: Pid,
    /// It, whatever becomes of the number.
    pub pidfd: OwnedFd,
}

/// `struct clone_args`, version 2 (88 bytes). Source: linux/sched.h.
#[repr(C)]
#[derive(Default)]
struct Args {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Makes a process that runs `child` and ends with the status that it gives back.
///
/// It has a copy of the caller's memory and of no other thread, its handled signals are reset,
/// and a panic in it ends it with status 125. `child` must not wait for locks that another thread
/// may hold; callers that have one thread only need not think of it.
///
/// # Errors
/// What `clone3` says: `ENOSPC` or `EPERM` where a namespace cannot be had, `EAGAIN` at a limit.
pub fn spawn(how: Clone3<'_>, child: impl FnOnce() -> i32) -> io::Result<Cloned> {
    match branch(how)? {
        Some(cloned) => Ok(cloned),
        None => exit_now(catch_unwind(AssertUnwindSafe(child)).unwrap_or(125)),
    }
}

/// Goes on twice: with the child in the caller, with `None` in the child. For a process that is
/// itself such a child; everybody else uses [`spawn`], whose child cannot come back.
///
/// # Errors
/// As [`spawn`].
pub fn branch(how: Clone3<'_>) -> io::Result<Option<Cloned>> {
    let mut pidfd: RawFd = -1;
    let mut args = arguments(how);
    args.pidfd = (&raw mut pidfd) as u64;
    // SAFETY: `args` is a valid clone_args of the size passed, and `args.pidfd` points to an int
    // that lives until the call is over. Neither CLONE_VM nor CLONE_SETTLS is set and no stack is
    // given, so the child continues here on a copy of this very stack, as after fork.
    let number = unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<Args>()) };
    match number {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        number => {
            // SAFETY: the kernel has put a new descriptor there, which nobody else knows of.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
            Ok(Some(Cloned { pid: pid.ok_or_else(io::Error::last_os_error)?, pidfd }))
        }
    }
}

fn arguments(how: Clone3<'_>) -> Args {
    let wanted = u64::from(how.namespaces.bits());
    let mut args = Args {
        flags: wanted | libc::CLONE_PIDFD as u64 | CLONE_CLEAR_SIGHAND,
        exit_signal: libc::SIGCHLD as u64,
        ..Args::default()
    };
    if how.parent == Parent::OfCaller {
        args.flags |= libc::CLONE_PARENT as u64;
        args.exit_signal = 0; // the kernel takes the caller's own
    }
    if let Some(cgroup) = how.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    args
}

/// Forks without a pidfd: `None` in the child. For code that runs behind a fence, whose filter
/// may not know `clone3`, and that has one thread.
///
/// # Errors
/// What `clone` says.
pub fn fork() -> io::Result<Option<Pid>> {
    let nothing: libc::c_long = 0;
    let flags = libc::c_long::from(libc::SIGCHLD);
    // SAFETY: without CLONE_VM and without a stack the child goes on on a copy of this one, as in
    // `spawn`; the flags ask for nothing to be written anywhere.
    let number =
        unsafe { libc::syscall(libc::SYS_clone, flags, nothing, nothing, nothing, nothing) };
    match number {
        -1 => Err(io::Error::last_os_error()),
        number => Ok(i32::try_from(number).ok().and_then(Pid::from_raw)),
    }
}

/// Ends the process at once: no destructor, no buffer, no handler runs.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit takes any number and does not return.
    unsafe { libc::_exit(status) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    use std::os::fd::AsFd;

    fn status_of(child: impl FnOnce() -> i32) -> Option<i32> {
        let how =
            Clone3 { namespaces: UnshareFlags::empty(), cgroup: None, parent: Parent::Caller };
        let cloned = spawn(how, child).unwrap();
        let status = waitid(WaitId::PidFd(cloned.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap();
        status.unwrap().exit_status()
    }

    #[test]
    fn the_child_runs_and_its_status_comes_back() {
        assert_eq!(status_of(|| 7), Some(7));
    }

    #[test]
    fn a_new_namespace_that_is_refused_is_an_error() {
        let how = Clone3 {
            namespaces: UnshareFlags::FS | UnshareFlags::NEWNS,
            cgroup: None,
            parent: Parent::Caller,
        };
        assert_eq!(spawn(how, || 0).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    }
}
