//! `bed shell`: the guest's console on this terminal.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use anyhow::{Context, Result};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::call::Call;
use super::guest::{self, Time};
use super::place::Place;

/// A shell whose terminal is the machine's console.
const SHELL: &str = "stty -F /dev/hvc0 rows $0 cols $1 2>/dev/null
    exec setsid --ctty --wait bash -il </dev/hvc0 >/dev/hvc0 2>&1";

/// A shell in the guest until it ends; the exit code is its own.
///
/// # Errors
/// The machine cannot be made or does not answer, or the terminal cannot be set.
pub(super) fn run(place: &Place, call: Call) -> Result<ExitCode> {
    let size = tcgetwinsize(std::io::stdin()).map_or((24, 80), |size| (size.ws_row, size.ws_col));
    let words = ["bash", "-c", SHELL, &size.0.to_string(), &size.1.to_string()];
    let command = words.iter().map(|&word| word.to_owned()).collect();
    let mut guest = guest::start(place, &Call { command, ..call })?;
    let raw = Raw::enter()?;
    let mut keys = guest.console()?;
    let mut screen = guest.console()?;
    // This one ends with the program: nothing interrupts a read of the terminal.
    std::thread::spawn(move || carry(&mut std::io::stdin(), &mut keys));
    let reader = std::thread::spawn(move || show(&mut screen));
    let status = guest.command(Time::Unlimited);
    drop(reader.join());
    drop(raw);
    Ok(ExitCode::from(status?))
}

fn show(screen: &mut UnixStream) -> std::io::Result<()> {
    carry(screen, &mut std::io::stdout())
}

/// Copies what comes as it comes.
fn carry(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        let read = from.read(&mut bytes)?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&bytes[..read])?;
        to.flush()?;
    }
}

/// The terminal passing every key on; as it was before when dropped.
struct Raw {
    before: Option<Termios>,
}

impl Raw {
    fn enter() -> Result<Self> {
        let Ok(before) = tcgetattr(std::io::stdin()) else { return Ok(Self { before: None }) };
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw).context("set the terminal")?;
        Ok(Self { before: Some(before) })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.before
            && let Err(error) = tcsetattr(std::io::stdin(), OptionalActions::Now, before)
        {
            eprintln!("the terminal stays raw: {error}");
        }
    }
}
