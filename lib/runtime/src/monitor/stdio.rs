//! A container's standard descriptors: the ends inside, and the ends that are pumped.
//!
//! In the foreground they are pipes, which end with coffer as they would in a shell. A detached
//! container writes into fifos in its own folder, opened for reading too, so that there is always
//! a reader: when its monitor is killed it gets no `SIGPIPE` and runs on, until 64 KiB that nobody
//! reads stop it at its next write; whoever opens the fifos again goes on reading there. A terminal
//! cannot be kept so: when its monitor is killed it hangs up.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::dir;
use rustix::fs::{self as rfs, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};
use rustix::termios::{Winsize, tcsetwinsize};

use serde::{Deserialize, Serialize};

use crate::log::Stream;

/// The fifos' names in the container's folder.
const FIFOS: [(&str, Stream); 2] = [("stdout", Stream::Stdout), ("stderr", Stream::Stderr)];

/// Whether the program can be given input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stdin {
    /// It reads the end of the file at once.
    Closed,
    /// `-i`: it reads what is sent to it.
    Open,
}

/// What becomes the program's descriptors 0, 1 and 2.
pub(crate) type Inside = [OwnedFd; 3];

/// What is pumped.
#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) input: Input,
    pub(crate) outputs: Vec<Output>,
}

/// Where the program's output is read. Reading never waits.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) fd: OwnedFd,
    pub(crate) stream: Stream,
    /// Keeps a terminal from hanging up while nothing in the container has it open.
    _peer: Option<OwnedFd>,
}

/// Where the program's input is written. Writing never waits: what does not fit is kept, and no
/// more is taken meanwhile.
#[derive(Debug)]
pub(crate) struct Input {
    fd: Option<OwnedFd>,
    kind: Kind,
    pending: Vec<u8>,
    ended: bool,
}

/// Whether the program could be given more input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// It could.
    Free,
    /// Not before it has read what it was given.
    Full,
    /// It takes none, and what comes is dropped.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pipe,
    Terminal,
}

/// Pipes, for a container in the foreground.
pub(crate) fn pipes(stdin: Stdin) -> io::Result<(Inside, Outside)> {
    let (inside, input) = input(stdin)?;
    let (read_out, write_out) = pipe_with(PipeFlags::CLOEXEC)?;
    let (read_err, write_err) = pipe_with(PipeFlags::CLOEXEC)?;
    let outputs =
        vec![Output::new(read_out, Stream::Stdout)?, Output::new(read_err, Stream::Stderr)?];
    Ok(([inside, write_out, write_err], Outside { input, outputs }))
}

/// Nothing to read, and nobody who reads.
pub(crate) fn null() -> io::Result<Inside> {
    let open = || rfs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    Ok([open()?, open()?, open()?])
}

/// Fifos in the container's folder, for a detached one.
pub(crate) fn fifos(dir: BorrowedFd<'_>, stdin: Stdin) -> io::Result<(Inside, Outside)> {
    for (name, _) in FIFOS {
        dir::remove_file(dir, name)?;
        rfs::mknodat(dir, name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    }
    let (inside, input) = input(stdin)?;
    let [out, err] = FIFOS.map(|(name, _)| open_fifo(dir, name));
    Ok(([inside, out?, err?], Outside { input, outputs: reopen(dir)? }))
}

/// The fifos of a container that runs already.
fn reopen(dir: BorrowedFd<'_>) -> io::Result<Vec<Output>> {
    FIFOS.iter().map(|(name, stream)| Output::new(open_fifo(dir, name)?, *stream)).collect()
}

/// For reading and writing, which does not wait for another end. Source: man 7 fifo.
fn open_fifo(dir: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rfs::openat(dir, name, flags, Mode::empty())?)
}

fn input(stdin: Stdin) -> io::Result<(OwnedFd, Input)> {
    let none = Input { fd: None, kind: Kind::Pipe, pending: Vec::new(), ended: false };
    match stdin {
        Stdin::Closed => {
            let null = rfs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            Ok((null, none))
        }
        Stdin::Open => {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
            set_nonblocking(&write)?;
            Ok((read, Input { fd: Some(write), ..none }))
        }
    }
}

