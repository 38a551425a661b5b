//! Control groups that a test has had made.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long what was killed in a group may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// The group `name` in each hierarchy that has it.
#[must_use]
pub fn all(name: &str) -> Vec<PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    let hierarchies = folders(top).into_iter().chain([top.to_owned()]);
    hierarchies.map(|top| top.join(name)).filter(|group| group.is_dir()).collect()
}

/// Removes it with all below it, once nobody is in there any more.
pub fn remove(name: &str) {
    let until = Instant::now() + PATIENCE;
    all(name).iter().for_each(|group| remove_within(group, until));
}

fn remove_within(group: &Path, until: Instant) {
    folders(group).iter().for_each(|below| remove_within(below, until));
    let busy = |error: std::io::Error| error.kind() == ErrorKind::ResourceBusy;
    while fs::remove_dir(group).is_err_and(busy) && Instant::now() < until {
        std::thread::yield_now();
    }
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(of) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}
