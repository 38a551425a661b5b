//! Giving a terminal, or the process itself, to whoever watches the container. Sources: runc's
//! docs/terminals.md, "Detached New Terminal"; runc-create(8), `--pidfd-socket`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::BundleError;
use crate::launch::send_fds;

/// Sends the master side of a terminal over the socket at `path`, with a name beside it.
///
/// # Errors
/// [`BundleError::Console`].
pub fn send(path: &Path, terminal: BorrowedFd<'_>) -> Result<(), BundleError> {
    send_to(path, "/dev/console", terminal)
        .map_err(|source| BundleError::Console { path: path.to_owned(), source })
}

/// Sends a pidfd of the caller's child `pid` over the socket at `path`, with the name that runc
/// gives it: `standard` for a container's first process, `setns` for one that joins.
///
/// # Errors
/// [`BundleError::PidfdSocket`].
pub fn send_pidfd(path: &Path, name: &str, pid: Pid) -> Result<(), BundleError> {
    let sent = pidfd_open(pid, PidfdFlags::empty())
        .map_err(io::Error::from)
        .and_then(|pidfd| send_to(path, name, pidfd.as_fd()));
    sent.map_err(|source| BundleError::PidfdSocket { path: path.to_owned(), source })
}

/// The name is for people; a reader that finds none takes the message for an end of file.
fn send_to(path: &Path, name: &str, fd: BorrowedFd<'_>) -> io::Result<()> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(send_fds(socket.as_fd(), name.as_bytes(), &[fd])?)
}
