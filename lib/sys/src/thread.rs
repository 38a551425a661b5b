//! What a thread can have to itself.

use std::io;

use rustix::fs::Mode;
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Gives the calling thread a umask of its own, so that modes are exactly what it asks for and
/// other threads keep theirs. Its working and root folder are its own from then on, too.
///
/// In a process of one thread this changes the umask of the process. man 2 unshare, `CLONE_FS`.
pub fn own_umask(mask: Mode) -> io::Result<()> {
    // SAFETY: unshare is unsafe for CLONE_FILES, which takes fds away from under other threads.
    // CLONE_FS shares no memory and no fd: it copies the umask, the working and the root folder.
    unsafe { unshare_unsafe(UnshareFlags::FS) }?;
    rustix::process::umask(mask);
    Ok(())
}

/// Gives the calling thread a mount namespace of its own: a copy of the one it had, which goes
/// away with the last process or thread in it. man 2 unshare, `CLONE_NEWNS`.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`.
pub fn own_mounts() -> io::Result<()> {
    // SAFETY: as above; CLONE_NEWNS copies the table of mounts, and no fd goes away.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_of_its_own() {
        let inside = std::thread::spawn(|| {
            own_umask(Mode::RWXO).unwrap();
            rustix::process::umask(Mode::empty())
        });
        assert_eq!(inside.join().unwrap(), Mode::RWXO);
        let outside = std::thread::spawn(|| {
            own_umask(Mode::empty()).unwrap();
            rustix::process::umask(Mode::empty())
        });
        assert_eq!(outside.join().unwrap(), Mode::empty());
    }
}
