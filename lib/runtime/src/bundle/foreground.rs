//! `run` and `exec` in the foreground: the caller's terminal and signals, until the end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_sys::signalfd::SignalFd;
use coffer_sys::{memory, signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Signal, WaitId, WaitIdOptions, waitid};

use crate::monitor::{Console, Local, Outside, Pump, Stdin};
use crate::state::Outcome;

/// The signals that go on to the process: those that somebody sends on purpose.
const FORWARDED: [Signal; 11] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::TERM,
    Signal::CONT,
    Signal::WINCH,
    Signal::POWER,
    Signal::TSTP,
];

/// After this time a process is one that stays, and what it need not hold is given back.
const SHORT: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// The caller's place in the foreground, taken before the process is made, so that no signal is
/// lost between the two.
#[derive(Debug)]
pub struct Foreground {
    signals: SignalFd,
}

impl Foreground {
    /// Keeps signals for the process that is about to come.
    ///
    /// # Errors
    /// What man 2 signalfd lists.
    pub fn take() -> io::Result<Self> {
        Ok(Self { signals: SignalFd::new(&FORWARDED)? })
    }

    /// Stays with `process`, a child of the caller's, until it ends. Where it has a terminal of
    /// its own, that is carried to and from the caller's.
    ///
    /// # Errors
    /// What cannot be carried or waited for.
    pub fn stay(self, process: OwnedFd, terminal: Option<OwnedFd>) -> io::Result<Outcome> {
        match terminal {
            Some(master) => carry(process, master),
            None => self.forward(&process),
        }
    }

    fn forward(self, process: &OwnedFd) -> io::Result<Outcome> {
        let mut short = Some(&SHORT);
        loop {
            let mut ready = [
                PollFd::new(process, PollFlags::IN),
                PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
            ];
            if retry_on_intr(|| poll(&mut ready, short))? == 0 {
                memory::settle();
                short = None;
            }
            let ended = !ready[0].revents().is_empty();
            while let Some(number) = self.signals.read()? {
                pass_on(process.as_fd(), number)?;
            }
            if ended {
                return end_of(process);
            }
        }
    }
}

/// Sends a signal on. A process that has gone needs none.
fn pass_on(process: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    match signal::send_to(process, number) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::SRCH) => Ok(()),
        sent => sent,
    }
}

/// Carries a terminal.
fn carry(process: OwnedFd, master: OwnedFd) -> io::Result<Outcome> {
    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    let console = Console { stdin: input.as_fd(), stdout: output.as_fd(), stderr: error.as_fd() };
    let audience = Local::with_terminal(console, Stdin::Open, &[])?;
    let outside = Outside::terminal(master)?;
    let mut pump = Pump { init: process, outside, log: None, audience };
    pump.run(None)?;
    end_of(&pump.init)
}

/// Collects a child that has ended.
fn end_of(process: &OwnedFd) -> io::Result<Outcome> {
    let wait = || waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED);
    let Some(status) = retry_on_intr(wait)? else { return Ok(Outcome::Unknown) };
    let byte = |number: i32| u8::try_from(number & 0xff).unwrap_or(u8::MAX);
    Ok(match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Outcome::Exited(byte(code)),
        (None, Some(signal)) => Outcome::Killed(byte(signal)),
        (None, None) => Outcome::Unknown,
    })
}
