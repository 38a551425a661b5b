//! `--version` and the overview.

use super::globals::print;
use super::{NAME, Outcome, VERBS};

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
