//! Whether a process has ended, and what the kernel remembers of one that somebody else has waited
//! for. Source: the kernel's include/uapi/linux/pidfd.h, man 2 pidfd_open; Linux 6.15 and later for
//! the second.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

/// `struct pidfd_info` in its first published size, 64 bytes.
#[repr(C)]
#[derive(Debug, Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    /// pid, tgid, ppid, and the ids of the user and of the group: not asked for.
    numbers: [u32; 11],
    exit_code: i32,
}

/// `PIDFD_INFO_EXIT`: asks for, and says that there is, an exit status.
const EXIT: u64 = 1 << 3;
/// `PIDFD_GET_INFO`: `_IOWR(0xff, 11, struct pidfd_info)`.
const GET_INFO: libc::c_ulong = (3 << 30) | (64 << 16) | (0xff << 8) | 11;

const _: () = assert!(size_of::<Info>() == 64);

/// The wait status of a process that has ended and was waited for by its parent; `None` while it
/// runs or nobody has waited for it, and on kernels that do not remember it (before 6.15).
///
/// # Errors
/// What the kernel says of a descriptor that is no pidfd.
pub fn wait_status(pidfd: BorrowedFd<'_>) -> io::Result<Option<i32>> {
    let mut info = Info { mask: EXIT, ..Info::default() };
    // SAFETY: the request's number says that 64 bytes are read and written, which is the size of
    // `info`, alive and borrowed for the call; it is made of integers, so any bytes are a value.
    let done = unsafe { libc::ioctl(pidfd.as_raw_fd(), GET_INFO as _, &raw mut info) };
    if done == 0 {
        return Ok((info.mask & EXIT != 0).then_some(info.exit_code));
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // Gone and forgotten; or a kernel without this request, or without its part of it.
        Some(libc::ESRCH | libc::ENOTTY | libc::EINVAL) => Ok(None),
        _ => Err(error),
    }
}

/// Whether the process has ended, or does so while it is waited for.
///
/// # Errors
/// What man 2 poll lists.
pub fn has_ended(pidfd: BorrowedFd<'_>, patience: Timespec) -> rustix::io::Result<bool> {
    let mut ended = [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)];
    Ok(retry_on_intr(|| poll(&mut ended, Some(&patience)))? > 0)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::process::Command;

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;

    #[test]
    fn the_status_is_there_once_somebody_has_waited() {
        let mut child = Command::new("sh")
            .args(["-c", "read x; exit 7"])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        assert_eq!(wait_status(pidfd.as_fd()).unwrap(), None, "it runs");
        drop(child.stdin.take());
        child.wait().unwrap();
        // Older kernels do not know.
        let status = wait_status(pidfd.as_fd()).unwrap();
        assert!(matches!(status, Some(0x700) | None), "{status:?}");
    }
}
