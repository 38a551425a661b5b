//! What a thread can have to itself.

use std::io;

use rustix::fs::Mode;
use rustix::process::{dumpable_behavior, set_dumpable_behavior};
use rustix::thread::{
    Gid, Uid, UnshareFlags, capabilities, set_capabilities, set_thread_res_gid, set_thread_res_uid,
    unshare_unsafe,
};

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

/// Calls `make` with this effective user and group, and the same capabilities and files as before:
/// a user namespace that is made in it is theirs, and counts against their quotas instead of the
/// caller's (man 7 user_namespaces, "user.max_*"). A process that is made in it has them too.
///
/// Changing the effective user clears the effective capabilities; the permitted ones stay because
/// the real user stays (man 7 capabilities). It also makes the process undumpable, which would
/// close `/proc/self` to one that is made now.
///
/// # Errors
/// `EPERM` without `CAP_SETUID` and `CAP_SETGID`; what `make` gives.
pub fn as_owner<T>((uid, gid): (u32, u32), make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let (old_uid, old_gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let (held, dumpable) = (capabilities(None)?, dumpable_behavior()?);
    set_thread_res_gid(None, Some(Gid::from_raw(gid)), None)?;
    set_thread_res_uid(None, Some(Uid::from_raw(uid)), None)?;
    set_capabilities(None, held)?;
    // SAFETY: the call takes a number, and changes whose files this thread may reach.
    unsafe { libc::syscall(libc::SYS_setfsgid, old_gid.as_raw()) };
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_setfsuid, old_uid.as_raw()) };
    // A change of the user of files takes the capabilities over files away.
    set_capabilities(None, held)?;
    set_dumpable_behavior(dumpable)?;
    let made = make();
    set_thread_res_uid(None, Some(old_uid), None)?;
    set_thread_res_gid(None, Some(old_gid), None)?;
    set_capabilities(None, held)?;
    set_dumpable_behavior(dumpable)?;
    made
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
