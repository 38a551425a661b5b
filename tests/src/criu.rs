//! CRIU, and a program for it to stop and continue.

use std::path::PathBuf;

use crate::image::cargo_target;
use crate::program;

/// A shell that counts signals, and tells the count to whoever reads the fifo of its volume.
pub const COUNTER: &str = "n=0; trap 'n=$((n+1)); echo $n >/data/fifo' USR1; echo 0 >/data/fifo; \
    while :; do sleep 1000 & wait; done";

/// CRIU, where there is one and the test may use it.
#[must_use]
pub fn criu() -> Option<PathBuf> {
    if !program::root() {
        return None;
    }
    let found = installed();
    if found.is_none() {
        eprintln!("skipped: there is no CRIU (cargo xtask peers)");
    }
    found
}

/// The program of `cargo xtask peers`.
pub(crate) fn installed() -> Option<PathBuf> {
    Some(cargo_target().join("peers/bin/criu")).filter(|program| program.exists())
}
