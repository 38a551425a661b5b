//! Whom to join where process 1 is coffer's tiny init.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// The program of a container whose process 1, of number `init` on the host, is the tiny init.
///
/// Init is closed to everybody without the host's `CAP_SYS_PTRACE`, and so an ordinary user cannot
/// join a container by it; the program, its first child, is in the same namespaces.
///
/// # Errors
/// `ESRCH` where there is no such process any more.
pub fn program_of(init: Pid) -> io::Result<OwnedFd> {
    let program = first_child(init)?;
    let pidfd = pidfd_open(program, PidfdFlags::empty())?;
    // The number may have been given to another process before it was opened.
    match first_child(init)? {
        same if same == program => Ok(pidfd),
        _ => Err(Errno::SRCH.into()),
    }
}

/// The oldest child: children stand in the order in which they came. Source: man 5 proc,
/// "/proc/pid/task/tid/children".
fn first_child(parent: Pid) -> io::Result<Pid> {
    let number = parent.as_raw_nonzero();
    let path = format!("/proc/{number}/task/{number}/children");
    let file = rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = [0; 16];
    let count = rustix::io::read(&file, &mut bytes)?;
    let text = std::str::from_utf8(&bytes[..count]).unwrap_or_default();
    let child = text.split(' ').next().and_then(|number| number.parse().ok());
    child.and_then(Pid::from_raw).ok_or_else(|| Errno::SRCH.into())
}
