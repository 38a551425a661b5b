//! `run`: `create` and `start` in one, and in the foreground the wait for the end.

use std::os::fd::AsFd;

use coffer_runtime::bundle::{self, Force};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::Outcome;
use super::create::Wanted;
use super::failure::Failure;
use super::globals::Globals;
use super::grammar::{Grammar, Words, switch, value};

/// The options of `run`.
pub(super) const GRAMMAR: Grammar = Grammar {
    flags: &[
        value("bundle", Some('b')),
        value("config", Some('f')),
        value("console-socket", None),
        value("pid-file", None),
        switch("detach", Some('d')),
        switch("keep", None),
        switch("no-pivot", None),
        switch("no-new-keyring", None),
        value("preserve-fds", None),
        switch("no-subreaper", None),
    ],
    operands: (1, 1),
    verbatim_after: usize::MAX,
};

/// `run`.
pub(super) fn run(globals: &Globals, words: &Words) -> Outcome {
    let wanted = Wanted::read(globals, words)?;
    let detach = words.has("detach");
    wanted.check_console(wanted.wants_terminal() && detach)?;
    let mut made = wanted.make(globals)?;
    if let Err(error) = wanted.hand_out(&mut made) {
        made.undo(&wanted.home)?;
        return Err(error.into());
    }
    let (folder, process, _) = made.release()?;
    if let Err(error) = bundle::start(folder) {
        bundle::delete(&wanted.home, &wanted.id, Force::Kill)?;
        return Err(error.into());
    }
    if detach {
        return Ok(0);
    }
    let status = wait(&process)?;
    if !words.has("keep") {
        bundle::delete(&wanted.home, &wanted.id, Force::Kill)?;
    }
    Ok(status)
}

/// Waits for the end of a child; a signal counts as 128 and its number.
fn wait(process: &std::os::fd::OwnedFd) -> Result<u8, Failure> {
    let wait = || waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED);
    let ended = rustix::io::retry_on_intr(wait)?;
    let code = ended.and_then(|ended| {
        let signal = ended.terminating_signal().map(|number| number + 128);
        ended.exit_status().or(signal)
    });
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(255))
}
