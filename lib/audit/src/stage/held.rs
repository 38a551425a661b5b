//! What processes of the host's kernel hold that run the prober, as the host itself counts it.
#![expect(clippy::disallowed_methods, reason = "the host's own /proc")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Change;
use crate::primitive::Held;

/// The folders in `/proc` of the processes whose program is the file at `program`.
pub(super) fn processes(program: &Path) -> Vec<PathBuf> {
    let Ok(own) = fs::metadata(program) else { return Vec::new() };
    let is_it = |folder: &PathBuf| {
        let other = fs::metadata(folder.join("exe"));
        other.is_ok_and(|other| (other.dev(), other.ino()) == (own.dev(), own.ino()))
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.map(|entry| entry.path()).filter(is_it).collect()
}

/// So much of it that a row must have taken it: a container needs less for itself.
pub(super) fn much(program: &Path, what: Held) -> Option<Change> {
    let of = match what {
        Held::Tasks => tasks,
        Held::Memory => memory,
        Held::Files | Held::Disk => files,
    };
    let count: u64 = processes(program).iter().map(|process| of(process)).sum();
    let (least, text) = match what {
        Held::Tasks => (1_000, format!("the host sees {count} tasks")),
        Held::Memory => (256 << 20, format!("the host sees {} MiB of memory taken", count >> 20)),
        Held::Files | Held::Disk => {
            (64 << 20, format!("the host sees {} MiB of files taken", count >> 20))
        }
    };
    (count >= least).then(|| Change::new(text))
}

fn tasks(process: &Path) -> u64 {
    let tasks = fs::read_dir(process.join("task")).into_iter().flatten();
    u64::try_from(tasks.count()).unwrap_or(u64::MAX)
}

/// Bytes that are its own. Source: man 5 proc_pid_status, "RssAnon".
fn memory(process: &Path) -> u64 {
    let status = fs::read_to_string(process.join("status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

/// Bytes of files that it has open and that have no name any more.
fn files(process: &Path) -> u64 {
    let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let about = open.filter_map(|entry| fs::metadata(entry.path()).ok());
    let nameless = about.filter(|about| about.is_file() && about.nlink() == 0);
    // man 2 stat: blocks are of 512 bytes, whatever the file system's are.
    nameless.map(|about| about.blocks().saturating_mul(512)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_holds_is_counted() {
        let program = Path::new("/proc/self/exe");
        let own = Path::new("/proc").join(std::process::id().to_string());
        assert!(processes(program).contains(&own));
        assert!(processes(Path::new("/proc/self/status")).is_empty());
        assert!(tasks(&own) >= 1 && memory(&own) > 0);
        let file = tempfile::tempfile().unwrap();
        let none = rustix::fs::FallocateFlags::empty();
        rustix::fs::fallocate(&file, none, 0, 65 << 20).unwrap();
        assert!(files(&own) >= 65 << 20);
        let seen = much(program, Held::Files).unwrap().to_string();
        assert!(seen.starts_with("the host sees ") && seen.ends_with(" MiB of files taken"));
        drop(file);
        assert_eq!(much(program, Held::Tasks), None);
    }
}
