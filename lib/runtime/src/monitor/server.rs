//! The audience of a container with a monitor: those who are attached through its socket.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use coffer_sys::dir;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect,
    listen, send, socket_with,
};

use super::lend::{lend, receive};
use super::pump::{Audience, Stage, Wanted};
use super::stdio::Room;
use super::wire::{Ask, PACKET, Tell};
use crate::log::Stream;

/// The socket's name in the container's folder, which only its owner can enter.
const SOCKET: &str = "attach";
/// How many may be attached at once, and how many may wait until they are.
const MOST_CLIENTS: u8 = 32;

#[derive(Debug)]
pub(crate) struct Server {
    listener: OwnedFd,
    clients: Vec<Client>,
    /// The terminal's master side, for those who attach to keep.
    terminal: Option<OwnedFd>,
}

/// One who is attached. What it has not taken yet is kept, and no output is read meanwhile: a
/// client that stands still stops the container, as docker's does.
#[derive(Debug)]
struct Client {
    socket: OwnedFd,
    pending: VecDeque<Vec<u8>>,
    wants_output: bool,
    is_gone: bool,
}

impl Server {
    /// Listens in the container's folder; `first` is attached from the beginning.
    pub(crate) fn new(dir: BorrowedFd<'_>, first: Option<OwnedFd>) -> io::Result<Self> {
        dir::remove_file(dir, SOCKET)?;
        let listener = socket(SocketFlags::NONBLOCK)?;
        bind(&listener, &address(dir)?)?;
        listen(&listener, MOST_CLIENTS.into())?;
        Ok(Self { listener, clients: first.into_iter().map(Client::new).collect(), terminal: None })
    }

    /// Lends the terminal to all who are attached, and to those who come.
    pub(crate) fn lend(&mut self, terminal: OwnedFd) {
        self.clients.iter().for_each(|client| lend(&client.socket, terminal.as_fd()));
        self.terminal = Some(terminal);
    }

    /// Tells all who are attached that the container has ended, and waits until each has taken
    /// what was sent to it or has gone.
    pub(crate) fn end(&mut self, code: u8) {
        // Those who came since the last turn, too.
        while self.accept() {}
        for client in &mut self.clients {
            client.push(Tell::Ended { code }.encode());
        }
        while self.is_behind() {
            let behind = self.clients.iter().filter(|client| !client.pending.is_empty());
            let mut fds: Vec<PollFd<'_>> =
                behind.map(|client| PollFd::new(&client.socket, PollFlags::OUT)).collect();
            if poll(&mut fds, None).is_err_and(|errno| errno != Errno::INTR) {
                return;
            }
            self.clients.iter_mut().for_each(Client::flush);
        }
    }

    /// Takes in one who wants to be attached. Says whether there was one.
    fn accept(&mut self) -> bool {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // A client that went away again, or one too many, is no matter of the container's.
        let Ok(socket) = accept_with(&self.listener, flags) else { return false };
        if self.clients.len() < MOST_CLIENTS.into() {
            if let Some(terminal) = &self.terminal {
                lend(&socket, terminal.as_fd());
            }
            self.clients.push(Client::new(socket));
        }
        true
    }
}

impl Client {
    fn new(socket: OwnedFd) -> Self {
        Self { socket, pending: VecDeque::new(), wants_output: true, is_gone: false }
    }

    fn push(&mut self, packet: Vec<u8>) {
        self.pending.push_back(packet);
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(packet) = self.pending.front() {
            match send(&self.socket, packet, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(_) => drop(self.pending.pop_front()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.pending.clear();
                    self.is_gone = true;
                }
            }
        }
    }

    fn hear(&mut self, stage: &mut Stage<'_>) {
        let mut packet = [0u8; PACKET];
        match receive(&self.socket, &mut packet) {
            Ok((0, _)) => self.is_gone = true,
            Ok((n, lent)) => match Ask::decode(&packet[..n]) {
                Some(Ask::Lend) => *stage.lent = lent,
                Some(Ask::Input(bytes)) => stage.input.push(bytes),
                Some(Ask::EndOfInput) => stage.input.end(),
                Some(Ask::NoOutput) => {
                    self.wants_output = false;
                    self.pending.clear();
                }
                Some(Ask::Resize { rows, columns }) => stage.input.resize(rows, columns),
                None => self.is_gone = true,
            },
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.is_gone = true,
        }
    }
}

impl Audience for Server {
    fn interests<'a>(&'a self, room: Room, fds: &mut Vec<PollFd<'a>>) {
        fds.push(PollFd::new(&self.listener, PollFlags::IN));
        for client in &self.clients {
            let mut flags = PollFlags::empty();
            // A client that is gone is noticed either way: POLLHUP is never masked.
            flags.set(PollFlags::IN, room != Room::Full);
            flags.set(PollFlags::OUT, !client.pending.is_empty());
            fds.push(PollFd::new(&client.socket, flags));
        }
    }

    fn act(&mut self, ready: &[PollFlags], stage: &mut Stage<'_>) -> io::Result<()> {
        let [listener, clients @ ..] = ready else { return Ok(()) };
        for (client, flags) in self.clients.iter_mut().zip(clients) {
            client.flush();
            if flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                client.hear(stage);
            }
        }
        self.clients.retain(|client| !client.is_gone);
        if !listener.is_empty() {
            self.accept();
        }
        Ok(())
    }

    fn show(&mut self, stream: Stream, bytes: &[u8]) -> Wanted {
        for client in self.clients.iter_mut().filter(|client| client.wants_output) {
            client.push(Tell::Output(stream, bytes).encode());
        }
        Wanted::More
    }

    fn keep_terminal(&mut self, terminal: OwnedFd) {
        self.lend(terminal);
    }

    fn is_behind(&self) -> bool {
        self.clients.iter().any(|client| !client.pending.is_empty())
    }
}

/// Connects to the monitor of the container in `dir`. Where many come at once it is waited for:
/// a socket that does not wait would be told that there is no room (`EAGAIN`, man 2 connect).
pub(crate) fn connect_to(dir: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let (socket, address) = (socket(SocketFlags::empty())?, address(dir)?);
    retry_on_intr(|| connect(&socket, &address))?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

fn socket(more: SocketFlags) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | more;
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?)
}

/// A socket's address holds 108 bytes and a data root may lie deep, so it goes through the fd.
fn address(dir: BorrowedFd<'_>) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new(format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()))?)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn who_comes_while_the_monitor_has_no_time_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = dir::open(folder.path()).unwrap();
        let mut server = Server::new(dir.as_fd(), None).unwrap();
        let come = AtomicUsize::new(0);
        let (room, all) = (usize::from(MOST_CLIENTS) + 1, usize::from(MOST_CLIENTS) + 9);
        std::thread::scope(|scope| {
            let clients = scope.spawn(|| {
                let connect = |_| {
                    let client = connect_to(dir.as_fd());
                    come.fetch_add(1, Ordering::Relaxed);
                    client
                };
                (0..all).map(connect).collect::<io::Result<Vec<_>>>()
            });
            // man 2 listen: so many before the first of them is taken in.
            while come.load(Ordering::Relaxed) < room && !clients.is_finished() {
                std::thread::yield_now();
            }
            while !clients.is_finished() {
                server.accept();
            }
            assert_eq!(clients.join().unwrap().unwrap().len(), all);
        });
    }
}