impl Outside {
    /// The master side of a terminal.
    pub(crate) fn terminal(master: OwnedFd) -> io::Result<Self> {
        let peer = ioctl_tiocgptpeer(
            &master,
            OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
        )?;
        let keyboard = master.try_clone()?;
        let mut screen = Output::new(master, Stream::Stdout)?;
        screen._peer = Some(peer);
        let input =
            Input { fd: Some(keyboard), kind: Kind::Terminal, pending: Vec::new(), ended: false };
        Ok(Self { input, outputs: vec![screen] })
    }
}

impl Output {
    fn new(fd: OwnedFd, stream: Stream) -> io::Result<Self> {
        set_nonblocking(&fd)?;
        Ok(Self { fd, stream, _peer: None })
    }

    /// Reads what is there. `Ok(None)` where nothing is there now, `Ok(Some(0))` at the end.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match rustix::io::read(&self.fd, buffer) {
            Ok(n) => Ok(Some(n)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            // A terminal that nobody has open. Source: man 3 pts, and the kernel's n_tty.c.
            Err(Errno::IO) => Ok(Some(0)),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Input {
    /// Whether more can be taken.
    pub(crate) fn room(&self) -> Room {
        match &self.fd {
            Some(_) if !self.pending.is_empty() => Room::Full,
            Some(_) if !self.ended => Room::Free,
            _ => Room::None,
        }
    }

    /// What to wait for before [`Self::flush`], while something is kept.
    pub(crate) fn waits_for(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().filter(|_| !self.pending.is_empty()).map(AsFd::as_fd)
    }

    /// Passes bytes on to the program. Where it takes no input they are dropped.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.fd.is_some() && !self.ended {
            self.pending.extend_from_slice(bytes);
            self.flush();
        }
    }

    /// The end of the input: the program reads it after what is kept. A terminal has no end.
    pub(crate) fn end(&mut self) {
        if self.kind == Kind::Pipe {
            self.ended = true;
            self.flush();
        }
    }

    /// Writes as much as fits. A program that has closed its input takes none any more.
    pub(crate) fn flush(&mut self) {
        while let (Some(fd), false) = (&self.fd, self.pending.is_empty()) {
            match rustix::io::write(fd, &self.pending) {
                Ok(n) => drop(self.pending.drain(..n)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.pending.clear();
                    self.fd = None;
                }
            }
        }
        if self.ended {
            self.fd = None;
        }
    }

    /// Tells the terminal its size; its program gets `SIGWINCH`. No terminal is no error.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        if let (Some(fd), Kind::Terminal) = (&self.fd, self.kind) {
            let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            // Fails only where the terminal has gone, and its program with it.
            tcsetwinsize(fd, size).ok();
        }
    }
}

fn set_nonblocking(fd: &OwnedFd) -> io::Result<()> {
    let flags = rfs::fcntl_getfl(fd)?;
    Ok(rfs::fcntl_setfl(fd, flags | OFlags::NONBLOCK)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_kept_and_comes_in_order() {
        let (inside, mut outside) = pipes(Stdin::Open).unwrap();
        let sent: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        outside.input.push(&sent);
        assert_eq!(outside.input.room(), Room::Full);
        outside.input.end();
        let mut got = Vec::new();
        let mut buffer = [0u8; 65536];
        loop {
            let n = rustix::io::read(&inside[0], &mut buffer).unwrap();
            got.extend_from_slice(&buffer[..n]);
            outside.input.flush();
            if n == 0 {
                break;
            }
        }
        assert_eq!(got, sent);
    }

    #[test]
    fn a_fifo_has_a_reader_when_all_others_have_gone() {
        let folder = tempfile::tempdir().unwrap();
        let dir = dir::open(folder.path()).unwrap();
        let (inside, outside) = fifos(dir.as_fd(), Stdin::Closed).unwrap();
        drop(outside);
        rustix::io::write(&inside[1], b"still here").unwrap();
        let again = reopen(dir.as_fd()).unwrap();
        let mut buffer = [0u8; 64];
        assert_eq!(again[0].read(&mut buffer).unwrap(), Some(10));
        assert_eq!(again[0].read(&mut buffer).unwrap(), None);
    }
}
