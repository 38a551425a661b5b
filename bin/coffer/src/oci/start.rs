//! `start`.

use coffer_runtime::bundle;

use super::Outcome;
use super::create::operand;
use super::globals::Globals;
use super::grammar::{Grammar, Words};

/// The options of `start`.
pub(super) const GRAMMAR: Grammar =
    Grammar { flags: &[], operands: (1, 1), verbatim_after: usize::MAX };

/// `start`.
pub(super) fn run(globals: &Globals, words: &Words) -> Outcome {
    bundle::start(globals.find(operand(words))?)?;
    Ok(0)
}
