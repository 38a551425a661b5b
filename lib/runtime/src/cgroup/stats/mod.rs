//! What a container uses.

mod cpuset;
mod io;
mod other;
mod v1;
mod v2;

use std::collections::BTreeMap;

use serde::Serialize;

pub use cpuset::Cpuset;
pub use io::{Count, DeviceCount};
pub use other::{Misc, Rdma};

use super::group::Group;
use super::pressure::Pressure;
use super::{Cgroup, CgroupError, Controller, Version};

/// What a container uses. What no controller counts is `None`, or empty: a container of coffer's
/// own on v1 has only those controllers whose limits were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Processor time, in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// That in user mode, in nanoseconds.
    pub cpu_user_ns: Option<u64>,
    /// That in the kernel, in nanoseconds.
    pub cpu_system_ns: Option<u64>,
    /// Processor time by CPU; v1 alone.
    pub cpu_each: Vec<OneCpu>,
    /// How the quota held it back.
    pub throttling: Throttling,
    /// The processors and memory nodes it may use, where a controller says so.
    pub cpuset: Option<Cpuset>,
    /// Memory, caches included, in bytes.
    pub memory_bytes: Option<u64>,
    /// The most of it there ever was, in bytes.
    pub memory_peak_bytes: Option<u64>,
    /// The limit on it, in bytes.
    pub memory_limit_bytes: Option<u64>,
    /// How often that limit was hit.
    pub memory_refused: u64,
    /// The kernel's share of it; v1 alone, as the next.
    pub kernel_memory: Option<Share>,
    /// What TCP's buffers have of it.
    pub tcp_memory: Option<Share>,
    /// Swap, in bytes.
    pub swap_bytes: Option<u64>,
    /// The most of it there ever was, in bytes; v2 alone, since Linux 6.5.
    pub swap_peak_bytes: Option<u64>,
    /// The limit on it, in bytes.
    pub swap_limit_bytes: Option<u64>,
    /// How often that limit was hit.
    pub swap_refused: u64,
    /// Memory and swap together; v1 alone, whose limit is on both.
    pub memory_and_swap: Option<Share>,
    /// All that `memory.stat` counts, under the kernel's names.
    pub memory: BTreeMap<String, u64>,
    /// The number of tasks.
    pub pids: Option<u64>,
    /// The limit on it.
    pub pids_limit: Option<u64>,
    /// What was read from and written to block devices, and how long that took.
    pub io: Vec<DeviceCount>,
    /// Huge pages by size, such as `2MB`.
    pub huge_pages: BTreeMap<String, HugePages>,
    /// Remote memory access, by device.
    pub rdma: BTreeMap<String, Rdma>,
    /// Countable resources of other kinds, by name.
    pub misc: BTreeMap<String, Misc>,
    /// How long tasks waited for a processor; v2 alone, as the next two.
    pub cpu_pressure: Option<Pressure>,
    /// How long they waited for memory.
    pub memory_pressure: Option<Pressure>,
    /// How long they waited for block devices.
    pub io_pressure: Option<Pressure>,
    /// How often the kernel killed something for want of memory.
    pub oom_kills: u64,
}

/// A part of memory that is counted, and may be limited, by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Bytes in use.
    pub used_bytes: u64,
    /// The most of it there ever was, in bytes.
    pub peak_bytes: u64,
    /// The limit on it, in bytes.
    pub limit_bytes: Option<u64>,
    /// How often that was hit.
    pub refused: u64,
}

/// How a quota of processor time held a container back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Throttling {
    /// Periods that have passed.
    pub periods: u64,
    /// Those in which the quota was used up.
    pub throttled_periods: u64,
    /// Nanoseconds of waiting for the next period.
    pub throttled_ns: u64,
    /// Periods in which saved time was spent beyond the quota.
    pub bursts: u64,
    /// Nanoseconds of that.
    pub burst_ns: u64,
}

/// The time that one CPU has worked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OneCpu {
    /// In user mode, in nanoseconds.
    pub user_ns: u64,
    /// In the kernel, in nanoseconds.
    pub system_ns: u64,
    /// All of it, in nanoseconds.
    pub all_ns: u64,
}

/// Huge pages of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HugePages {
    /// Bytes in use, those that are reserved and not touched yet included.
    pub used_bytes: u64,
    /// The most there ever were; v1 alone.
    pub peak_bytes: Option<u64>,
    /// How often the limit was hit.
    pub refused: u64,
}

impl Cgroup {
    /// Reads the counters. Source: the kernel's cgroup-v2.rst, and cgroup-v1/{memory,cpuacct,
    /// cpusets,blkio-controller,hugetlb,rdma}.rst.
    ///
    /// # Errors
    /// Where a counter is there and cannot be read.
    pub fn stats(&self) -> Result<Stats, CgroupError> {
        let mut stats = Stats { oom_kills: self.oom_kills()?, ..Stats::default() };
        if let Some(v2) = self.groups.iter().find(|group| group.at.version == Version::V2) {
            stats.read_v2(v2)?;
        } else {
            stats.read_v1(self)?;
        }
        if let Some(group) = self.with(Controller::Memory) {
            stats.memory = numbers(group, "memory.stat")?;
        }
        let pids = self.with(Controller::Pids);
        stats.pids = number(pids, "pids.current")?;
        stats.pids_limit = number(pids, "pids.max")?;
        if let Some(group) = self.with(Controller::Rdma) {
            stats.rdma = other::rdma(group)?;
        }
        if let Some(group) = self.with(Controller::Misc) {
            stats.misc = other::misc(group)?;
        }
        Ok(stats)
    }
}

/// A file of lines `KEY NUMBER`; other lines, and a file that is not there, are nothing.
fn numbers(group: &Group, name: &str) -> Result<BTreeMap<String, u64>, CgroupError> {
    let text = group.try_read(name)?.unwrap_or_default();
    let pair = |line: &str| {
        let (key, number) = line.split_once(' ')?;
        Some((key.to_owned(), number.trim().parse().ok()?))
    };
    Ok(text.lines().filter_map(pair).collect())
}

/// A file that holds one number; `max`, and a file that is not there, are `None`.
fn number(group: Option<&Group>, name: &str) -> Result<Option<u64>, CgroupError> {
    let Some(group) = group else { return Ok(None) };
    let Some(text) = group.try_read(name)? else { return Ok(None) };
    match text.trim() {
        "max" => Ok(None),
        text => text.parse().map(Some).map_err(|_| unreadable(group, name)),
    }
}

fn unreadable(group: &Group, name: &str) -> CgroupError {
    CgroupError::Content { path: super::group::shown(group, name) }
}
