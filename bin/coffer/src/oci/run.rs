//! `run`: `create` and `start` in one, and in the foreground the wait for the end.

use super::create::{Wanted, refused};
use super::globals::Globals;
use super::grammar::{Grammar, Words, switch, value};
use super::{Outcome, log};

/// The options of `run`.
pub(super) const GRAMMAR: Grammar = Grammar {
    flags: &[
        value("bundle", Some('b')),
        value("config", Some('f')),
        value("console-socket", None),
        value("pidfd-socket", None),
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
    let (wanted, foreground) = Wanted::read_to_start(globals, words)?;
    let mut made = wanted.make(globals)?;
    let terminal = made.terminal();
    if let Err(error) = wanted.hand_out(terminal.as_ref(), made.pid()) {
        made.undo(&wanted.home)?;
        return Err(error.into());
    }
    let (running, process) = made.start(&wanted.home).map_err(refused)?;
    log::hooks(globals, &running.failed);
    let Some(foreground) = foreground else { return Ok(0) };
    let outcome = foreground.stay(process, terminal)?;
    if !words.has("keep") {
        log::hooks(globals, &running.remove(&wanted.home)?.failed);
    }
    Ok(outcome.code())
}
