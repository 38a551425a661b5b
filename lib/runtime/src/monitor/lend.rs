//! A terminal's master side, passed over a monitor's socket.
//!
//! A terminal hangs up when the last descriptor of its master side is closed. The monitor lends it
//! to those who are attached; where the monitor is killed, they lend it to the next one. Source:
//! man 7 unix, `SCM_RIGHTS`.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::wire::LENT;

/// Sends `terminal` along with its message, if the socket takes it now.
pub(super) fn lend(socket: &OwnedFd, terminal: BorrowedFd<'_>) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [terminal];
    if control.push(SendAncillaryMessage::ScmRights(&fds)) {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        // Who does not get it goes without: only the terminal's life after a killed monitor
        // depends on it.
        sendmsg(socket, &[IoSlice::new(LENT)], &mut control, flags).ok();
    }
}

/// Receives a message into `packet`, without waiting, and the terminal that came along with it.
///
/// # Errors
/// As man 2 recvmsg lists.
pub(super) fn receive(
    socket: &OwnedFd,
    packet: &mut [u8],
) -> rustix::io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let got = recvmsg(socket, &mut [IoSliceMut::new(packet)], &mut control, flags)?;
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok((got.bytes, fd))
}
