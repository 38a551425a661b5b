//! The audience of a container in the foreground without a terminal: whoever typed the command.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use coffer_sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};

use super::attach::Raw;
use super::keys::Keys;
use super::pump::{Audience, Stage, Wanted};
use super::stdio::{Input, Room, Stdin};
use super::wire::MOST;
use crate::log::Stream;

/// The signals that are passed on to the program.
const PROXIED: [Signal; 7] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::TERM,
];
/// After so many requests to end, a program that ignores them is killed. As in docker's CLI; the
/// first process of a pid namespace ignores every signal that it has not asked for.
const INSISTENT: u32 = 3;

/// The caller's own descriptors.
#[derive(Clone, Copy, Debug)]
pub struct Console<'a> {
    /// Read only where the container takes input.
    pub stdin: BorrowedFd<'a>,
    /// Gets the program's output.
    pub stdout: BorrowedFd<'a>,
    /// Gets the program's errors.
    pub stderr: BorrowedFd<'a>,
}

/// Whether the caller's signals go to the program (`--sig-proxy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignalProxy {
    /// They do.
    #[default]
    On,
    /// They end coffer, and the container runs on.
    Off,
}

#[derive(Debug)]
pub(crate) struct Local<'a> {
    console: Console<'a>,
    signals: Option<SignalFd>,
    requests_to_end: u32,
    /// Whether there is still something to read from the caller.
    stdin: Stdin,
    /// Where the program has a terminal and the caller too: its size is the program's.
    terminal: Option<BorrowedFd<'a>>,
    /// The same, where what is typed is read: then it is raw.
    raw: Option<Raw<'a>>,
    keys: Keys<'a>,
    has_left: bool,
    /// Why the caller's output cannot be written, where that is more than that nobody reads it.
    failed: Option<io::Error>,
}

impl<'a> Local<'a> {
    /// Signals that come from now on are kept for the program.
    pub(crate) fn new(console: Console<'a>, proxy: SignalProxy) -> io::Result<Self> {
        let signals = match proxy {
            SignalProxy::On => Some(SignalFd::new(&PROXIED)?),
            SignalProxy::Off => None,
        };
        Ok(Self {
            console,
            signals,
            requests_to_end: 0,
            stdin: Stdin::Open,
            terminal: None,
            raw: None,
            keys: Keys::new(&[]),
            has_left: false,
            failed: None,
        })
    }

    /// For a program with a terminal of its own: keys reach it as they are, the one for an
    /// interrupt too, but for those that leave it. Where `stdin` is closed nothing is read, and the
    /// caller's terminal stays as it is.
    pub(crate) fn with_terminal(
        console: Console<'a>,
        stdin: Stdin,
        keys: &'a [u8],
    ) -> io::Result<Self> {
        let terminal = rustix::termios::isatty(console.stdin).then_some(console.stdin);
        let raw = terminal.filter(|_| stdin == Stdin::Open).map(Raw::new).transpose()?;
        Ok(Self {
            signals: Some(SignalFd::new(&[Signal::WINCH])?),
            stdin,
            terminal,
            raw,
            keys: Keys::new(keys),
            ..Self::new(console, SignalProxy::Off)?
        })
    }

    /// What of the program's output is lost, because the caller's cannot be written.
    ///
    /// # Errors
    /// Why it cannot, such as a full disk.
    pub(crate) fn check(self) -> io::Result<()> {
        self.failed.map_or(Ok(()), Err)
    }

    /// Gives the program's terminal the size of the caller's.
    fn resize(&self, input: &Input) {
        let size = self.terminal.map(rustix::termios::tcgetwinsize);
        // A terminal that does not know its size has none to give.
        if let Some(Ok(size)) = size {
            input.resize(size.ws_row, size.ws_col);
        }
    }

    fn proxy(&mut self, stage: &Stage<'_>) -> io::Result<()> {
        let Some(signals) = &self.signals else { return Ok(()) };
        while let Some(number) = signals.read()? {
            let Some(signal) = Signal::from_named_raw(number) else { continue };
            if signal == Signal::WINCH {
                self.resize(stage.input);
                continue;
            }
            let asks_to_end = [Signal::INT, Signal::TERM].contains(&signal);
            self.requests_to_end += u32::from(asks_to_end);
            let insists = asks_to_end && self.requests_to_end >= INSISTENT;
            match pidfd_send_signal(stage.init, if insists { Signal::KILL } else { signal }) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn feed(&mut self, stage: &mut Stage<'_>) {
        let mut buffer = [0u8; MOST];
        match rustix::io::read(self.console.stdin, &mut buffer) {
            Ok(n) if n > 0 => {
                let typed = &buffer[..n];
                let end = self.raw.as_ref().and_then(|_| self.keys.find(typed));
                self.has_left = end.is_some();
                stage.input.push(end.map_or(typed, |end| &typed[..end]));
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            // The end, a terminal of which coffer is in the background, or one that has gone.
            _ => {
                self.stdin = Stdin::Closed;
                stage.input.end();
            }
        }
    }
}

impl Audience for Local<'_> {
    fn interests<'a>(&'a self, room: Room, fds: &mut Vec<PollFd<'a>>) {
        fds.extend(
            self.signals.as_ref().map(|s| PollFd::from_borrowed_fd(s.as_fd(), PollFlags::IN)),
        );
        if room == Room::Free && self.stdin == Stdin::Open {
            fds.push(PollFd::from_borrowed_fd(self.console.stdin, PollFlags::IN));
        }
    }

    fn act(&mut self, ready: &[PollFlags], stage: &mut Stage<'_>) -> io::Result<()> {
        self.proxy(stage)?;
        let stdin = ready.get(usize::from(self.signals.is_some()));
        if stdin.is_some_and(|flags| !flags.is_empty()) {
            self.feed(stage);
        }
        Ok(())
    }

    fn show(&mut self, stream: Stream, bytes: &[u8]) -> Wanted {
        let fd = match stream {
            Stream::Stdout => self.console.stdout,
            Stream::Stderr => self.console.stderr,
        };
        match write_all(fd, bytes) {
            Ok(()) => Wanted::More,
            Err(Errno::PIPE) => Wanted::NoMore,
            Err(errno) => {
                self.failed.get_or_insert(errno.into());
                Wanted::NoMore
            }
        }
    }

    fn is_behind(&self) -> bool {
        false
    }

    fn has_left(&self) -> bool {
        self.has_left
    }
}

/// Writes all, also to a descriptor that the caller's shell has set to not wait.
pub(super) fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], None)?;
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
