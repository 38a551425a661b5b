//! A command killed at each of its steps.
//!
//! A step is a system call that changes something which outlives the process, or which another
//! one sees. They are counted as they come, over the command's threads and children, and whoever
//! is about to make the n-th is killed instead, for n = 1, 2, … until the command reaches its end
//! alive: so the steps are found by the run itself, whatever the code does.

mod change;
mod tracer;

use std::path::Path;
use std::process::Command;

use crate::coffer;
use crate::program::Outcome;

/// Which processes are killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The command itself, with its threads.
    Command,
    /// Whoever of it and its children makes the change. What they leave behind has to end by
    /// itself.
    Any,
}

/// What happened to one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was killed.
    Killed,
    /// It came to its end before the step.
    Reached,
}

/// Runs `command`, which becomes coffer, as [`kill_program_at`] does.
///
/// # Panics
/// It cannot be traced, or never becomes coffer.
#[must_use]
pub fn kill_at(step: usize, victim: Victim, command: &Command) -> (End, Outcome) {
    kill_program_at(step, victim, command, &coffer::binary())
}

/// Runs `command` without input and kills whoever of `victim` enters the `step`-th change, counted
/// from 1 where the command has become `program`. Returns when the command has ended, and all of its
/// children that were not left to themselves by the kill or by becoming another program.
///
/// # Panics
/// It cannot be traced, or never becomes that program.
#[must_use]
pub fn kill_program_at(
    step: usize,
    victim: Victim,
    command: &Command,
    program: &Path,
) -> (End, Outcome) {
    tracer::run(step, victim, command, program)
}

/// Calls `attempt` with 1, 2, … until it says that the command reached its end; gives the last step.
///
/// # Panics
/// The command never ends by itself.
pub fn each(mut attempt: impl FnMut(usize) -> End) -> usize {
    let mut step = 1;
    while attempt(step) == End::Killed {
        step += 1;
        assert!(step < 1_000_000, "it never ends by itself");
    }
    step
}
