//! What passes between the parent and its child until the program is executed.
//!
//! One `SOCK_SEQPACKET` pair, close-on-exec. The parent sends one message: descriptors of mounts.
//! The child sends its terminal, that it waits at the gate, or which step failed and how. The end
//! of the stream without a fault means that the program was executed.

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::Pid;

/// The most descriptors that one message carries (`SCM_MAX_FD`). Source: man 7 unix.
pub(crate) const MAX_FDS: usize = 253;

/// Bytes of a message: step, cause, errno or process.
const SIZE: usize = 12;
/// The most bytes of words after it.
const WORDS: usize = 4096;
const READY: u32 = u32::MAX;
const TERMINAL: u32 = u32::MAX - 1;
const SPLIT: u32 = u32::MAX - 2;
const CREATED: u32 = u32::MAX - 3;

/// What the child says.
#[derive(Debug)]
pub(crate) enum Message {
    /// Here is the master side of its terminal.
    Terminal(OwnedFd),
    /// The process that goes on is this one, of this number.
    Split { pid: Pid, pidfd: OwnedFd },
    /// Everything is mounted; it waits for a byte.
    Created,
    /// It waits at the start gate.
    Ready,
    /// This step failed. A hook has said these words before.
    Failed { step: usize, fault: Fault, words: String },
}

/// Why a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// In whose view.
    pub(crate) cause: Cause,
    /// What the kernel said, or would have said.
    pub(crate) errno: Errno,
}

/// What was wrong, where the errno alone does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The kernel refused a call.
    Kernel,
    /// What should be a device is not that device.
    NotTheDevice,
    /// The image has a link where the kernel's file systems go.
    Link,
    /// A link of the image leads a mount into the kernel's file systems.
    KernelFiles,
    /// Something else than procfs would stand at `/proc` (CVE-2019-16884).
    NotProc,
    /// Whoever made the container went away.
    Abandoned,
    /// It could not enter a control group.
    ControlGroup,
    /// A hook took longer than it may.
    HookTimeout,
    /// A hook ended with another status than 0, which stands in place of the errno.
    HookFailed,
    /// A hook was ended by a signal, which stands in place of the errno.
    HookKilled,
}

/// All causes, in the order of their numbers on the wire.
const CAUSES: [Cause; 10] = [
    Cause::Kernel,
    Cause::NotTheDevice,
    Cause::Link,
    Cause::KernelFiles,
    Cause::NotProc,
    Cause::Abandoned,
    Cause::ControlGroup,
    Cause::HookTimeout,
    Cause::HookFailed,
    Cause::HookKilled,
];

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self { cause: Cause::Kernel, errno }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Errno::from_io_error(&error).unwrap_or(Errno::IO).into()
    }
}

impl Cause {
    /// The fault with this cause.
    pub(crate) fn with(self, errno: Errno) -> Fault {
        Fault { cause: self, errno }
    }
}

/// A new pair: the parent's end, the child's end.
pub(crate) fn pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// Sends a message of the child's.
pub(crate) fn send(socket: BorrowedFd<'_>, message: &Message) -> rustix::io::Result<()> {
    let (step, cause, number, fd) = match message {
        Message::Terminal(fd) => (TERMINAL, 0, 0, Some(fd.as_fd())),
        Message::Split { pid, pidfd } => {
            (SPLIT, 0, pid.as_raw_nonzero().get(), Some(pidfd.as_fd()))
        }
        Message::Ready => (READY, 0, 0, None),
        Message::Created => (CREATED, 0, 0, None),
        Message::Failed { step, fault, .. } => {
            let step = u32::try_from(*step).unwrap_or(CREATED - 1);
            (step, fault.cause as u32, fault.errno.raw_os_error(), None)
        }
    };
    let mut bytes = [0; SIZE];
    bytes[0..4].copy_from_slice(&step.to_ne_bytes());
    bytes[4..8].copy_from_slice(&cause.to_ne_bytes());
    bytes[8..12].copy_from_slice(&number.to_ne_bytes());
    match message {
        Message::Failed { words, .. } if !words.is_empty() => {
            send_fds(socket, &[&bytes, words.as_bytes()].concat(), &[])
        }
        _ => send_fds(socket, &bytes, fd.as_slice()),
    }
}

/// Sends bytes and descriptors in one message.
pub(crate) fn send_fds(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Errno::TOOMANYREFS);
    }
    let bytes = [IoSlice::new(bytes)];
    retry_on_intr(|| sendmsg(socket, &bytes, &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Receives a message into `bytes` and its descriptors into `fds`, as far as its capacity goes.
/// Says how many bytes came; 0 at the end of the stream.
pub(crate) fn receive_fds(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    fds: &mut Vec<Option<OwnedFd>>,
    flags: RecvFlags,
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [IoSliceMut::new(bytes)];
    let received = retry_on_intr(|| {
        recvmsg(socket, &mut bytes, &mut control, flags | RecvFlags::CMSG_CLOEXEC)
    })?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            let room = fds.capacity() - fds.len();
            fds.extend(rights.take(room).map(Some));
        }
    }
    Ok(received.bytes)
}

/// The parent's end of the way.
#[derive(Debug)]
pub(crate) struct Reports {
    socket: OwnedFd,
    /// What was said before it was known by which process.
    early: VecDeque<Message>,
}

