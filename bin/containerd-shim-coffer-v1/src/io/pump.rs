//! Carries bytes from one descriptor to another without ever waiting for either.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;

/// How much is carried at once, in bytes: a quarter of a pipe.
pub const ROOM: usize = 16 << 10;

/// One direction of one process.
#[derive(Debug)]
pub struct Pump {
    from: OwnedFd,
    to: OwnedFd,
    /// Read, and not yet taken by `to`.
    pending: Vec<u8>,
    phase: Phase,
}

/// How long a pump goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Until its source ends.
    Open,
    /// Until nothing is left to read: its process is gone, and what others still hold open is not
    /// waited for.
    Last,
}

/// Whether there is more to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// It is to be polled again.
    Yes,
    /// It has ended; dropping it closes both of its ends.
    No,
}

impl Pump {
    /// Carries from `from` to `to`, both of which must be non-blocking.
    #[must_use]
    pub const fn new(from: OwnedFd, to: OwnedFd) -> Self {
        Self { from, to, pending: Vec::new(), phase: Phase::Open }
    }

    /// What to poll for before the next [`Self::turn`]. While the receiver is behind nothing is
    /// read, so that a slow reader slows the process down, as a pipe between them would.
    #[must_use]
    pub fn waits_for(&self) -> (BorrowedFd<'_>, PollFlags) {
        use std::os::fd::AsFd;
        match self.pending.is_empty() {
            true => (self.from.as_fd(), PollFlags::IN),
            false => (self.to.as_fd(), PollFlags::OUT),
        }
    }

    /// Carries what it can.
    pub fn turn(&mut self, buffer: &mut [u8]) -> More {
        loop {
            if self.flush() == More::No {
                return More::No;
            }
            if !self.pending.is_empty() {
                return More::Yes;
            }
            match rustix::io::read(&self.from, &mut *buffer) {
                Ok(0) => return More::No,
                Ok(n) => self.pass(&buffer[..n]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if self.phase == Phase::Open => return More::Yes,
                // EIO: a terminal that nobody has open any more (man 4 pty).
                Err(_) => return More::No,
            }
        }
    }

    /// Carries what is left, once its process has ended.
    pub fn last(&mut self, buffer: &mut [u8]) -> More {
        self.phase = Phase::Last;
        self.turn(buffer)
    }

    /// Writes `bytes`, and keeps what is not taken.
    fn pass(&mut self, bytes: &[u8]) {
        match rustix::io::write(&self.to, bytes) {
            Ok(n) => self.pending.extend_from_slice(&bytes[n..]),
            Err(_) => self.pending.extend_from_slice(bytes), // `flush` sees what is the matter
        }
    }

    fn flush(&mut self) -> More {
        while !self.pending.is_empty() {
            match rustix::io::write(&self.to, &self.pending) {
                Ok(n) => drop(self.pending.drain(..n)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return More::Yes,
                Err(_) => return More::No,
            }
        }
        if self.pending.capacity() > 0 {
            self.pending = Vec::new(); // a sleeping container keeps no buffer
        }
        More::Yes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};

    fn pipe() -> (OwnedFd, OwnedFd) {
        pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap()
    }

    #[test]
    fn carries_and_ends_with_its_source() {
        let (from, writer) = pipe();
        let (reader, to) = pipe();
        let mut pump = Pump::new(from, to);
        let mut buffer = [0; ROOM];
        rustix::io::write(&writer, b"words").unwrap();
        assert_eq!(pump.turn(&mut buffer), More::Yes);
        drop(writer);
        assert_eq!(pump.turn(&mut buffer), More::No);
        let mut got = [0; 8];
        assert_eq!(rustix::io::read(&reader, &mut got).unwrap(), 5);
        assert_eq!(&got[..5], b"words");
    }

    #[test]
    fn a_full_receiver_stops_it_and_nothing_is_lost() {
        let (from, writer) = pipe();
        let (reader, to) = pipe();
        let mut pump = Pump::new(from, to);
        let (mut buffer, mut sent, mut got) = ([0; ROOM], 0, 0);
        while sent < 1 << 20 || got < sent {
            if sent < 1 << 20 {
                sent += rustix::io::write(&writer, &[7; 5000]).unwrap_or(0);
            }
            assert_eq!(pump.turn(&mut buffer), More::Yes);
            let mut room = [0; 3000];
            got += rustix::io::read(&reader, &mut room).unwrap_or(0);
        }
        assert_eq!(got, sent);
    }

    #[test]
    fn after_its_process_it_ends_though_the_source_is_open() {
        let (from, writer) = pipe();
        let (reader, to) = pipe();
        let mut pump = Pump::new(from, to);
        rustix::io::write(&writer, b"late").unwrap();
        assert_eq!(pump.last(&mut [0; ROOM]), More::No);
        let mut got = [0; 8];
        assert_eq!(rustix::io::read(&reader, &mut got).unwrap(), 4);
    }
}
