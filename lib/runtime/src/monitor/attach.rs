//! Between a person's terminal and a monitor.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use rustix::process::{Signal, pidfd_send_signal};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};

use super::keys::Keys;
use super::lend::{lend, receive};
use super::local::write_all;
use super::wire::{Ask, MOST, PACKET, Tell};
use super::{Console, SignalProxy, Stdin};
use crate::log::Stream;

/// How to be attached.
#[derive(Clone, Debug)]
pub struct Attach<'a> {
    /// The caller's descriptors.
    pub console: Console<'a>,
    /// Whether the caller's input is sent.
    pub stdin: Stdin,
    /// Whether the container has a terminal: then the caller's own, if it is one, is made raw.
    pub screen: Screen,
    /// What the caller's signals do where there is no terminal.
    pub proxy: SignalProxy,
    /// The keys that leave the container running (`--detach-keys`); none leave it by no key.
    pub detach_keys: Vec<u8>,
}

/// What the program writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// A terminal of its own.
    Terminal,
    /// Pipes.
    Pipes,
}

/// How being attached ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    /// The container has ended with this exit code.
    Ended(u8),
    /// The caller typed the keys; the container runs on.
    Detached,
    /// The monitor has gone; the container may run on.
    Lost,
}

/// Carries input and output between the caller and the monitor at the other end of `socket`.
/// `init` is the container's first process, to send signals to. `terminal` is what an earlier
/// monitor lent, and is left with what this one does.
///
/// # Errors
/// What poll and the socket say; a terminal is put back as it was in every case.
pub(crate) fn attach(
    socket: &OwnedFd,
    how: &Attach<'_>,
    init: Option<BorrowedFd<'_>>,
    terminal: &mut Option<OwnedFd>,
) -> io::Result<Attached> {
    if let Some(kept) = terminal.take() {
        lend(socket, kept.as_fd());
    }
    let is_terminal = how.screen == Screen::Terminal && isatty(how.console.stdin);
    let signals = SignalFd::new(&wanted_signals(is_terminal, how.proxy))?;
    // A terminal from which nothing is sent stays as it is, so that its keys still end coffer.
    let is_raw = is_terminal && how.stdin == Stdin::Open;
    let _raw = is_raw.then(|| Raw::new(how.console.stdin)).transpose()?;
    let mut session = Session {
        socket,
        how,
        init,
        signals,
        is_terminal,
        keys: Keys::new(&how.detach_keys),
        pending: VecDeque::new(),
        stdin_open: how.stdin == Stdin::Open,
        terminal,
    };
    session.send_size();
    loop {
        if let Some(end) = session.turn()? {
            return Ok(end);
        }
    }
}

fn wanted_signals(is_terminal: bool, proxy: SignalProxy) -> Vec<Signal> {
    match (is_terminal, proxy) {
        // These end coffer, but not before the terminal is itself again.
        (true, _) => vec![Signal::WINCH, Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM],
        (false, SignalProxy::On) => {
            vec![Signal::HUP, Signal::INT, Signal::QUIT, Signal::USR1, Signal::USR2, Signal::TERM]
        }
        (false, SignalProxy::Off) => Vec::new(),
    }
}

struct Session<'a> {
    socket: &'a OwnedFd,
    how: &'a Attach<'a>,
    init: Option<BorrowedFd<'a>>,
    signals: SignalFd,
    is_terminal: bool,
    keys: Keys<'a>,
    pending: VecDeque<Vec<u8>>,
    stdin_open: bool,
    terminal: &'a mut Option<OwnedFd>,
}

