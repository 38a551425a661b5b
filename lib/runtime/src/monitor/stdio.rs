//! A container's standard descriptors: the ends inside, and the ends that are pumped.
//!
//! In the foreground they are pipes, which end with coffer as they would in a shell. A detached
//! container writes into fifos in its own folder, opened for reading too, so that there is always
//! a reader: when its monitor is killed it gets no `SIGPIPE` and runs on. The next command makes a
//! monitor that opens the fifos again and goes on reading there; a program that writes more than
//! a fifo holds before that (1 MiB for root, 64 KiB for others) waits for it, and loses nothing.
//! Input that is not of one client alone comes through a fifo, too. A terminal cannot be kept so:
//! when its monitor is killed and nobody is attached it hangs up.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::dir;
use rustix::fs::{self as rfs, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
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

/// The name of the fifo that input comes through where it never ends.
const INPUT: &str = "stdin";
/// How much a fifo holds of root's containers, whom no quota of pipes binds: so much is written
/// before a container whose monitor was killed has to wait for the next command.
const FIFO_BYTES: usize = 1 << 20;

/// Where the program's input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feed {
    /// Nowhere.
    Nothing,
    /// From whoever is attached from the beginning, and it ends with theirs, as in a pipe.
    UntilEnd,
    /// From those who attach and leave: it never ends, not even with the monitor.
    Always,
}

impl Feed {
    /// For a container that can be given input or not, and to which somebody is attached from the
    /// beginning or not. Source: docker's `StdinOnce`.
    pub(crate) fn of<T>(stdin: Stdin, first: Option<&T>) -> Self {
        match (stdin, first) {
            (Stdin::Closed, _) => Self::Nothing,
            (Stdin::Open, Some(_)) => Self::UntilEnd,
            (Stdin::Open, None) => Self::Always,
        }
    }
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
    Fifo,
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
pub(crate) fn fifos(dir: BorrowedFd<'_>, feed: Feed) -> io::Result<(Inside, Outside)> {
    for (name, _) in FIFOS {
        make_fifo(dir, name)?;
    }
    let (inside, input) = match feed {
        Feed::Nothing => input(Stdin::Closed)?,
        Feed::UntilEnd => input(Stdin::Open)?,
        Feed::Always => {
            make_fifo(dir, INPUT)?;
            // Its own writer, the program never reads the end.
            (open_fifo(dir, INPUT)?, fifo_input(dir)?)
        }
    };
    let [out, err] = FIFOS.map(|(name, _)| open_fifo(dir, name));
    let inside = [inside, out?, err?];
    if rustix::process::geteuid().is_root() {
        for fd in &inside[1..] {
            fcntl_setpipe_size(fd, FIFO_BYTES)?;
        }
    }
    Ok((inside, Outside { input, outputs: reopen(dir)? }))
}

/// Makes a fifo anew. Whoever gets so far as to open it again may: the folder keeps others out,
/// and inside it is a process's own descriptor. An ordinary user's monitor may need it when it
/// belongs to one of the container's ids.
fn make_fifo(dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    dir::remove_file(dir, name)?;
    rfs::mknodat(dir, name, FileType::Fifo, Mode::empty(), 0)?;
    Ok(rfs::chmodat(dir, name, Mode::from_raw_mode(0o666), AtFlags::empty())?)
}

/// The fifos of a container that runs already; none where it was started with pipes.
fn reopen(dir: BorrowedFd<'_>) -> io::Result<Vec<Output>> {
    let mut outputs = Vec::with_capacity(FIFOS.len());
    for (name, stream) in FIFOS {
        match open_fifo(dir, name) {
            Ok(fd) => outputs.push(Output::new(fd, stream)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(outputs)
}

/// The writing end of the input's fifo; nothing where there is none, or nobody who reads.
fn fifo_input(dir: BorrowedFd<'_>) -> io::Result<Input> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = match rfs::openat(dir, INPUT, flags, Mode::empty()) {
        Ok(fd) => Some(fd),
        Err(Errno::NOENT | Errno::NXIO) => None,
        Err(errno) => return Err(errno.into()),
    };
    Ok(Input { fd, kind: Kind::Fifo, pending: Vec::new(), ended: false })
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
    /// What can be had again of a container that runs, by a monitor that did not start it.
    pub(crate) fn again(dir: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self { input: fifo_input(dir)?, outputs: reopen(dir)? })
    }

    /// All its descriptors.
    pub(crate) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let outputs =
            self.outputs.iter().flat_map(|output| [Some(&output.fd), output._peer.as_ref()]);
        outputs.chain([self.input.fd.as_ref()]).flatten().map(AsFd::as_fd).collect()
    }

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
    /// Whether it is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.kind == Kind::Terminal
    }

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

    /// The end of the input: the program reads it after what is kept. Neither a terminal nor a
    /// fifo has an end.
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
        let (inside, outside) = fifos(dir.as_fd(), Feed::Nothing).unwrap();
        drop(outside);
        rustix::io::write(&inside[1], b"still here").unwrap();
        let again = reopen(dir.as_fd()).unwrap();
        let mut buffer = [0u8; 64];
        assert_eq!(again[0].read(&mut buffer).unwrap(), Some(10));
        assert_eq!(again[0].read(&mut buffer).unwrap(), None);
    }
}
