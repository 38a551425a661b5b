//! Which devices a container may make, read and write.
//!
//! A list of rules begins with "nothing is allowed". Each letter of `rwm` is decided by the last
//! rule that names the device and the letter; a request is allowed when all of its letters are.
//! v1 has files for such lists, v2 a program of its own ([`filter`]).

pub(super) mod filter;
mod rule;

pub(super) use rule::{Rule, Verdict};