impl Session<'_> {
    fn turn(&mut self) -> io::Result<Option<Attached>> {
        let [socket, signals, stdin] = self.wait()?;
        if !signals.is_empty()
            && let Some(end) = self.on_signals()?
        {
            return Ok(Some(end));
        }
        self.flush();
        // First, so that nothing is read for a monitor that is gone.
        if socket.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR)
            && let Some(end) = self.on_packet()?
        {
            return Ok(Some(end));
        }
        let goes_on = !socket.intersects(PollFlags::HUP | PollFlags::ERR);
        if goes_on && !stdin.is_empty() { Ok(self.on_stdin()) } else { Ok(None) }
    }

    fn wait(&self) -> io::Result<[PollFlags; 3]> {
        let mut wanted = PollFlags::IN;
        wanted.set(PollFlags::OUT, !self.pending.is_empty());
        let mut fds = vec![
            PollFd::new(self.socket, wanted),
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
        ];
        if self.stdin_open && self.pending.is_empty() {
            fds.push(PollFd::from_borrowed_fd(self.how.console.stdin, PollFlags::IN));
        }
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ready = |at: usize| fds.get(at).map_or(PollFlags::empty(), PollFd::revents);
        Ok([ready(0), ready(1), ready(2)])
    }

    fn on_signals(&mut self) -> io::Result<Option<Attached>> {
        while let Some(number) = self.signals.read()? {
            let Some(signal) = Signal::from_named_raw(number) else { continue };
            match (signal, self.is_terminal, self.init) {
                (Signal::WINCH, _, _) => self.send_size(),
                (_, true, _) => return Ok(Some(Attached::Detached)),
                (signal, false, Some(init)) => match pidfd_send_signal(init, signal) {
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(errno) => return Err(errno.into()),
                },
                (_, false, None) => {}
            }
        }
        Ok(None)
    }

    fn on_stdin(&mut self) -> Option<Attached> {
        let mut buffer = [0u8; MOST];
        match rustix::io::read(self.how.console.stdin, &mut buffer) {
            Ok(n) if n > 0 => {
                let typed = &buffer[..n];
                let end = if self.is_terminal { self.keys.find(typed) } else { None };
                self.push(Ask::Input(end.map_or(typed, |end| &typed[..end])).encode());
                end.map(|_| Attached::Detached)
            }
            Err(Errno::AGAIN | Errno::INTR) => None,
            _ => {
                self.stdin_open = false;
                self.push(Ask::EndOfInput.encode());
                None
            }
        }
    }

    fn on_packet(&mut self) -> io::Result<Option<Attached>> {
        let mut packet = [0u8; PACKET];
        let (n, lent) = match receive(self.socket, &mut packet) {
            Ok(got) => got,
            // The last is said once, before what lies in the socket, where a monitor has ended
            // without having read all that was sent to it: how it ended may still be there.
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNRESET) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        match Tell::decode(&packet[..n]) {
            Some(Tell::Output(Stream::Stdout, bytes)) => write_all(self.how.console.stdout, bytes)?,
            Some(Tell::Output(Stream::Stderr, bytes)) => write_all(self.how.console.stderr, bytes)?,
            Some(Tell::Lend) => *self.terminal = lent,
            Some(Tell::Ended { code }) => return Ok(Some(Attached::Ended(code))),
            None => return Ok(Some(Attached::Lost)),
        }
        Ok(None)
    }

    fn send_size(&mut self) {
        // A terminal that does not know its size has none to send.
        if let (true, Ok(size)) = (self.is_terminal, tcgetwinsize(self.how.console.stdin)) {
            self.push(Ask::Resize { rows: size.ws_row, columns: size.ws_col }.encode());
        }
    }

    fn push(&mut self, packet: Vec<u8>) {
        self.pending.push_back(packet);
        self.flush();
    }

    /// A monitor that has gone is noticed when its socket is read.
    fn flush(&mut self) {
        while let Some(packet) = self.pending.front() {
            match send(self.socket, packet, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Ok(_) | Err(_) => drop(self.pending.pop_front()),
            }
        }
    }
}

/// A terminal in raw mode, until it is dropped.
#[derive(Debug)]
pub(super) struct Raw<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> Raw<'a> {
    pub(super) fn new(terminal: BorrowedFd<'a>) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        // What was typed ahead stays.
        tcsetattr(terminal, OptionalActions::Now, &raw)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Raw<'_> {
    fn drop(&mut self) {
        // Fails only where the terminal has gone.
        tcsetattr(self.terminal, OptionalActions::Drain, &self.before).ok();
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{Mode, OFlags};
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    /// A monitor that ended at once, before it had read what was typed.
    #[test]
    fn the_end_is_heard_though_the_monitor_did_not_read_on() {
        let (ours, monitors) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .unwrap();
        send(&ours, &Ask::EndOfInput.encode(), SendFlags::empty()).unwrap();
        send(&monitors, &Tell::Ended { code: 7 }.encode(), SendFlags::empty()).unwrap();
        drop(monitors);
        let null = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty()).unwrap();
        let (stdin, stdout, stderr) = (null.as_fd(), null.as_fd(), null.as_fd());
        let how = Attach {
            console: Console { stdin, stdout, stderr },
            stdin: Stdin::Closed,
            screen: Screen::Terminal,
            proxy: SignalProxy::Off,
            detach_keys: Vec::new(),
        };
        assert_eq!(attach(&ours, &how, None, &mut None).unwrap(), Attached::Ended(7));
    }
}
