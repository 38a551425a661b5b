//! A conversation with a service manager, on its bus.
//!
//! All of it has one deadline: a manager that hangs does not hang coffer. Source: the D-Bus
//! Specification, "Authentication Protocol" and "Message Bus"; man 5 org.freedesktop.systemd1.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::message::{Call, Message, START, length};
use super::value::Value;
use super::{Bus, SystemdError};

/// How long a conversation may take. systemd may have to reach another systemd meanwhile, and a
/// busy one to reload.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the caller says first: it is who the kernel says it is, for within a user namespace its
/// own number is another. All in one, as the specification allows.
pub(super) const GREETING: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
/// The most that a bus says before it lets somebody in, bytes.
const WORDS: usize = 4096;
/// The most signals that are kept.
const SIGNALS: usize = 64;

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const DBUS: &str = "org.freedesktop.DBus";
const DBUS_PATH: &str = "/org/freedesktop/DBus";
const MATCH: &str = "type='signal',sender='org.freedesktop.systemd1',\
    path='/org/freedesktop/systemd1',interface='org.freedesktop.systemd1.Manager',\
    member='JobRemoved'";

/// A conversation with a service manager.
#[derive(Debug)]
pub(super) struct Connection<'a> {
    bus: &'a Bus,
    /// What it is about.
    unit: &'a str,
    stream: UnixStream,
    patience: Duration,
    deadline: Instant,
    /// What came and was not read yet.
    received: Vec<u8>,
    serial: u32,
    /// The manager, by the name that the bus gave it.
    manager: String,
    /// Jobs that have ended, and how.
    ended: Vec<(String, String)>,
}

/// What a call gave.
struct Answer {
    sender: String,
    values: Vec<Value>,
}

impl<'a> Connection<'a> {
    /// Begins one about `unit`.
    pub(super) fn open(bus: &'a Bus, unit: &'a str) -> Result<Self, SystemdError> {
        Self::open_for(bus, unit, PATIENCE)
    }

    /// The same, to last no longer than `patience`.
    pub(super) fn open_for(
        bus: &'a Bus,
        unit: &'a str,
        patience: Duration,
    ) -> Result<Self, SystemdError> {
        let mut connection = Self {
            bus,
            unit,
            stream: bus.connect()?,
            patience,
            deadline: Instant::now() + patience,
            received: Vec::new(),
            serial: 0,
            manager: String::new(),
            ended: Vec::new(),
        };
        connection.send(GREETING)?;
        connection.authenticate()?;
        connection.dbus("Hello", &[])?;
        Ok(connection)
    }

    /// Calls a method of the manager.
    pub(super) fn call(
        &mut self,
        member: &'static str,
        arguments: &[Value],
    ) -> Result<Vec<Value>, SystemdError> {
        Ok(self.ask(SYSTEMD, MANAGER_PATH, MANAGER, member, arguments)?.values)
    }

    /// A property of the manager that is a text.
    pub(super) fn property(&mut self, name: &str) -> Result<String, SystemdError> {
        let (of, names) = ("org.freedesktop.DBus.Properties", [MANAGER, name].map(Value::text));
        let answer = self.ask(SYSTEMD, MANAGER_PATH, of, "Get", &names)?;
        let value = answer.values.first().and_then(Value::as_str);
        value.map(str::to_owned).ok_or_else(|| self.bad())
    }

    /// Calls a method that begins a job, and waits until that is done.
    pub(super) fn work(
        &mut self,
        member: &'static str,
        arguments: &[Value],
    ) -> Result<(), SystemdError> {
        if self.manager.is_empty() {
            self.dbus("AddMatch", &[Value::text(MATCH)])?;
            self.manager = self.ask(SYSTEMD, MANAGER_PATH, MANAGER, "Subscribe", &[])?.sender;
        }
        let answer = self.call(member, arguments)?;
        let job = answer.first().and_then(Value::as_str).ok_or_else(|| self.bad())?;
        match self.wait(job)?.as_str() {
            "done" => Ok(()),
            other => {
                Err(SystemdError::Job { unit: self.unit.to_owned(), result: other.to_owned() })
            }
        }
    }

