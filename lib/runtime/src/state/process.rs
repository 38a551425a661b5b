//! Which process it is, so that another that got the same pid is never taken for it.
//!
//! A pid alone says nothing after its process has gone; pid, start time and boot id together name
//! one process for ever (man 5 proc_pid_stat, field 22; man 5 `proc_sys_kernel`, `random/boot_id`).

use std::io::{self, Read};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::fs::{self as rfs, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

/// One process of one boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its pid in the host's pid namespace.
    pub pid: i32,
    /// Clock ticks between boot and its start.
    pub start_time: u64,
    /// Which boot.
    pub boot: BootId,
}

/// The kernel's random name of this boot: 36 characters of a UUID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootId(String);

impl BootId {
    /// This boot.
    ///
    /// # Errors
    /// Where /proc is not mounted.
    pub fn current() -> io::Result<Self> {
        /// A process does not outlive its boot: it is read once.
        static CURRENT: OnceLock<BootId> = OnceLock::new();
        if let Some(boot) = CURRENT.get() {
            return Ok(boot.clone());
        }
        let text = read_proc("/proc/sys/kernel/random/boot_id")?;
        let boot = || Self(String::from_utf8_lossy(&text).trim_end().to_owned());
        Ok(CURRENT.get_or_init(boot).clone())
    }
}

impl ProcessId {
    /// Names the process that has `pid` now. The caller must hold it, as its parent or by a pidfd,
    /// lest it be gone and another have the number.
    ///
    /// # Errors
    /// `NotFound` where there is none; `InvalidData` where /proc says what the manual does not.
    pub fn of(pid: Pid, boot: &BootId) -> io::Result<Self> {
        let Stat { start_time, .. } = look(pid)?;
        Ok(Self { pid: pid.as_raw_pid(), start_time, boot: boot.clone() })
    }

    /// A pidfd of it, or `None` where it has gone.
    ///
    /// The pidfd is opened first and the start time compared afterwards: what the comparison saw
    /// is what the pidfd holds, since a pid is not given anew while its process can be seen.
    ///
    /// # Errors
    /// What man 2 `pidfd_open` lists, `ESRCH` aside.
    pub fn open(&self, boot: &BootId) -> io::Result<Option<OwnedFd>> {
        if self.boot != *boot {
            return Ok(None);
        }
        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::SRCH) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        match look(pid) {
            Ok(stat) if stat.start_time == self.start_time && !stat.ended => Ok(Some(pidfd)),
            Ok(_) => Ok(None),
            Err(error) if gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// How the process that `pidfd` holds has ended, for anybody but its parent: from the kernel's
/// memory of it once it was waited for, and from /proc before that. `None` where a kernel before
/// 6.15 has forgotten it.
///
/// # Errors
/// What /proc or the pidfd say.
pub(crate) fn wait_status(pidfd: BorrowedFd<'_>, id: &ProcessId) -> io::Result<Option<i32>> {
    let remembered = || coffer_sys::pidfd::wait_status(pidfd);
    if let Some(status) = remembered()? {
        return Ok(Some(status));
    }
    let Some(pid) = Pid::from_raw(id.pid) else { return Ok(None) };
    match look(pid) {
        Ok(stat) if stat.start_time == id.start_time && stat.ended => Ok(Some(stat.wait_status)),
        // It was waited for between the two looks.
        Ok(_) => remembered(),
        Err(error) if gone(&error) => remembered(),
        Err(error) => Err(error),
    }
}

/// The process went between two looks at it: its folder has gone, or its file reads as `ESRCH`.
fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

/// What is read from /proc/PID/stat.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// It has ended and only waits for its parent to ask (state Z or X).
    ended: bool,
    /// Field 22, in clock ticks since boot.
    start_time: u64,
    /// Field 52, as waitpid would give it; 0 for who may not see it.
    wait_status: i32,
}

fn look(pid: Pid) -> io::Result<Stat> {
    let text = read_proc(&format!("/proc/{}/stat", pid.as_raw_pid()))?;
    parse_stat(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The second field, the command, may hold blanks and brackets, so counting begins after the last
/// `)`.
fn parse_stat(stat: &[u8]) -> Option<Stat> {
    let after = stat.iter().rposition(|b| *b == b')')? + 1;
    let mut fields = std::str::from_utf8(stat.get(after..)?).ok()?.split_ascii_whitespace();
    let ended = matches!(fields.next()?, "Z" | "X");
    let start_time = fields.nth(18)?.parse().ok()?;
    Some(Stat { ended, start_time, wait_status: fields.nth(29)?.parse().ok()? })
}

/// Reads a small file of /proc whole.
fn read_proc(path: &str) -> io::Result<Vec<u8>> {
    let fd = rfs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = Vec::with_capacity(512);
    std::fs::File::from(fd).take(4096).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_itself_and_nobody_else() {
        let boot = BootId::current().unwrap();
        let me = ProcessId::of(rustix::process::getpid(), &boot).unwrap();
        assert!(me.open(&boot).unwrap().is_some());
        let later = ProcessId { start_time: me.start_time + 1, ..me.clone() };
        assert!(later.open(&boot).unwrap().is_none());
        let other = ProcessId { boot: BootId("other".to_owned()), ..me };
        assert!(other.open(&boot).unwrap().is_none());
    }

    #[test]
    fn a_command_may_look_like_anything() {
        let rest = "1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711".to_owned() + &" 0".repeat(29);
        for (head, ended) in [("7 (a) R 1 2) S", false), ("7 (a) Z", true)] {
            let stat = format!("{head} {rest} 1792");
            let expected = Stat { ended, start_time: 4711, wait_status: 1792 };
            assert_eq!(parse_stat(stat.as_bytes()), Some(expected));
        }
        assert_eq!(parse_stat(b"7 (a"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            parse_stat(&bytes);
        }
    }
}
