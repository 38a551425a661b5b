//! What a running container lends to another that joins it: its `/dev/shm`.
//!
//! A mount can be copied only from within the mount namespace that it is in. A process that exists
//! for a moment goes there, and hands the copy back. It has no other descriptor of ours that
//! matters, is closed to tracers before it enters, and follows no link.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::mount::{Change, INERT, Reach, set_attributes};
use coffer_sys::spawn::{self, Clone3, Parent};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::net::RecvFlags;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{ThreadNameSpaceType, UnshareFlags, move_into_thread_name_spaces};

use super::{end, report};

/// A copy of the `/dev/shm` that the process `holder` (a pidfd) sees, attached nowhere. `holder` is
/// in a user namespace that is not this process's.
///
/// # Errors
/// What the kernel says: `ENOENT` where there is none, `ELOOP` where it is a link.
pub(crate) fn shared_memory_of(holder: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let (ours, theirs) = report::pair()?;
    let how = Clone3 { namespaces: UnshareFlags::empty(), cgroup: None, parent: Parent::Caller };
    let cloned = spawn::spawn(how, || {
        coffer_sys::exec::close_one(ours.as_fd());
        let answer = copy(holder).and_then(|mount| {
            report::send_fds(theirs.as_fd(), &[0; 4], &[mount.as_fd()])?;
            Ok(())
        });
        let errno = match answer {
            Ok(()) => return 0,
            Err(errno) => errno.raw_os_error().to_ne_bytes(),
        };
        i32::from(report::send_fds(theirs.as_fd(), &errno, &[]).is_err())
    })?;
    drop(theirs);
    let (mut errno, mut fds) = ([0; 4], Vec::with_capacity(1));
    let heard = report::receive_fds(ours.as_fd(), &mut errno, &mut fds, RecvFlags::empty());
    end(&cloned);
    match (heard?, fds.pop().flatten()) {
        (4, Some(mount)) => Ok(mount),
        (4, None) => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(errno))),
        _ => Err(Errno::PIPE.into()),
    }
}

fn copy(holder: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let into = ThreadNameSpaceType::USER | ThreadNameSpaceType::MOUNT;
    move_into_thread_name_spaces(holder, into)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let stay = ResolveFlags::NO_SYMLINKS | ResolveFlags::IN_ROOT;
    let memory = coffer_sys::dir::open_within(CWD, c"/dev/shm", flags, Mode::empty(), stay)?;
    let copied = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let mount = open_tree(&memory, c"", copied)?;
    let changed = set_attributes(&mount, Change::set(INERT, Reach::One));
    changed.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    Ok(mount)
}
