//! `checkpoint` and `restore`: not had. A caller hears why, and may look it up in `features`.

use super::Outcome;
use super::failure::Failure;
use super::globals::Globals;
use super::grammar::{Grammar, Words};

/// All words are taken, for none of them would change the answer.
pub(super) const GRAMMAR: Grammar =
    Grammar { flags: &[], operands: (0, usize::MAX), verbatim_after: 0 };

/// `checkpoint` and `restore`.
pub(super) fn run(_globals: &Globals, _words: &Words) -> Outcome {
    Err(Failure::new("checkpoint and restore are not supported: this runtime does not drive CRIU"))
}
