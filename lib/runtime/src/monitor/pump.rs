//! Carries what a container writes and reads until it has ended.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::stdio::{Input, Outside, Room};
use super::wire::MOST;
use crate::disk::Guard;
use crate::log::{Stream, Writer};

/// Who listens to a container and types into it.
pub(crate) trait Audience {
    /// Adds what it waits for, while the program has such room for input.
    fn interests<'a>(&'a self, room: Room, fds: &mut Vec<PollFd<'a>>);

    /// Acts on what has come, in the order in which [`Self::interests`] added it.
    fn act(&mut self, ready: &[PollFlags], stage: &mut Stage<'_>) -> io::Result<()>;

    /// Shows what the program wrote. Says whether anybody wants more of this stream.
    fn show(&mut self, stream: Stream, bytes: &[u8]) -> Wanted;

    /// Keeps a copy of the terminal that was taken from one of its own.
    fn keep_terminal(&mut self, _terminal: OwnedFd) {}

    /// Whether it must first catch up before more is shown.
    fn is_behind(&self) -> bool;

    /// Whether it wants no more, and leaves the program running.
    fn has_left(&self) -> bool {
        false
    }
}

/// Why no more is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    /// The first process has ended, and all that it wrote was carried.
    ToTheEnd,
    /// The audience has left.
    UntilLeft,
}

/// Whether more of a stream is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It is.
    More,
    /// Nobody can take it any more: the program is to get `SIGPIPE`.
    NoMore,
}

/// What the audience can act upon.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    /// The program's input and terminal.
    pub(crate) input: &'a mut Input,
    /// The container's first process.
    pub(crate) init: BorrowedFd<'a>,
    /// Where a terminal is put that somebody kept while there was no monitor.
    pub(crate) lent: &'a mut Option<OwnedFd>,
}

/// One container's input and output.
#[derive(Debug)]
pub(crate) struct Pump<A> {
    pub(crate) init: OwnedFd,
    pub(crate) outside: Outside,
    pub(crate) log: Option<Writer>,
    pub(crate) audience: A,
}

impl<A: Audience> Pump<A> {
    /// Carries on until the container's first process has ended, and then until all that was
    /// written before is read; or until the audience leaves. What another process still holds open
    /// is not waited for. Meanwhile the `guard` looks at the disk.
    ///
    /// # Errors
    /// What poll says, and a descriptor that cannot be read.
    pub(crate) fn run(&mut self, mut guard: Option<&mut Guard<'_>>) -> io::Result<Carried> {
        let mut buffer = vec![0u8; MOST];
        while !self.turn(&mut buffer, guard.as_deref())? {
            if self.audience.has_left() {
                return Ok(Carried::UntilLeft);
            }
            if let Some(guard) = &mut guard {
                guard.look(&self.init);
            }
        }
        self.drain(&mut buffer)?;
        if let Some(words) = guard.and_then(|guard| guard.words()) {
            let words =
                if self.outside.input.is_terminal() { words.replace('\n', "\r\n") } else { words };
            self.audience.show(Stream::Stderr, words.as_bytes());
        }
        Ok(Carried::ToTheEnd)
    }

    /// Waits for something to do and does it. Says whether the container has ended.
    fn turn(&mut self, buffer: &mut [u8], guard: Option<&Guard<'_>>) -> io::Result<bool> {
        let (ready, outputs) = self.wait(guard.and_then(Guard::wait))?;
        let [init, rest @ ..] = ready.as_slice() else { return Ok(false) };
        let (outputs, rest) = rest.split_at(outputs);
        self.outside.input.flush();
        let mut lent = None;
        let mut stage =
            Stage { input: &mut self.outside.input, init: self.init.as_fd(), lent: &mut lent };
        self.audience.act(rest, &mut stage)?;
        self.take(lent);
        let mut ended = Vec::new();
        for (at, flags) in outputs.iter().enumerate() {
            if !flags.is_empty() && !self.carry(at, buffer)? {
                ended.push(at);
            }
        }
        for at in ended.into_iter().rev() {
            self.outside.outputs.remove(at);
        }
        Ok(!init.is_empty())
    }

    /// Takes a terminal, where there is nothing else to carry. What is none is dropped.
    fn take(&mut self, lent: Option<OwnedFd>) {
        if let (Some(master), true) = (lent, self.outside.outputs.is_empty())
            && let Ok(copy) = master.try_clone()
            && let Ok(outside) = Outside::terminal(master)
        {
            self.outside = outside;
            self.audience.keep_terminal(copy);
        }
    }

    /// What is ready: the first process, the outputs (as many as are said), the audience.
    fn wait(&self, limit: Option<Timespec>) -> io::Result<(Vec<PollFlags>, usize)> {
        let listening = if self.audience.is_behind() { &[][..] } else { &self.outside.outputs[..] };
        let mut fds = vec![PollFd::new(&self.init, PollFlags::IN)];
        fds.extend(listening.iter().map(|output| PollFd::new(&output.fd, PollFlags::IN)));
        self.audience.interests(self.outside.input.room(), &mut fds);
        let before_input = fds.len();
        let input = self.outside.input.waits_for();
        fds.extend(input.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::OUT)));
        match poll(&mut fds, limit.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok((Vec::new(), 0)),
            Err(errno) => return Err(errno.into()),
        }
        Ok((fds[..before_input].iter().map(PollFd::revents).collect(), listening.len()))
    }

    /// Carries one buffer of an output. Says whether it goes on.
    fn carry(&mut self, at: usize, buffer: &mut [u8]) -> io::Result<bool> {
        let output = &self.outside.outputs[at];
        let Some(n) = output.read(buffer)? else { return Ok(true) };
        if n == 0 {
            return Ok(false);
        }
        let written = &buffer[..n];
        if let Some(log) = &mut self.log {
            // A full disk loses lines of the log. It must not stop the container.
            drop(log.write(output.stream, written));
        }
        Ok(self.audience.show(output.stream, written) == Wanted::More)
    }

    fn drain(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        for at in 0..self.outside.outputs.len() {
            while let Some(n) = self.outside.outputs[at].read(buffer)? {
                if n == 0 {
                    break;
                }
                let (stream, written) = (self.outside.outputs[at].stream, &buffer[..n]);
                if let Some(log) = &mut self.log {
                    drop(log.write(stream, written));
                }
                if self.audience.show(stream, written) == Wanted::NoMore {
                    break;
                }
            }
        }
        Ok(())
    }
}
