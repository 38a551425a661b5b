//! Hearing how a container ends, from its monitor.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use super::lend::receive;
use super::wire::{Ask, PACKET, Tell};

/// Waits at the end of `socket` until the monitor at the other says with which code the container
/// has ended. `None` where the monitor has gone without a word: the container may run on.
///
/// # Errors
/// What poll and the socket say.
pub(crate) fn listen(socket: &OwnedFd) -> io::Result<Option<u8>> {
    // Who waits takes no output, and so never keeps the container from writing.
    match send(socket, &Ask::NoOutput.encode(), SendFlags::NOSIGNAL) {
        Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut packet = [0u8; PACKET];
    loop {
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        match receive(socket, &mut packet) {
            Ok((0, _)) => return Ok(None),
            Ok((n, _)) => {
                if let Some(Tell::Ended { code }) = Tell::decode(&packet[..n]) {
                    return Ok(Some(code));
                }
            }
            // The last is said once, before what lies in the socket.
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNRESET) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
