//! `kill`.

use coffer_runtime::bundle::{self, Audience};
use coffer_runtime::signal;

use super::Outcome;
use super::create::operand;
use super::failure::Failure;
use super::globals::Globals;
use super::grammar::{Grammar, Words, switch};

/// The options of `kill`.
pub(super) const GRAMMAR: Grammar =
    Grammar { flags: &[switch("all", Some('a'))], operands: (1, 2), verbatim_after: usize::MAX };

/// `kill`.
pub(super) fn run(globals: &Globals, words: &Words) -> Outcome {
    let folder = globals.find(operand(words))?;
    let name = words.operands().get(1).map_or("TERM", String::as_str);
    let number =
        signal::parse(name).ok_or_else(|| Failure::new(format!("unknown signal {name:?}")))?;
    let audience = if words.has("all") { Audience::All } else { Audience::Init };
    bundle::kill(&folder, number, audience)?;
    Ok(0)
}
