//! Control groups that a peer leaves behind, such as one that hung and was ended.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The groups that were there before.
pub(super) struct Groups(HashSet<PathBuf>);

impl Groups {
    /// Those that are there now.
    pub(super) fn now() -> Self {
        Self(below(Path::new("/sys/fs/cgroup")).into_iter().collect())
    }

    /// Removes those that have come since and that nobody is in.
    pub(super) fn restore(&self) {
        for group in below(Path::new("/sys/fs/cgroup")) {
            if !self.0.contains(&group) {
                remove(&group);
            }
        }
    }
}

fn below(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// A group with a process in it, or below it, stays: the kernel keeps it.
fn remove(group: &Path) {
    below(group).iter().for_each(|inner| remove(inner));
    fs::remove_dir(group).ok();
}
