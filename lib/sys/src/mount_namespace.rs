//! Mount namespaces and their neighbours, in the order in which they were made. Source:
//! linux/nsfs.h, man 2 ioctl_nsfs; since Linux 6.12.

use std::ffi::c_void;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};

/// The group of calls on namespaces (`NSIO`).
const GROUP: u8 = 0xb7;
/// `NS_GET_USERNS`.
const USER_NAMESPACE: Opcode = opcode::none(GROUP, 1);
/// `NS_MNT_GET_INFO`.
const THIS: Opcode = opcode::read::<Info>(GROUP, 10);
/// `NS_MNT_GET_NEXT`.
const NEXT: Opcode = opcode::read::<Info>(GROUP, 11);
/// `NS_MNT_GET_PREV`.
const PREVIOUS: Opcode = opcode::read::<Info>(GROUP, 12);

/// `struct mnt_ns_info`.
#[repr(C)]
struct Info {
    size: u32,
    mounts: u32,
    id: u64,
}

/// A mount namespace, held by a descriptor.
#[derive(Debug)]
pub struct MountNamespace {
    fd: OwnedFd,
    mounts: u32,
}

impl MountNamespace {
    /// The calling thread's.
    ///
    /// # Errors
    /// `ENOTTY` before Linux 6.12, or what `/proc` says.
    pub fn own() -> rustix::io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, c"/proc/thread-self/ns/mnt", flags, Mode::empty())?;
        let (_, mounts) = ask::<THIS>(fd.as_fd())?;
        Ok(Self { fd, mounts })
    }

    /// How many mounts it has.
    pub fn mounts(&self) -> u32 {
        self.mounts
    }

    /// The one that was made before it, of those over which the caller has `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    /// What the kernel says, but for that there is none.
    pub fn before(&self) -> rustix::io::Result<Option<Self>> {
        self.neighbour::<PREVIOUS>()
    }

    /// The one that was made after it, of those over which the caller has `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    /// As [`MountNamespace::before`].
    pub fn after(&self) -> rustix::io::Result<Option<Self>> {
        self.neighbour::<NEXT>()
    }

    /// Whether the first user namespace, the host's own, has the rights over it.
    ///
    /// # Errors
    /// `EPERM` where a user namespace has them that is not below the caller's.
    pub fn is_of_first_user_namespace(&self) -> rustix::io::Result<bool> {
        let owner = owned(ask::<USER_NAMESPACE>(self.fd.as_fd())?.0);
        Ok(rustix::fs::fstat(&owner)?.st_ino == crate::userns::FIRST)
    }

    fn neighbour<const CALL: Opcode>(&self) -> rustix::io::Result<Option<Self>> {
        match ask::<CALL>(self.fd.as_fd()) {
            Ok((fd, mounts)) => Ok(Some(Self { fd: owned(fd), mounts })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

impl AsFd for MountNamespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// One of the calls above.
struct Ask<const CALL: Opcode>(Info);

// SAFETY: the calls write at most `size` bytes to the struct that they are given, which is of that
// size, or do not look at it; they give back a number.
unsafe impl<const CALL: Opcode> Ioctl for Ask<CALL> {
    type Output = (i32, u32);
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        CALL
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut self.0).cast()
    }

    unsafe fn output_from_ptr(
        answer: IoctlOutput,
        info: *mut c_void,
    ) -> rustix::io::Result<Self::Output> {
        // SAFETY: it is the pointer of `as_ptr`.
        let info = unsafe { &*info.cast::<Info>() };
        Ok((answer, info.mounts))
    }
}

/// What the call gives back, and how many mounts the namespace has that it told of.
fn ask<const CALL: Opcode>(namespace: BorrowedFd<'_>) -> rustix::io::Result<(i32, u32)> {
    let size = const { size_of::<Info>() as u32 };
    // SAFETY: the descriptor is of a namespace, which knows these calls or refuses them.
    unsafe { ioctl(namespace, Ask::<CALL>(Info { size, mounts: 0, id: 0 })) }
}

/// The new descriptor that such a call has given back.
fn owned(fd: i32) -> OwnedFd {
    // SAFETY: the kernel has just made it for us, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_namespace_knows_its_neighbours() {
        let own = match MountNamespace::own() {
            Err(Errno::NOTTY) => return,
            own => own.unwrap(),
        };
        assert!(own.mounts() > 0);
        let inode = |fd: BorrowedFd<'_>| rustix::fs::fstat(fd).unwrap().st_ino;
        let Some(other) = own.before().unwrap() else { return };
        assert_ne!(inode(other.as_fd()), inode(own.as_fd()));
        let kind = crate::namespace::kind(other.as_fd());
        assert_eq!(kind, Ok(rustix::thread::UnshareFlags::NEWNS));
        let back = other.after().unwrap().unwrap();
        assert_eq!(inode(back.as_fd()), inode(own.as_fd()));
    }
}
