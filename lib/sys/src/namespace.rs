//! Leaving a namespace for a new one, and what a namespace is. Sources: man 2 unshare, man 2
//! ioctl_nsfs.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::thread::UnshareFlags;

/// `NS_GET_NSTYPE`. Source: linux/nsfs.h.
const GET_TYPE: libc::Ioctl = 0xb703;

/// Gives the calling thread a control group namespace of its own, whose root is the group that
/// it is in now.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN` in the thread's user namespace.
pub fn unshare_cgroup() -> rustix::io::Result<()> {
    // SAFETY: NEWCGROUP changes what the thread sees of control groups. It neither unshares the
    // table of descriptors, which I/O safety builds on, nor memory.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWCGROUP) }
}

/// Gives the calling thread a mount namespace of its own, a copy of the one that it is in, and a
/// working folder and root that it shares with no other thread.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN` in the thread's user namespace.
pub fn unshare_mounts() -> rustix::io::Result<()> {
    // SAFETY: NEWNS changes what paths lead to; neither descriptors nor memory.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }
}

/// Makes a time namespace for what the calling thread executes or forks. Its clocks can be set
/// until there is a process in it. Source: man 7 time_namespaces.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`, `EINVAL` where the kernel has no time namespaces.
pub fn unshare_time() -> rustix::io::Result<()> {
    // SAFETY: NEWTIME changes which clocks children and programs see; neither descriptors nor
    // memory.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWTIME) }
}

/// Whether the kernel has time namespaces (`CONFIG_TIME_NS`).
pub fn has_time() -> bool {
    rustix::fs::access(c"/proc/self/ns/time_for_children", rustix::fs::Access::EXISTS).is_ok()
}

/// The kind of the namespace that `fd` stands for, as the flag that makes one.
///
/// # Errors
/// `ENOTTY` for a descriptor of something else.
pub fn kind(fd: BorrowedFd<'_>) -> rustix::io::Result<UnshareFlags> {
    // SAFETY: the call takes a descriptor, which is borrowed meanwhile, and a number; it writes
    // to no memory. Files of other kinds answer ENOTTY, or to this number with one of their own
    // that is not a namespace's flag.
    let kind = unsafe { libc::ioctl(fd.as_raw_fd(), GET_TYPE) };
    match u32::try_from(kind) {
        Ok(kind) => Ok(UnshareFlags::from_bits_retain(kind)),
        Err(_) => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use rustix::fs::{CWD, Mode, OFlags, openat};

    use super::*;

    #[test]
    fn a_namespace_says_what_it_is() {
        let open = |path: &str| openat(CWD, path, OFlags::RDONLY, Mode::empty()).unwrap();
        assert_eq!(kind(open("/proc/self/ns/net").as_fd()), Ok(UnshareFlags::NEWNET));
        assert_eq!(kind(open("/proc/self/ns/time").as_fd()), Ok(UnshareFlags::NEWTIME));
        assert_eq!(kind(open("/dev/null").as_fd()), Err(Errno::NOTTY));
    }
}
