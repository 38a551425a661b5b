//! Whether somebody on the host waits for the prober and keeps the disk's last room from it.
//!
//! Two hundred MiB say nothing of a disk: the question is who ends a container before the disk is
//! full. That it does is what `tests/tests/disk.rs` shows, on disks that may be filled. Here the host
//! looks whether there is one: a process beside it that waits for the container, runs this coffer,
//! and has the container's own folder open, which a runtime without a guard leaves alone.
#![expect(clippy::disallowed_methods, reason = "the host's own /proc")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The host keeps a twentieth of a disk, and no more than a GiB.
const MOST: u64 = 1 << 30;

/// The most bytes of disk that the process in `process` can take before it is ended.
pub(super) fn disk(process: &Path) -> Option<u64> {
    let guard = waits_for(process)?;
    let folders = fs::read_dir(guard.join("fd")).ok()?.flatten().map(|entry| entry.path());
    folders.filter(|folder| folder.join("upper").is_dir()).find_map(|folder| left(&folder))
}

/// The process of this coffer, on the host's side of the pid namespace, that `process` descends
/// from.
fn waits_for(process: &Path) -> Option<PathBuf> {
    let file = |path: PathBuf| fs::metadata(path).ok().map(|about| (about.dev(), about.ino()));
    let (namespace, program) = (file("/proc/self/ns/pid".into())?, file("/proc/self/exe".into())?);
    let mut process = process.to_owned();
    // A container in a container in a container has few processes above it.
    for _ in 0..64 {
        let is_outside = file(process.join("ns/pid"))? == namespace;
        if is_outside {
            return (file(process.join("exe"))? == program).then_some(process);
        }
        process = Path::new("/proc").join(parent(&process)?);
    }
    None
}

/// Source: man 5 `proc_pid_status`, "PPid".
fn parent(process: &Path) -> Option<String> {
    let status = fs::read_to_string(process.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    Some(line.trim().to_owned())
}

/// How much is free on the disk of `folder` above what the host keeps.
fn left(folder: &Path) -> Option<u64> {
    let about = rustix::fs::statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(about.f_frsize);
    let kept = (bytes(about.f_blocks) / 20).min(MOST);
    bytes(about.f_bavail).checked_sub(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_no_guard_by_that() {
        // This test is on the host's side, is what it looks for, and has no container's folder open.
        let own = Path::new("/proc").join(std::process::id().to_string());
        assert_eq!(waits_for(&own), Some(own.clone()));
        assert_eq!(disk(&own), None);
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("upper")).unwrap();
        let held = fs::File::open(place.path()).unwrap();
        assert_eq!(disk(&own).is_some(), left(place.path()).is_some());
        drop(held);
    }
}
