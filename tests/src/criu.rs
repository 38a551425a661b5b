//! CRIU, and a program for it to stop and continue.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::{bed, program};

/// What [`bed::enter`](crate::bed::enter) drops in for it.
pub const TREE: &str = "criu-tree";

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

/// The program of `cargo xtask peers`. In the bed its loader and libraries, which are newer than
/// the guest's, lie elsewhere than it was told.
pub(crate) fn installed() -> Option<PathBuf> {
    if bed::guest().is_none() {
        return Some(bed::peer("bin/criu")).filter(|program| program.exists());
    }
    let tree = bed::peer(TREE);
    let script = std::env::temp_dir().join("criu");
    if tree.exists() && !script.exists() {
        let (tree, libraries) = (tree.display(), "usr/lib/x86_64-linux-gnu");
        let text = format!(
            "#!/bin/sh\nexec {tree}/{libraries}/ld-linux-x86-64.so.2 --library-path \
             {tree}/{libraries} {tree}/usr/sbin/criu \"$@\"\n"
        );
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    }
    Some(script).filter(|script| script.exists())
}
