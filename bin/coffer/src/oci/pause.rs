//! `pause` and `resume`.

use coffer_runtime::bundle;

use super::Outcome;
use super::create::operand;
use super::globals::Globals;
use super::grammar::{Grammar, Words};

/// The options of both.
pub(super) const GRAMMAR: Grammar =
    Grammar { flags: &[], operands: (1, 1), verbatim_after: usize::MAX };

/// `pause`.
pub(super) fn pause(globals: &Globals, words: &Words) -> Outcome {
    bundle::pause(globals.find(operand(words))?)?;
    Ok(0)
}

/// `resume`.
pub(super) fn resume(globals: &Globals, words: &Words) -> Outcome {
    bundle::resume(globals.find(operand(words))?)?;
    Ok(0)
}
