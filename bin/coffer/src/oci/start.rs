//! `start`.

use coffer_runtime::bundle;

use super::create::operand;
use super::globals::Globals;
use super::grammar::{Grammar, Words};
use super::{Outcome, log};

/// The options of `start`.
pub(super) const GRAMMAR: Grammar =
    Grammar { flags: &[], operands: (1, 1), verbatim_after: usize::MAX };

/// `start`.
pub(super) fn run(globals: &Globals, words: &Words) -> Outcome {
    let started = bundle::start(globals.find(operand(words))?)?;
    log::hooks(globals, &started.failed);
    Ok(0)
}
