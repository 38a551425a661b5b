//! Where a process's control groups are.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use coffer_sys::dir;
use rustix::fs::{FileType, statfs};
use rustix::process::Pid;

use super::{v1, v2};
use crate::wire::common::Any;
use crate::wire::metrics::{RdmaEntry, RdmaStat};
use crate::wire::{metrics_v1, metrics_v2};

/// Where the hierarchies are mounted.
const TOP: &str = "/sys/fs/cgroup";
/// What statfs says of a hierarchy of version 2 (linux/magic.h).
const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;
/// More than any file of a control group, in bytes.
const LIMIT: u64 = 4 << 20;
/// The controllers of version 1 that know a container's processes best, first the best.
const WITH_PROCESSES: [&str; 5] = ["pids", "memory", "devices", "freezer", "cpu"];

/// The groups of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Groups {
    /// One for each controller of version 1, by its name.
    V1(BTreeMap<String, PathBuf>),
    /// One for all.
    V2(PathBuf),
}

impl Groups {
    /// Those of `pid`, unless they are the shim's own: a container without groups of its own is
    /// not counted with its neighbours.
    ///
    /// # Errors
    /// /proc cannot be read.
    pub fn of(pid: Pid) -> io::Result<Option<Self>> {
        let theirs = read_proc(&format!("/proc/{}/cgroup", pid.as_raw_nonzero()))?;
        let ours = read_proc("/proc/self/cgroup")?;
        if theirs == ours {
            return Ok(None);
        }
        let top = Path::new(TOP);
        let is_v2 = statfs(top).is_ok_and(|fs| u64::try_from(fs.f_type) == Ok(CGROUP2_SUPER_MAGIC));
        let lines = theirs.lines().filter_map(Line::parse);
        Ok(Some(match is_v2 {
            true => Self::V2(
                lines
                    .filter(|line| line.controllers.is_empty())
                    .fold(top.to_owned(), |top, line| top.join(line.path)),
            ),
            false => Self::V1(lines.flat_map(|line| line.groups(top)).collect()),
        }))
    }

    /// The processes in the groups and below.
    ///
    /// # Errors
    /// The group cannot be read.
    pub fn pids(&self) -> io::Result<BTreeSet<u32>> {
        let mut pids = BTreeSet::new();
        if let Some(path) = self.of_processes() {
            add_pids(dir::open(path)?.as_fd(), &mut pids)?;
        }
        Ok(pids)
    }

    /// What they use, as containerd's clients read it.
    ///
    /// # Errors
    /// The group cannot be read.
    pub fn metrics(&self) -> io::Result<Any> {
        Ok(match self {
            Self::V1(paths) => Any::new(metrics_v1::TYPE, &v1::metrics(paths)?),
            Self::V2(path) => Any::new(metrics_v2::TYPE, &v2::metrics(path)?),
        })
    }

    fn of_processes(&self) -> Option<&Path> {
        match self {
            Self::V1(paths) => WITH_PROCESSES.iter().find_map(|name| paths.get(*name)),
            Self::V2(path) => Some(path),
        }
        .map(PathBuf::as_path)
    }
}

/// One line of /proc/PID/cgroup (man 7 cgroups).
struct Line<'a> {
    controllers: &'a str,
    path: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        Some(Self { controllers, path: path.trim_start_matches('/') })
    }

    /// The group of each of its controllers, where distributions mount or link it. Named
    /// hierarchies and that of version 2 beside them control nothing.
    fn groups(&self, top: &Path) -> Vec<(String, PathBuf)> {
        let names = self.controllers.split(',').filter(|c| !c.is_empty() && !c.contains('='));
        names.map(|name| (name.to_owned(), top.join(name).join(self.path))).collect()
    }
}

pub(super) fn read_proc(path: &str) -> io::Result<String> {
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    let file: OwnedFd = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
    io::read_to_string(std::fs::File::from(file))
}

fn add_pids(group: BorrowedFd<'_>, pids: &mut BTreeSet<u32>) -> io::Result<()> {
    let text = file(group, "cgroup.procs")?.unwrap_or_default();
    pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid != 0));
    for entry in dir::entries(group)? {
        if entry.kind == FileType::Directory
            && let Some(name) = entry.name.to_str()
        {
            add_pids(dir::open_at(group, name)?.as_fd(), pids)?;
        }
    }
    Ok(())
}

/// A file of a group; `None` where this kernel has none of that name.
pub(super) fn file(group: BorrowedFd<'_>, name: &str) -> io::Result<Option<String>> {
    let bytes = dir::read(group, name, LIMIT)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Lines of a key and a number.
pub(super) fn flat(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (key, value) = line.split_once(' ')?;
        Some((key, value.trim().parse().ok()?))
    })
}

/// The sizes of huge pages that have a file with this ending: `2MB`.
pub(super) fn huge_page_sizes(group: BorrowedFd<'_>, end: &str) -> io::Result<Vec<String>> {
    let size = |name: &str| {
        let size = name.strip_prefix("hugetlb.")?.strip_suffix(end)?;
        (!size.contains('.')).then(|| size.to_owned())
    };
    let entries = dir::entries(group)?;
    Ok(entries.iter().filter_map(|entry| size(entry.name.to_str()?)).collect())
}

/// What there is of remote memory access; `None` where no controller counts it.
pub(super) fn rdma(group: BorrowedFd<'_>) -> io::Result<Option<RdmaStat>> {
    let Some(current) = file(group, "rdma.current")? else { return Ok(None) };
    let limit = file(group, "rdma.max")?.unwrap_or_default();
    let entries = |text: &str| text.lines().map(rdma_entry).collect();
    Ok(Some(RdmaStat { current: entries(&current), limit: entries(&limit) }))
}

/// Reads `mlx4_0 hca_handle=2 hca_object=max`.
fn rdma_entry(line: &str) -> RdmaEntry {
    let mut words = line.split_whitespace();
    let device = words.next().unwrap_or_default().to_owned();
    let mut entry = RdmaEntry { device, ..RdmaEntry::default() };
    for (key, value) in words.filter_map(|word| word.split_once('=')) {
        let value = if value == "max" { u32::MAX } else { value.parse().unwrap_or_default() };
        match key {
            "hca_handle" => entry.hca_handles = value,
            "hca_object" => entry.hca_objects = value,
            _ => {}
        }
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_the_groups_of_their_controllers() {
        let line = Line::parse("4:cpu,cpuacct:/default/one").unwrap();
        let groups = line.groups(Path::new("/top"));
        assert_eq!(groups[0], ("cpu".into(), "/top/cpu/default/one".into()));
        assert_eq!(groups[1], ("cpuacct".into(), "/top/cpuacct/default/one".into()));
        let named = Line::parse("1:name=systemd:/x").unwrap();
        assert!(named.groups(Path::new("/top")).is_empty());
        let unified = Line::parse("0::/default/one").unwrap();
        assert_eq!((unified.controllers, unified.path), ("", "default/one"));
    }

    #[test]
    fn limits_that_are_none_read_as_zero() {
        assert_eq!(
            flat("cache 12\nbroken\nrss x\nswap 3").collect::<Vec<_>>(),
            [("cache", 12), ("swap", 3)]
        );
    }
}
