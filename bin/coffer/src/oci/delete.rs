//! `delete`.

use coffer_runtime::bundle::{self, BundleError, BundleId, Force, Home};

use super::create::operand;
use super::globals::Globals;
use super::grammar::{Grammar, Words, switch};
use super::kill::REGEX;
use super::{Outcome, log};

/// The options of `delete`.
pub(super) const GRAMMAR: Grammar = Grammar {
    flags: &[switch("force", Some('f')), REGEX],
    operands: (1, 1),
    verbatim_after: usize::MAX,
};

/// `delete`. With `--force` it is no error that there is nothing.
pub(super) fn run(globals: &Globals, words: &Words) -> Outcome {
    let id: BundleId = operand(words).parse()?;
    let force = if words.has("force") { Force::Kill } else { Force::No };
    let deleted = match Home::open(&globals.root)? {
        Some(home) => bundle::delete(&home, &id, force),
        None => Err(BundleError::NotFound(id)),
    };
    match (deleted, force) {
        (Ok(deleted), _) => {
            log::hooks(globals, &deleted.failed);
            Ok(0)
        }
        (Err(BundleError::NotFound(_)), Force::Kill) => Ok(0),
        (Err(error), _) => Err(error.into()),
    }
}
