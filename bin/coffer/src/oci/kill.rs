//! `kill`.

use coffer_runtime::bundle::{self, Audience};
use coffer_runtime::signal;

use super::Outcome;
use super::create::operand;
use super::failure::Failure;
use super::globals::Globals;
use super::grammar::{Flag, Grammar, Words, refused, switch};

/// The options of `kill`.
pub(super) const GRAMMAR: Grammar = Grammar {
    flags: &[switch("all", Some('a')), REGEX],
    operands: (1, 2),
    verbatim_after: usize::MAX,
};

/// crun's, for all containers that match.
pub(super) const REGEX: Flag = refused(
    switch("regex", Some('r')),
    "containers are named one by one: coffer-oci list -q, and a loop",
);

/// `kill`.
pub(super) fn run(globals: &Globals, words: &Words) -> Outcome {
    let folder = globals.find(operand(words))?;
    let name = words.operands().get(1).map_or("TERM", String::as_str);
    // Nothing is sent by 0, but whether something could be. Source: man 2 kill.
    let number = if name == "0" { Some(0) } else { signal::parse(name) };
    let number = number.ok_or_else(|| Failure::new(format!("unknown signal {name:?}")))?;
    let audience = if words.has("all") { Audience::All } else { Audience::Init };
    bundle::kill(&folder, number, audience)?;
    Ok(0)
}
