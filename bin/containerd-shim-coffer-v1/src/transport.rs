//! A client of the shim: containerd, usually once.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use prost::Message;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::wire::call::{Code, Request, Response, Status};
use crate::wire::frame::{Frame, Frames, Kind};

/// A connection, and what is not sent yet.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
    frames: Frames,
    pending: Vec<u8>,
}

/// A call that has come.
#[derive(Debug)]
pub struct Call {
    /// Which answer belongs to it.
    pub stream: u32,
    /// What is asked, or what is wrong with the asking.
    pub request: Result<Request, Status>,
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl Connection {
    /// Speaks over `socket`, which must be non-blocking.
    #[must_use]
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket, frames: Frames::default(), pending: Vec::new() }
    }

    /// What to poll for before the next [`Self::receive`] or [`Self::flush`].
    #[must_use]
    pub fn waits_for(&self) -> (BorrowedFd<'_>, PollFlags) {
        let behind = !self.pending.is_empty();
        let flags = if behind { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        (self.socket.as_fd(), flags)
    }

    /// Reads what has come.
    ///
    /// # Errors
    /// The client has gone, or does not speak ttrpc.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Vec<Call>, Closed> {
        loop {
            match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => return Err(Closed),
                Ok((n, _)) => self.frames.push(&buffer[..n]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => return Err(Closed),
            }
        }
        let mut calls = Vec::new();
        while let Some(frame) = self.frames.next_whole().map_err(|_| Closed)? {
            calls.push(Call { stream: frame.stream, request: read(&frame) });
        }
        Ok(calls)
    }

    /// Answers the call of `stream`.
    pub fn answer(&mut self, stream: u32, response: &Response) {
        let frame = Frame { stream, kind: Kind::Response, message: response.encode_to_vec() };
        let bytes = frame.encode().or_else(|error| {
            let status = Status { code: Code::Unknown.into(), message: error.to_string() };
            let response = Response { status: Some(status), payload: Vec::new() };
            Frame { stream, kind: Kind::Response, message: response.encode_to_vec() }.encode()
        });
        self.pending.extend(bytes.unwrap_or_default());
        // If the client has gone, the next `receive` says so.
        let _ = self.flush();
    }

    /// Sends what it can.
    ///
    /// # Errors
    /// The client has gone.
    pub fn flush(&mut self) -> Result<(), Closed> {
        while !self.pending.is_empty() {
            match send(&self.socket, &self.pending, SendFlags::NOSIGNAL) {
                Ok(n) => drop(self.pending.drain(..n)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(_) => return Err(Closed),
            }
        }
        self.pending = Vec::new();
        Ok(())
    }

    /// Whether everything was sent.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.pending.is_empty()
    }
}

fn read(frame: &Frame) -> Result<Request, Status> {
    let wrong = |message: String| Status { code: Code::InvalidArgument.into(), message };
    match frame.kind {
        Kind::Request => Request::decode(frame.message.as_slice())
            .map_err(|error| wrong(format!("unmarshal request error: {error}"))),
        Kind::Response | Kind::Other(_) => Err(wrong("only unary requests are served".to_owned())),
    }
}
