//! Putting a system call filter in force. Source: man 2 seccomp.

use std::os::fd::{FromRawFd, OwnedFd};

use rustix::io::Errno;

/// One instruction of classic BPF, `struct sock_filter`. Source: linux/filter.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What it does.
    pub code: u16,
    /// How many instructions are skipped where a condition holds.
    pub jump_true: u8,
    /// How many where it does not.
    pub jump_false: u8,
    /// Its operand.
    pub k: u32,
}

/// `SECCOMP_FILTER_FLAG_*`. Source: linux/seccomp.h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// All threads of the process get the filter.
    pub const TSYNC: Self = Self(1);
    /// Actions other than allow are logged.
    pub const LOG: Self = Self(2);
    /// Speculative store bypass stays as it is.
    pub const SPEC_ALLOW: Self = Self(4);
    /// A descriptor comes back, on which calls are handed over.
    const NEW_LISTENER: Self = Self(8);
    /// A call that was handed over is interrupted by nothing but a signal that kills. For filters
    /// with a listener alone.
    pub const WAIT_KILLABLE: Self = Self(32);

    /// These and `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Filters all further system calls of this thread and its children. It cannot be undone.
///
/// The thread must have no_new_privs set, or SYS_ADMIN.
///
/// # Errors
/// `EINVAL` for a program that the kernel refuses, `EACCES` without no_new_privs, `ENOMEM`.
pub fn load(program: &[Instruction], flags: Flags) -> Result<(), Errno> {
    match set(program, flags)? {
        0 => Ok(()),
        // With TSYNC a thread that could not follow is returned by its id.
        _ => Err(Errno::SRCH),
    }
}

/// The same, for a filter that hands calls over: with the descriptor on which they arrive. It is
/// close-on-exec. Source: man 2 seccomp_unotify.
///
/// # Errors
/// As [`load`], and `EBUSY` where the thread has a filter with a listener already.
pub fn load_with_listener(program: &[Instruction], flags: Flags) -> Result<OwnedFd, Errno> {
    let listener = set(program, flags.with(Flags::NEW_LISTENER))?;
    let listener = i32::try_from(listener).map_err(|_| Errno::BADF)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(listener) })
}

fn set(program: &[Instruction], flags: Flags) -> Result<i64, Errno> {
    let filter = Program {
        len: u16::try_from(program.len()).map_err(|_| Errno::INVAL)?,
        instructions: program.as_ptr(),
    };
    // SAFETY: `filter` is a `struct sock_fprog` (its layout is fixed by repr(C)) whose length is
    // that of the slice which its pointer came from; both outlive the call, and the kernel copies
    // what it reads. Filtering system calls takes no memory safety away from the caller: a call
    // that is refused returns an error or ends the thread.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags.0, &raw const filter)
    };
    match result {
        0.. => Ok(result),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
    }
}

/// `struct sock_fprog`. Source: linux/filter.h.
#[repr(C)]
struct Program {
    len: u16,
    instructions: *const Instruction,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_program_is_refused() {
        assert_eq!(load(&[], Flags::NONE), Err(Errno::INVAL));
        let jump_past_the_end = Instruction { code: 0x15, jump_true: 9, jump_false: 9, k: 0 };
        assert_eq!(load(&[jump_past_the_end], Flags::NONE), Err(Errno::INVAL));
    }

    /// A filter binds its thread alone, so a thread of the test is a safe place to load one.
    #[test]
    fn a_filter_binds_its_thread() {
        let here = std::thread::spawn(|| {
            rustix::thread::set_no_new_privs(true).unwrap();
            // ld [0]; jeq getppid, allow → errno EDOM; allow
            let number = u32::try_from(libc::SYS_getppid).unwrap();
            let program = [
                Instruction { code: 0x20, jump_true: 0, jump_false: 0, k: 0 },
                Instruction { code: 0x15, jump_true: 0, jump_false: 1, k: number },
                Instruction { code: 0x06, jump_true: 0, jump_false: 0, k: 0x0005_0021 },
                Instruction { code: 0x06, jump_true: 0, jump_false: 0, k: 0x7fff_0000 },
            ];
            load(&program, Flags::NONE).unwrap();
            // SAFETY: getppid takes nothing and touches no memory.
            unsafe { libc::syscall(libc::SYS_getppid) }
        });
        assert_eq!(here.join().unwrap(), -1);
        // SAFETY: getppid takes nothing and touches no memory.
        assert!(unsafe { libc::syscall(libc::SYS_getppid) } >= 0);
    }
}
