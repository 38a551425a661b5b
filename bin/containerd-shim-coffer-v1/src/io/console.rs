//! The socket over which a runtime hands a terminal over (runc, docs/terminals.md).

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, unlinkat};
use rustix::io::{Errno, IoSliceMut};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix,
    SocketFlags, SocketType, accept_with, bind, listen, recvmsg, socket_with,
};

use super::IoError;

/// A listening socket in a bundle; its file goes with it.
#[derive(Debug)]
pub struct Console {
    listener: OwnedFd,
    bundle: OwnedFd,
    name: String,
}

impl Console {
    /// Listens on `name` in the folder `bundle`. Through the descriptor, since a bundle's path is
    /// often longer than the 108 bytes that a socket's address holds (man 7 unix); the runtime is
    /// started in the bundle and gets the bare name.
    ///
    /// # Errors
    /// The socket cannot be made there.
    pub fn listen(bundle: BorrowedFd<'_>, name: String) -> Result<Self, IoError> {
        let make = || -> std::io::Result<(OwnedFd, OwnedFd)> {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            let path = format!("/proc/self/fd/{}/{name}", bundle.as_raw_fd());
            bind(&socket, &SocketAddrUnix::new(path)?)?;
            listen(&socket, 1)?;
            Ok((socket, bundle.try_clone_to_owned()?))
        };
        match make() {
            Ok((listener, bundle)) => Ok(Self { listener, bundle, name }),
            Err(source) => Err(IoError::Console { path: name, source }),
        }
    }

    /// Its name, for the runtime.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The terminal's master end, once the runtime has ended: it was sent before.
    ///
    /// # Errors
    /// None came.
    pub fn take(self) -> Result<OwnedFd, IoError> {
        let failed =
            |errno: Errno| IoError::Console { path: self.name.clone(), source: errno.into() };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let peer = match accept_with(&self.listener, flags) {
            Ok(peer) => peer,
            Err(Errno::AGAIN) => return Err(IoError::NoTerminal(self.name.clone())),
            Err(errno) => return Err(failed(errno)),
        };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut name = [0u8; 4096]; // runc sends the slave's path along
        let parts = &mut [IoSliceMut::new(&mut name)];
        recvmsg(&peer, parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC).map_err(failed)?;
        let mut sent = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        });
        let master = sent.next().and_then(|mut fds| fds.next());
        master.ok_or_else(|| IoError::NoTerminal(self.name.clone()))
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // The bundle is removed whole when the container is; a name left there harms nobody.
        let _ = unlinkat(&self.bundle, &*self.name, AtFlags::empty());
    }
}
