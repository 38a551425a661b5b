//! Events on their way to containerd.
//!
//! Each is kept until containerd has acknowledged it, and only then the next one is sent: containerd
//! serves the calls of one connection at once, in any order. If it is away, the next event, or its
//! own return as a client, tries again: nothing is polled.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use prost::Message;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, socket_with,
};

use crate::wire::call::Request;
use crate::wire::common::{Any, Timestamp};
use crate::wire::event::{self, Envelope, Event, ForwardRequest};
use crate::wire::frame::{Frame, Frames, Kind};

/// How many events are kept for a containerd that is away; then the oldest are lost, which
/// containerd makes up for by asking for states when it is back.
const MOST: usize = 1024;

/// Sends events.
#[derive(Debug)]
pub struct Publisher {
    address: String,
    namespace: String,
    next_stream: u32,
    /// Not yet acknowledged, oldest first.
    waiting: VecDeque<Waiting>,
    line: Option<Line>,
}

/// An event as a frame.
#[derive(Debug)]
struct Waiting {
    stream: u32,
    bytes: Vec<u8>,
}

/// A connection to containerd.
#[derive(Debug)]
struct Line {
    socket: OwnedFd,
    answers: Frames,
    /// How many bytes of the oldest waiting event were handed over.
    offset: usize,
}

impl Publisher {
    /// Sends to the socket at `address`, as from containerd's `namespace`.
    #[must_use]
    pub const fn new(address: String, namespace: String) -> Self {
        Self { address, namespace, next_stream: 1, waiting: VecDeque::new(), line: None }
    }

    /// Sends `event`, now or as soon as containerd takes it.
    pub fn publish<E: Event>(&mut self, event: &E) {
        let envelope = Envelope {
            timestamp: Some(Timestamp::now()),
            namespace: self.namespace.clone(),
            topic: E::TOPIC.to_owned(),
            event: Some(Any::new(E::TYPE, event)),
        };
        let request = Request {
            service: event::SERVICE.to_owned(),
            method: event::METHOD.to_owned(),
            payload: ForwardRequest { envelope: Some(envelope) }.encode_to_vec(),
            timeout_nano: 0,
        };
        let stream = self.next_stream;
        self.next_stream = self.next_stream.wrapping_add(2);
        let frame = Frame { stream, kind: Kind::Request, message: request.encode_to_vec() };
        // An event of more than 4 MiB would need a container with as many mounts.
        let Ok(bytes) = frame.encode() else { return };
        if self.waiting.len() == MOST {
            self.line = None; // begins again with what is now the oldest
            self.waiting.pop_front();
        }
        self.waiting.push_back(Waiting { stream, bytes });
        self.flush();
    }

    /// Hands over what waits, if containerd is there.
    pub fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        if self.line.is_none() {
            self.line = Line::dial(&self.address);
        }
        if let Some(line) = &mut self.line
            && let Some(oldest) = self.waiting.front()
            && line.send(&oldest.bytes).is_err()
        {
            self.line = None;
        }
    }

    /// Whether every event has been acknowledged.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether there is somebody to hand events to.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.line.is_some()
    }

    /// What to poll for before the next [`Self::turn`].
    #[must_use]
    pub fn waits_for(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let line = self.line.as_ref()?;
        let behind = self.waiting.front().is_some_and(|oldest| line.offset < oldest.bytes.len());
        let flags = if behind { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        Some((line.socket.as_fd(), flags))
    }

    /// Takes acknowledgements and goes on sending.
    pub fn turn(&mut self, buffer: &mut [u8]) {
        match self.line.as_mut().map(|line| line.acknowledged(buffer)) {
            Some(Ok(streams)) => streams.into_iter().for_each(|stream| self.forget(stream)),
            Some(Err(_)) => self.line = None,
            None => {}
        }
        if self.line.is_some() {
            self.flush();
        }
    }

    /// The oldest event is the only one that can have been answered.
    fn forget(&mut self, stream: u32) {
        if self.waiting.front().is_some_and(|oldest| oldest.stream == stream) {
            self.waiting.pop_front();
            if let Some(line) = &mut self.line {
                line.offset = 0;
            }
        }
    }
}

impl Line {
    fn dial(address: &str) -> Option<Self> {
        let path = address.strip_prefix("unix://").unwrap_or(address);
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
        connect(&socket, &SocketAddrUnix::new(path).ok()?).ok()?;
        Some(Self { socket, answers: Frames::default(), offset: 0 })
    }

    fn send(&mut self, event: &[u8]) -> rustix::io::Result<()> {
        while self.offset < event.len() {
            match send(&self.socket, &event[self.offset..], SendFlags::NOSIGNAL) {
                Ok(n) => self.offset += n,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// The streams that containerd has answered. An event that it refused is not sent again
    /// either: it would refuse it again.
    fn acknowledged(&mut self, buffer: &mut [u8]) -> rustix::io::Result<Vec<u32>> {
        loop {
            match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => return Err(Errno::CONNRESET),
                Ok((n, _)) => self.answers.push(&buffer[..n]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(errno) => return Err(errno),
            }
        }
        let mut streams = Vec::new();
        while let Some(frame) = self.answers.next_whole().map_err(|_| Errno::PROTO)? {
            streams.push(frame.stream);
        }
        Ok(streams)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::event::TaskOOM;
    use rustix::net::{accept, bind, listen};

    fn publisher(path: &std::path::Path) -> (Publisher, OwnedFd) {
        let listener =
            socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let listener = listener.unwrap();
        bind(&listener, &SocketAddrUnix::new(path).unwrap()).unwrap();
        listen(&listener, 1).unwrap();
        (Publisher::new(path.to_str().unwrap().to_owned(), "ns".to_owned()), listener)
    }

    fn next(peer: &OwnedFd, frames: &mut Frames) -> Frame {
        let mut buffer = [0; 512];
        loop {
            if let Some(frame) = frames.next_whole().unwrap() {
                return frame;
            }
            let n = rustix::io::read(peer, &mut buffer).unwrap();
            assert!(n > 0);
            frames.push(&buffer[..n]);
        }
    }

    #[test]
    fn an_event_is_sent_again_until_it_is_acknowledged() {
        let folder = tempfile::tempdir().unwrap();
        let (mut publisher, listener) = publisher(&folder.path().join("events"));
        publisher.publish(&TaskOOM { container_id: "one".into() });
        let first = next(&accept(&listener).unwrap(), &mut Frames::default());
        assert!(!publisher.is_idle());
        publisher.turn(&mut [0; 512]); // the peer has gone
        publisher.publish(&TaskOOM { container_id: "two".into() });
        let (peer, mut frames) = (accept(&listener).unwrap(), Frames::default());
        assert_eq!(next(&peer, &mut frames), first);
        let mut acknowledge = |stream| {
            let answer = Frame { stream, kind: Kind::Response, message: Vec::new() };
            rustix::io::write(&peer, &answer.encode().unwrap()).unwrap();
            publisher.turn(&mut [0; 512]);
        };
        acknowledge(first.stream);
        acknowledge(next(&peer, &mut frames).stream);
        assert!(publisher.is_idle());
    }
}
