//! Waiting for a child and learning what it cost. Source: wait4(2), getrusage(2).

use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::Duration;

/// What a process and those of its descendants that were waited for have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on a CPU, in the program and in the kernel on its behalf.
    pub cpu: Duration,
    /// The most memory that one of them had at one time, in KiB.
    pub peak_kib: u64,
    /// How often one of them gave up or lost its CPU.
    pub switches: u64,
}

/// Waits until `child` ends.
///
/// # Errors
/// wait4's: the child was waited for before.
pub fn wait(child: Child) -> io::Result<(ExitStatus, Usage)> {
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are to locals of the types that wait4 writes, alive during the
        // call. `child` is consumed, so nobody else reaps this pid and it cannot be reused.
        let waited = unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) };
        if waited == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: rusage is made of integers, for which the zeroes it began with are a value too.
    let usage = unsafe { usage.assume_init() };
    Ok((ExitStatus::from_raw(status), Usage::from(usage)))
}

impl From<libc::rusage> for Usage {
    fn from(usage: libc::rusage) -> Self {
        let count = |n: libc::c_long| u64::try_from(n).unwrap_or(0);
        Self {
            cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
            peak_kib: count(usage.ru_maxrss),
            switches: count(usage.ru_nvcsw) + count(usage.ru_nivcsw),
        }
    }
}

fn duration(time: libc::timeval) -> Duration {
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0)) + Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_child_that_works_costs_time_and_memory() {
        let child = Command::new("sh")
            .args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3"])
            .spawn()
            .unwrap();
        let (status, usage) = wait(child).unwrap();
        assert_eq!(status.code(), Some(3));
        assert!(usage.cpu > Duration::ZERO);
        assert!(usage.peak_kib > 100, "{usage:?}");
    }
}
