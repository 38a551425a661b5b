//! What a container uses.

use serde::Serialize;

use super::group::{Group, keyed};
use super::{Cgroup, CgroupError, Controller, Version};

/// What a container uses. What no controller counts is `None`: on v1 only those controllers are
/// there whose limits were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Processor time, in microseconds.
    pub cpu_us: Option<u64>,
    /// Memory, caches included, in bytes.
    pub memory_bytes: Option<u64>,
    /// The limit on it, in bytes.
    pub memory_limit_bytes: Option<u64>,
    /// The number of tasks.
    pub pids: Option<u64>,
    /// The limit on it.
    pub pids_limit: Option<u64>,
    /// How often the kernel killed something for want of memory.
    pub oom_kills: u64,
}

/// From here on a v1 limit means "none": the largest number of whole pages.
const V1_UNLIMITED: u64 = 1 << 62;

impl Cgroup {
    /// Reads the counters. Source: the kernel's cgroup-v2.rst, and cgroup-v1/{memory,cpuacct}.rst.
    ///
    /// # Errors
    /// Where a counter is there and cannot be read.
    pub fn stats(&self) -> Result<Stats, CgroupError> {
        let memory = self.with(Controller::Memory);
        let is_v1 = memory.is_some_and(|group| group.at.version == Version::V1);
        let (used, limit) = if is_v1 {
            ("memory.usage_in_bytes", "memory.limit_in_bytes")
        } else {
            ("memory.current", "memory.max")
        };
        let pids = self.with(Controller::Pids);
        Ok(Stats {
            cpu_us: self.cpu_us()?,
            memory_bytes: number(memory, used)?,
            memory_limit_bytes: number(memory, limit)?.filter(|bytes| *bytes < V1_UNLIMITED),
            pids: number(pids, "pids.current")?,
            pids_limit: number(pids, "pids.max")?,
            oom_kills: self.oom_kills()?,
        })
    }

    fn cpu_us(&self) -> Result<Option<u64>, CgroupError> {
        if let Some(group) = self.with(Controller::Cpuacct) {
            return Ok(number(Some(group), "cpuacct.usage")?.map(|ns| ns / 1000));
        }
        // v2 counts time in every group, with or without the cpu controller.
        let v2 = self.groups.iter().find(|group| group.at.version == Version::V2);
        let Some(group) = v2 else { return Ok(None) };
        Ok(group.try_read("cpu.stat")?.and_then(|text| keyed(&text, "usage_usec")))
    }
}

/// A file that holds one number; `max`, and a file that is not there, are `None`.
fn number(group: Option<&Group>, name: &str) -> Result<Option<u64>, CgroupError> {
    let Some(group) = group else { return Ok(None) };
    let Some(text) = group.try_read(name)? else { return Ok(None) };
    match text.trim() {
        "max" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| CgroupError::Content { path: super::group::shown(group, name) }),
    }
}