impl Reports {
    /// The parent's end of a new pair.
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, early: VecDeque::new() }
    }

    /// The next message; `None` at the end of the stream.
    pub(crate) fn next(&mut self) -> rustix::io::Result<Option<Message>> {
        match self.early.pop_front() {
            Some(early) => Ok(Some(early)),
            None => receive_with(self.socket.as_fd(), RecvFlags::empty()),
        }
    }

    /// The same, where a message is there; `EAGAIN` where none is.
    pub(crate) fn next_now(&mut self) -> rustix::io::Result<Option<Message>> {
        match self.early.pop_front() {
            Some(early) => Ok(Some(early)),
            None => receive_with(self.socket.as_fd(), RecvFlags::DONTWAIT),
        }
    }

    /// Which process goes on, where step `split` makes it; or that one of the steps up to that
    /// failed; `None` at the end of the stream.
    ///
    /// Both processes use the same way for a moment, and the new one may be heard first: it may
    /// even have failed and ended. What it says is kept, since it can be waited for only by who
    /// knows which one it is.
    pub(crate) fn split(&mut self, split: usize) -> rustix::io::Result<Option<Message>> {
        loop {
            match receive_with(self.socket.as_fd(), RecvFlags::empty())? {
                Some(Message::Failed { step, fault, words }) if step > split => {
                    self.early.push_back(Message::Failed { step, fault, words });
                }
                Some(early @ (Message::Terminal(_) | Message::Created | Message::Ready)) => {
                    self.early.push_back(early);
                }
                told => return Ok(told),
            }
        }
    }
}

impl AsFd for Reports {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn receive_with(socket: BorrowedFd<'_>, flags: RecvFlags) -> rustix::io::Result<Option<Message>> {
    let (mut bytes, mut fds) = ([0; SIZE + WORDS], Vec::with_capacity(1));
    let length = receive_fds(socket, &mut bytes, &mut fds, flags)?;
    if length < SIZE {
        return Ok(None);
    }
    let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    let number = i32::from_ne_bytes(word(8));
    Ok(Some(match u32::from_ne_bytes(word(0)) {
        READY => Message::Ready,
        CREATED => Message::Created,
        TERMINAL => Message::Terminal(fds.pop().flatten().ok_or(Errno::BADMSG)?),
        SPLIT => Message::Split {
            pid: Pid::from_raw(number).ok_or(Errno::BADMSG)?,
            pidfd: fds.pop().flatten().ok_or(Errno::BADMSG)?,
        },
        step => {
            let cause = usize::try_from(u32::from_ne_bytes(word(4))).unwrap_or(usize::MAX);
            let errno = Errno::from_raw_os_error(number);
            let cause = CAUSES.get(cause).copied().ok_or(Errno::BADMSG)?;
            let words = String::from_utf8_lossy(&bytes[SIZE..length]).into_owned();
            Message::Failed { step: step as usize, fault: cause.with(errno), words }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_and_terminals_arrive() {
        let (mut here, there) = reports();
        let fault = Cause::Link.with(Errno::LOOP);
        send(there.as_fd(), &Message::Failed { step: 3, fault, words: "why".to_owned() }).unwrap();
        send(there.as_fd(), &Message::Terminal(pair().unwrap().0)).unwrap();
        send(there.as_fd(), &Message::Ready).unwrap();
        drop(there);
        let first = here.next().unwrap();
        assert!(
            matches!(first, Some(Message::Failed { step: 3, fault: f, words }) if f == fault && words == "why")
        );
        assert!(matches!(here.next().unwrap(), Some(Message::Terminal(_))));
        assert!(matches!(here.next().unwrap(), Some(Message::Ready)));
        assert!(here.next().unwrap().is_none());
    }

    #[test]
    fn the_new_process_may_be_heard_before_it_is_known() {
        let (mut here, there) = reports();
        let fault = Cause::Kernel.with(Errno::NOENT);
        let pid = rustix::process::getpid();
        send(there.as_fd(), &Message::Terminal(pair().unwrap().0)).unwrap();
        send(there.as_fd(), &Message::Failed { step: 4, fault, words: String::new() }).unwrap();
        send(there.as_fd(), &Message::Split { pid, pidfd: pair().unwrap().0 }).unwrap();
        drop(there);
        assert!(matches!(here.split(3).unwrap(), Some(Message::Split { pid: p, .. }) if p == pid));
        assert!(matches!(here.next_now().unwrap(), Some(Message::Terminal(_))));
        assert!(matches!(here.next().unwrap(), Some(Message::Failed { step: 4, .. })));
        assert!(here.next().unwrap().is_none());
    }

    #[test]
    fn the_first_process_may_fail_before_it_splits() {
        let (mut here, there) = reports();
        let fault = Cause::Kernel.with(Errno::PERM);
        send(there.as_fd(), &Message::Failed { step: 3, fault, words: "why".to_owned() }).unwrap();
        drop(there);
        assert!(matches!(here.split(3).unwrap(), Some(Message::Failed { step: 3, .. })));
        assert!(here.split(3).unwrap().is_none());
    }

    fn reports() -> (Reports, OwnedFd) {
        let (here, there) = pair().unwrap();
        (Reports::new(here), there)
    }

    #[test]
    fn causes_stand_at_their_numbers() {
        assert!(CAUSES.iter().enumerate().all(|(number, cause)| *cause as usize == number));
    }
}
