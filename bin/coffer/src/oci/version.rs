//! `--version` and the overview.

use super::globals::print;
use super::grammar::Takes;
use super::{NAME, Outcome, VERBS, Verb};

/// The three lines that podman takes apart. Source: runc's main.go.
pub(super) fn print_version() -> Outcome {
    let version = env!("CARGO_PKG_VERSION");
    let spec = coffer_oci::runtime::VERSION;
    print(&format!("{NAME} version {version}\ncommit: {version}\nspec: {spec}\n"))
}

/// The verbs, and where their options are described.
pub(super) fn overview() -> Outcome {
    let mut text = format!("usage: {NAME} [global options] COMMAND [options] [operands]\n\n");
    text.push_str("An OCI runtime with the options of runc(8) and crun(1).\n\ncommands:\n");
    for verb in VERBS {
        text.push_str(&format!("  {}\n", verb.name));
    }
    print(&text)
}

/// The options of one verb.
pub(super) fn options(verb: &Verb) -> Outcome {
    let mut text = format!("NAME:\n   {NAME} {} [options] [operands]\n\nOPTIONS:\n", verb.name);
    for flag in verb.grammar.flags {
        let short = flag.short.map_or_else(String::new, |letter| format!(", -{letter}"));
        let value = if flag.takes == Takes::Value { " VALUE" } else { "" };
        let refused = flag.refused.map_or_else(String::new, |why| format!("  refused: {why}"));
        text.push_str(&format!("  --{}{short}{value}{refused}\n", flag.long));
    }
    print(&text)
}
