//! What the host's own control groups say of the prober: the most memory that it could take. A
//! process that takes less than it may has shown nothing, a limit has; so the limit is looked up.
//! Sources: man 7 cgroups; the kernel's cgroup-v2.rst, cgroup-v1/memory.rst.
#![expect(clippy::disallowed_methods, reason = "the host's own /proc and control groups")]

use std::fs;
use std::path::{Path, PathBuf};

/// What the host has to keep at least, of which an eighth of it is more where it is large.
const ROOM: u64 = 256 << 20;

/// The most bytes of memory that the process in `process` can take, where its control groups set
/// that and leave the host an eighth of its `total`.
pub(super) fn memory(process: &Path, total: u64) -> Option<u64> {
    let groups = fs::read_to_string(process.join("cgroup")).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let most = groups.lines().filter_map(|line| limit(line, &mounts)).min()?;
    leaves_room(most, total).then_some(most)
}

fn leaves_room(most: u64, total: u64) -> bool {
    total.checked_sub(most).is_some_and(|left| left >= (total / 8).max(ROOM.min(total / 2)))
}

/// The limit on memory of a line of `/proc/PID/cgroup`, with those of the groups above it.
fn limit(line: &str, mounts: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, group) = (parts.next()?, parts.next()?);
    let (kind, file) = match controllers {
        "" => ("cgroup2", "memory.max"),
        some if some.split(',').any(|word| word == "memory") => ("cgroup", "memory.limit_in_bytes"),
        _ => return None,
    };
    let top = mounts.lines().find_map(|mount| mounted(mount, kind))?;
    let path = top.join(group.trim_start_matches('/'));
    let above = path.ancestors().take_while(|path| path.starts_with(&top));
    let read = |folder: &Path| fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok();
    above.filter_map(read).min()
}

/// Where a line of `mountinfo` says that the hierarchy with memory is mounted whole.
fn mounted(line: &str, kind: &str) -> Option<PathBuf> {
    let (before, after) = line.split_once(" - ")?;
    let (mut before, mut after) = (before.split(' ').skip(3), after.split(' '));
    let (root, place) = (before.next()?, before.next()?);
    let (is_kind, options) = (after.next()? == kind, after.nth(1).unwrap_or_default());
    let has_memory = kind == "cgroup2" || options.split(',').any(|word| word == "memory");
    (is_kind && root == "/" && has_memory).then(|| PathBuf::from(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_found() {
        let v1 = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory";
        assert_eq!(mounted(v1, "cgroup"), Some("/sys/fs/cgroup/memory".into()));
        let v2 = "36 31 0:33 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        assert_eq!(mounted(v2, "cgroup2"), Some("/sys/fs/cgroup".into()));
        let pids = "35 31 0:32 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids";
        assert_eq!(mounted(pids, "cgroup"), None);
        let part = v2.replace(" / ", " /part ");
        assert_eq!(mounted(&part, "cgroup2"), None);
    }

    #[test]
    fn the_least_of_all_groups_above_counts() {
        let folder = tempfile::tempdir().unwrap();
        let group = folder.path().join("a/b");
        fs::create_dir_all(&group).unwrap();
        fs::write(folder.path().join("a/memory.max"), "4096\n").unwrap();
        fs::write(group.join("memory.max"), "max\n").unwrap();
        let mounts = format!("1 1 0:1 / {} rw - cgroup2 none rw", folder.path().display());
        assert_eq!(limit("0::/a/b", &mounts), Some(4096));
        assert_eq!(limit("3:pids:/a/b", &mounts), None);
        assert_eq!(limit("0::/", &mounts), None);
    }

    #[test]
    fn a_limit_that_leaves_nothing_is_none() {
        const GIB: u64 = 1 << 30;
        assert!(leaves_room(21 * GIB, 24 * GIB) && leaves_room(GIB / 2, GIB));
        assert!(!leaves_room(22 * GIB, 24 * GIB) && !leaves_room(u64::MAX, GIB));
    }
}
