//! What a process is to the scheduler, to memory and to the keyrings, where rustix has no word for
//! it. Sources: man 2 personality, man 2 sched_setattr, man 2 ioprio_set, man 2 set_mempolicy, man
//! 2 keyctl.

use std::ffi::CStr;
use std::io;

use rustix::io::Errno;

/// Scheduling attributes: `struct sched_attr` without its size. Source: linux/sched/types.h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchedAttr {
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// The nice value.
    pub nice: i32,
    /// The static priority.
    pub priority: u32,
    /// Nanoseconds of run time in a period.
    pub runtime: u64,
    /// Nanoseconds until it must be complete.
    pub deadline: u64,
    /// Nanoseconds of a period.
    pub period: u64,
}

/// `struct sched_attr`, version 0 (48 bytes).
#[repr(C)]
struct Raw {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Which words of a node mask there are: as many nodes as the kernel can be built for.
pub const NODE_WORDS: usize = 16;

/// `IOPRIO_WHO_PROCESS`. Source: linux/ioprio.h.
const WHO_PROCESS: libc::c_int = 1;
/// `KEYCTL_JOIN_SESSION_KEYRING`. Source: linux/keyctl.h.
const JOIN_SESSION: libc::c_int = 1;

/// Sets the execution domain of this thread.
///
/// # Errors
/// What `personality` says.
pub fn set_personality(domain: u32) -> rustix::io::Result<()> {
    // SAFETY: the call takes a number and changes how later calls report the machine.
    check(i64::from(unsafe { libc::personality(libc::c_ulong::from(domain)) }))
}

/// Sets how this thread is scheduled.
///
/// # Errors
/// `EPERM` without `CAP_SYS_NICE` for what needs it, `EINVAL` for values that do not fit.
pub fn schedule(attr: SchedAttr) -> rustix::io::Result<()> {
    let SchedAttr { policy, flags, nice, priority, runtime, deadline, period } = attr;
    let size = u32::try_from(size_of::<Raw>()).unwrap_or_default();
    let attr = Raw { size, policy, flags, nice, priority, runtime, deadline, period };
    // SAFETY: the kernel reads as many bytes of `attr` as its first field says, its own size; it
    // has the layout of sched_attr by repr(C) and no padding.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) })
}

/// Sets the I/O priority of this process: the class (`IOPRIO_CLASS_*`) and the level in it.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN` for the real-time class, `EINVAL` for values that do not fit.
pub fn set_io_priority(class: u32, level: u32) -> rustix::io::Result<()> {
    let value = (class << 13) | level;
    // SAFETY: the call takes numbers only.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, value) })
}

/// Sets where memory of this thread comes from: the mode with its flags, and the nodes.
///
/// # Errors
/// `EINVAL` for nodes that do not fit the mode, or that are not there.
pub fn set_memory_policy(mode: u32, nodes: &[u64; NODE_WORDS]) -> rustix::io::Result<()> {
    // The kernel takes one bit less than it is told of. Source: man 2 set_mempolicy, "NOTES".
    let bits = NODE_WORDS * 64 + 1;
    let mask = nodes.as_ptr();
    // SAFETY: the kernel reads `bits - 1` bits at `mask`, which is as long as the array.
    check(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask, bits) })
}

/// Gives this process a new session keyring of this name, or without one, by which nobody else
/// finds it: it has none of its caller's keys.
///
/// # Errors
/// `EDQUOT` where the user has too many keys, `ENOSYS` where the kernel has no keyrings.
pub fn join_session_keyring(name: Option<&CStr>) -> rustix::io::Result<()> {
    let name = name.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: the name is null or a C string, which the kernel copies; nothing else is read or
    // written.
    check(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION, name) })
}

fn check(result: i64) -> rustix::io::Result<()> {
    if result < 0 {
        return Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of it belongs to a thread, and ends with it.
    #[test]
    fn a_thread_is_what_it_is_told_to_be() {
        std::thread::spawn(|| {
            set_personality(0).unwrap();
            schedule(SchedAttr { policy: 3, nice: 5, ..SchedAttr::default() }).unwrap();
            assert_eq!(
                schedule(SchedAttr { policy: 99, ..SchedAttr::default() }),
                Err(Errno::INVAL)
            );
            set_io_priority(2, 7).unwrap();
            assert_eq!(set_io_priority(5, 0), Err(Errno::INVAL));
            set_memory_policy(0, &[0; NODE_WORDS]).unwrap();
        })
        .join()
        .unwrap();
    }
}