    /// How the job ended.
    fn wait(&mut self, job: &str) -> Result<String, SystemdError> {
        loop {
            if let Some(at) = self.ended.iter().position(|(ended, _)| ended == job) {
                return Ok(self.ended.swap_remove(at).1);
            }
            let message = self.receive()?;
            self.note(message)?;
        }
    }

    fn dbus(&mut self, member: &'static str, arguments: &[Value]) -> Result<(), SystemdError> {
        self.ask(DBUS, DBUS_PATH, DBUS, member, arguments).map(|_| ())
    }

    /// Sends a call and waits for the answer.
    fn ask(
        &mut self,
        destination: &str,
        path: &str,
        interface: &str,
        member: &'static str,
        arguments: &[Value],
    ) -> Result<Answer, SystemdError> {
        self.serial += 1;
        let call = Call { destination, path, interface, member, arguments };
        self.send(&call.encode(self.serial))?;
        loop {
            match self.receive()? {
                Message::Return { to, sender, values } if to == self.serial => {
                    return Ok(Answer { sender, values });
                }
                Message::Error { to, name, text } if to == self.serial => {
                    let unit = self.unit.to_owned();
                    return Err(SystemdError::Call { member, unit, name, text });
                }
                message => self.note(message)?,
            }
        }
    }

    /// Keeps what a job came to. Anybody on the bus may send such signals: what counts is what
    /// the manager itself sends.
    fn note(&mut self, message: Message) -> Result<(), SystemdError> {
        let Message::Signal { sender, member, values } = message else { return Ok(()) };
        if sender != self.manager || member != "JobRemoved" {
            return Ok(());
        }
        match values.as_slice() {
            [Value::U32(_), Value::Path(job), Value::Text(_), Value::Text(result)]
                if self.ended.len() < SIGNALS =>
            {
                self.ended.push((job.clone(), result.clone()));
                Ok(())
            }
            [Value::U32(_), Value::Path(_), Value::Text(_), Value::Text(_)] => Ok(()),
            _ => Err(self.bad()),
        }
    }

    /// Reads lines until the bus lets us in.
    fn authenticate(&mut self) -> Result<(), SystemdError> {
        loop {
            while let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                match line.split(' ').next() {
                    Some("OK") => return Ok(()),
                    Some("DATA") => {}
                    _ => {
                        let bus = self.bus.to_string();
                        return Err(SystemdError::Refused { bus, said: line });
                    }
                }
            }
            if self.received.len() > WORDS {
                return Err(self.bad());
            }
            self.read_more()?;
        }
    }

    /// The next message.
    fn receive(&mut self) -> Result<Message, SystemdError> {
        loop {
            if let Some(start) = self.received.first_chunk::<START>() {
                let length = length(start).ok_or_else(|| self.bad())?;
                if self.received.len() >= length {
                    let message: Vec<u8> = self.received.drain(..length).collect();
                    return Message::decode(&message).ok_or_else(|| self.bad());
                }
            }
            self.read_more()?;
        }
    }

    fn read_more(&mut self) -> Result<(), SystemdError> {
        let mut bytes = [0; 4096];
        let rest = self.rest()?;
        let read = self.stream.set_read_timeout(Some(rest)).and_then(|()| {
            rustix::io::retry_on_intr(|| rustix::io::read(&self.stream, &mut bytes))
                .map_err(io::Error::from)
        });
        match read {
            Ok(0) => Err(self.broken(io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => {
                self.received.extend_from_slice(bytes.get(..count).unwrap_or_default());
                Ok(())
            }
            Err(error) => Err(self.broken(error)),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), SystemdError> {
        let rest = self.rest()?;
        let sent = self.stream.set_write_timeout(Some(rest));
        sent.and_then(|()| self.stream.write_all(bytes)).map_err(|error| self.broken(error))
    }

    /// How much time is left; never nothing, which would be no limit.
    fn rest(&self) -> Result<Duration, SystemdError> {
        match self.deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(self.broken(io::ErrorKind::WouldBlock.into())),
            rest => Ok(rest),
        }
    }

    fn broken(&self, source: io::Error) -> SystemdError {
        let bus = self.bus.to_string();
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                SystemdError::Late { bus, patience: self.patience }
            }
            _ => SystemdError::Broken { bus, source },
        }
    }

    fn bad(&self) -> SystemdError {
        SystemdError::Message { bus: self.bus.to_string() }
    }
}
