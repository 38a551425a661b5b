//! The loop: waits for whatever comes next, and acts on it.

use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use super::process::Caller;
use super::{Answer, Phase, Shim};
use crate::reaper;
use crate::transport::{Call, Connection};
use crate::wire::call::Response;
use crate::wire::event::TaskOOM;

/// Where an event comes from.
#[derive(Clone, Debug)]
enum Origin {
    Listener,
    Signals,
    Publisher,
    Connection(u64),
    Stream(u64),
    Memory(String),
}

impl Shim {
    /// Serves until containerd has no more use for the shim.
    ///
    /// # Errors
    /// What poll says.
    pub fn run(mut self) -> rustix::io::Result<()> {
        while !self.is_finished() {
            for (origin, ready) in self.next()? {
                self.act(origin, ready);
            }
        }
        if let Err(error) = self.setting.address.remove() {
            self.setting.journal.note(&crate::journal::chain(&error));
        }
        Ok(())
    }

    /// A shim leaves when it has said everything, or when nobody listens any more.
    fn is_finished(&self) -> bool {
        let publisher = &self.setting.publisher;
        self.phase == Phase::Leaving
            && self.connections.values().all(Connection::is_flushed)
            && (publisher.is_idle() || !publisher.is_connected())
    }

    fn next(&self) -> rustix::io::Result<Vec<(Origin, PollFlags)>> {
        let (origins, mut fds): (Vec<Origin>, Vec<PollFd<'_>>) = self
            .interests()
            .map(|(origin, (fd, flags))| (origin, PollFd::from_borrowed_fd(fd, flags)))
            .unzip();
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        let ready = origins.into_iter().zip(fds.iter().map(PollFd::revents));
        Ok(ready.filter(|(_, flags)| !flags.is_empty()).collect())
    }

    /// All that may happen. Streams come before signals, so that what a process wrote is carried
    /// before its end is told.
    fn interests(&self) -> impl Iterator<Item = (Origin, (BorrowedFd<'_>, PollFlags))> {
        use std::os::fd::AsFd;
        let setting = &self.setting;
        let streams =
            self.streams.iter().map(|(number, pump)| (Origin::Stream(number), pump.waits_for()));
        let memory = self.containers.iter().filter_map(|(id, container)| {
            Some((Origin::Memory(id.clone()), container.oom.as_ref()?.waits_for()))
        });
        let clients = self.connections.iter();
        let clients = clients.map(|(key, client)| (Origin::Connection(*key), client.waits_for()));
        let events = setting.publisher.waits_for().map(|interest| (Origin::Publisher, interest));
        streams
            .chain(memory)
            .chain([(Origin::Signals, (setting.signals.as_fd(), PollFlags::IN))])
            .chain(events)
            .chain(clients)
            .chain([(Origin::Listener, (setting.listener.as_fd(), PollFlags::IN))])
    }

    fn act(&mut self, origin: Origin, ready: PollFlags) {
        match origin {
            Origin::Listener => self.accept(),
            Origin::Signals => self.reap(),
            Origin::Publisher => self.setting.publisher.turn(&mut self.streams.buffer),
            Origin::Connection(key) => self.hear(key, ready),
            Origin::Stream(number) => self.streams.turn(number),
            Origin::Memory(id) => self.out_of_memory(&id),
        }
    }

    fn accept(&mut self) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // A client that has gone again is no matter of the shim's.
        let Ok(socket) = accept_with(&self.setting.listener, flags) else { return };
        self.count += 1;
        self.connections.insert(self.count, Connection::new(socket));
        self.setting.publisher.flush(); // containerd may be back
    }

    fn reap(&mut self) {
        // Which signal it was does not matter: those that are caught beside SIGCHLD are ignored.
        while matches!(self.setting.signals.read(), Ok(Some(_))) {}
        for (pid, exit) in reaper::ended() {
            self.reaped(pid, exit);
        }
    }

    fn hear(&mut self, key: u64, ready: PollFlags) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let mut outcome = connection.flush();
        let mut calls = Vec::new();
        if ready.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            match connection.receive(&mut self.streams.buffer) {
                Ok(came) => calls = came,
                Err(closed) => outcome = Err(closed),
            }
        }
        for call in calls {
            self.answer_call(key, call);
        }
        if outcome.is_err() {
            self.connections.remove(&key);
        }
    }

    fn answer_call(&mut self, connection: u64, call: Call) {
        let caller = Caller { connection, stream: call.stream };
        match call.request {
            Ok(request) => match self.serve(caller, &request) {
                Ok(Answer::Now(payload)) => self.answer(caller, Ok(payload)),
                Ok(Answer::Later) => {}
                Err(failure) => self.answer(caller, Err(failure)),
            },
            Err(status) => {
                if let Some(client) = self.connections.get_mut(&connection) {
                    let response = Response { status: Some(status), payload: Vec::new() };
                    client.answer(call.stream, &response);
                }
            }
        }
    }

    fn out_of_memory(&mut self, id: &str) {
        let Some(container) = self.containers.get_mut(id) else { return };
        match container.oom.as_mut().map(crate::cgroup::Oom::happened) {
            Some(Ok(true)) => {
                self.setting.publisher.publish(&TaskOOM { container_id: id.to_owned() });
            }
            Some(Err(_)) => container.oom = None, // the group is gone
            Some(Ok(false)) | None => {}
        }
    }
}
