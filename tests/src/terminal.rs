//! A program on a real pseudoterminal, and someone who types.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// How long a program may think before the test has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The typist's end.
#[derive(Debug)]
pub struct Terminal {
    master: File,
    child: Child,
    seen: String,
    /// The beginning of a character whose other bytes have not come yet.
    begun: Vec<u8>,
}

impl Terminal {
    /// Starts `command` as the leader of a session on a new terminal, where keys end a program as
    /// they do after a login: whoever runs the tests in the background ignores them.
    ///
    /// # Panics
    /// There is no terminal to be had, or the program does not start.
    #[must_use]
    pub fn start(command: &Command) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let open = || -> OwnedFd {
            rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())
                .unwrap()
        };
        let mut session = Command::new("setsid");
        session.args(["--ctty", "--wait", "env", "--default-signal=INT,QUIT"]);
        session.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => session.env(name, value),
                None => session.env_remove(name),
            };
        }
        let child = session.stdin(open()).stdout(open()).stderr(open()).spawn().unwrap();
        Self { master: master.into(), child, seen: String::new(), begun: Vec::new() }
    }

    /// Makes the window another size, as dragging its corner does.
    ///
    /// # Panics
    /// The terminal has gone.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).unwrap();
    }

    /// Types `text`.
    ///
    /// # Panics
    /// Nobody reads any more.
    pub fn types(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until `text` is on the screen, and forgets everything up to it.
    ///
    /// # Panics
    /// The program ends or thinks for too long before it.
    #[track_caller]
    pub fn expects(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            assert!(self.read_until(deadline), "{text:?} never came:\n{}", self.seen);
        }
    }

    /// Waits for the end and gives the exit status and what was on the screen last.
    ///
    /// # Panics
    /// The program does not end.
    #[track_caller]
    pub fn ends(mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + PATIENCE;
        while self.read_until(deadline) {}
        assert!(Instant::now() < deadline, "it does not end:\n{}", self.seen);
        (self.child.wait().unwrap().code(), self.seen)
    }

    /// Reads what there is; `false` at the end, or when `deadline` has passed.
    fn read_until(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = rustix::event::Timespec::try_from(left).unwrap();
        let mut ready = [PollFd::new(&self.master, PollFlags::IN)];
        if poll(&mut ready, Some(&left)).unwrap() == 0 {
            return false;
        }
        let mut buffer = [0; 4096];
        // The other end closed is EIO (man 4 pty).
        let n = self.master.read(&mut buffer).unwrap_or(0);
        self.begun.extend_from_slice(&buffer[..n]);
        let whole = match std::str::from_utf8(&self.begun) {
            Err(error) if error.error_len().is_none() && n > 0 => error.valid_up_to(),
            _ => self.begun.len(),
        };
        let whole: Vec<u8> = self.begun.drain(..whole).collect();
        self.seen.push_str(&String::from_utf8_lossy(&whole));
        n > 0
    }
}
