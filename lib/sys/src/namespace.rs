//! Leaving a namespace for a new one. Source: man 2 unshare.

use rustix::thread::UnshareFlags;

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
