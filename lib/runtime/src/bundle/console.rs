//! Giving a terminal to whoever watches the container. Source: runc's docs/terminals.md,
//! "Detached New Terminal".

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::BundleError;
use crate::launch::send_fds;

/// Sends the master side of a terminal over the socket at `path`, with a name beside it.
///
/// # Errors
/// [`BundleError::Console`].
pub fn send(path: &Path, terminal: BorrowedFd<'_>) -> Result<(), BundleError> {
    send_to(path, terminal).map_err(|source| BundleError::Console { path: path.to_owned(), source })
}

fn send_to(path: &Path, terminal: BorrowedFd<'_>) -> io::Result<()> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    // The name is for people; a reader that finds none takes the message for an end of file.
    Ok(send_fds(socket.as_fd(), b"/dev/console", &[terminal])?)
}
