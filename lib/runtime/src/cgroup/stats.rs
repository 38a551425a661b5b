//! What a container uses.

use std::collections::BTreeMap;

use serde::Serialize;

use super::group::{Group, keyed};
use super::pressure::Pressure;
use super::{Cgroup, CgroupError, Controller, Version};

/// What a container uses. What no controller counts is `None`, or empty: a container of coffer's
/// own on v1 has only those controllers whose limits were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Processor time, in microseconds.
    pub cpu_us: Option<u64>,
    /// That in user mode, in microseconds.
    pub cpu_user_us: Option<u64>,
    /// That in the kernel, in microseconds.
    pub cpu_system_us: Option<u64>,
    /// Processor time by CPU, in microseconds; v1 alone.
    pub cpu_each_us: Vec<u64>,
    /// How the quota held it back.
    pub throttling: Throttling,
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
    /// The limit on it, in bytes.
    pub swap_limit_bytes: Option<u64>,
    /// All that `memory.stat` counts, under the kernel's names.
    pub memory: BTreeMap<String, u64>,
    /// The number of tasks.
    pub pids: Option<u64>,
    /// The limit on it.
    pub pids_limit: Option<u64>,
    /// What was read from and written to block devices.
    pub io: Vec<DeviceIo>,
    /// Huge pages by size, such as `2MB`.
    pub huge_pages: BTreeMap<String, HugePages>,
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
    /// Microseconds of waiting for the next period.
    pub throttled_us: u64,
}

/// One block device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeviceIo {
    /// Its major number.
    pub major: u32,
    /// Its minor number.
    pub minor: u32,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}

/// Huge pages of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HugePages {
    /// Bytes in use.
    pub used_bytes: u64,
    /// How often the limit was hit.
    pub refused: u64,
}

/// From here on a v1 limit means "none": the largest number of whole pages.
const V1_UNLIMITED: u64 = 1 << 62;

impl Cgroup {
    /// Reads the counters. Source: the kernel's cgroup-v2.rst, and cgroup-v1/{memory,cpuacct}.rst.
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
        Ok(stats)
    }
}

impl Stats {
    fn read_v2(&mut self, group: &Group) -> Result<(), CgroupError> {
        // v2 counts time in every group, with or without the cpu controller.
        let cpu = numbers(group, "cpu.stat")?;
        let of = |name: &str| cpu.get(name).copied();
        self.cpu_us = of("usage_usec");
        self.cpu_user_us = of("user_usec");
        self.cpu_system_us = of("system_usec");
        self.throttling = Throttling {
            periods: of("nr_periods").unwrap_or(0),
            throttled_periods: of("nr_throttled").unwrap_or(0),
            throttled_us: of("throttled_usec").unwrap_or(0),
        };
        self.memory_bytes = number(Some(group), "memory.current")?;
        self.memory_peak_bytes = number(Some(group), "memory.peak")?;
        self.memory_limit_bytes = number(Some(group), "memory.max")?;
        let events = group.try_read("memory.events")?.unwrap_or_default();
        self.memory_refused = keyed(&events, "max").unwrap_or(0);
        self.swap_bytes = number(Some(group), "memory.swap.current")?;
        self.swap_limit_bytes = number(Some(group), "memory.swap.max")?;
        self.io = group.try_read("io.stat")?.map(|text| io_v2(&text)).unwrap_or_default();
        self.cpu_pressure = pressure(group, "cpu.pressure")?;
        self.memory_pressure = pressure(group, "memory.pressure")?;
        self.io_pressure = pressure(group, "io.pressure")?;
        self.read_huge_pages(group, "current", "events")
    }

    fn read_v1(&mut self, cgroup: &Cgroup) -> Result<(), CgroupError> {
        if let Some(group) = cgroup.with(Controller::Cpuacct) {
            let us = |ns: u64| ns / 1000;
            self.cpu_us = number(Some(group), "cpuacct.usage")?.map(us);
            self.cpu_user_us = number(Some(group), "cpuacct.usage_user")?.map(us);
            self.cpu_system_us = number(Some(group), "cpuacct.usage_sys")?.map(us);
            let each = group.try_read("cpuacct.usage_percpu")?.unwrap_or_default();
            let each = each.split_ascii_whitespace().filter_map(|ns| ns.parse().ok());
            self.cpu_each_us = each.map(us).collect();
        }
        if let Some(group) = cgroup.with(Controller::Cpu) {
            let cpu = numbers(group, "cpu.stat")?;
            let of = |name: &str| cpu.get(name).copied().unwrap_or(0);
            self.throttling = Throttling {
                periods: of("nr_periods"),
                throttled_periods: of("nr_throttled"),
                throttled_us: of("throttled_time") / 1000,
            };
        }
        self.read_memory_v1(cgroup.with(Controller::Memory))?;
        if let Some(group) = cgroup.with(Controller::Blkio) {
            let read = |name| group.try_read(name).map(Option::unwrap_or_default);
            let bytes = read("blkio.throttle.io_service_bytes_recursive")?;
            let count = read("blkio.throttle.io_serviced_recursive")?;
            self.io = io_v1(&bytes, &count);
        }
        match cgroup.with(Controller::Hugetlb) {
            Some(group) => self.read_huge_pages(group, "usage_in_bytes", "failcnt"),
            None => Ok(()),
        }
    }

    /// v1 counts memory and swap together.
    fn read_memory_v1(&mut self, group: Option<&Group>) -> Result<(), CgroupError> {
        let limit = |bytes: &u64| *bytes < V1_UNLIMITED;
        self.memory_bytes = number(group, "memory.usage_in_bytes")?;
        self.memory_peak_bytes = number(group, "memory.max_usage_in_bytes")?;
        self.memory_limit_bytes = number(group, "memory.limit_in_bytes")?.filter(limit);
        self.memory_refused = number(group, "memory.failcnt")?.unwrap_or(0);
        self.kernel_memory = share(group, "memory.kmem")?;
        self.tcp_memory = share(group, "memory.kmem.tcp")?;
        let both = number(group, "memory.memsw.usage_in_bytes")?;
        self.swap_bytes = both.zip(self.memory_bytes).map(|(both, m)| both.saturating_sub(m));
        let both = number(group, "memory.memsw.limit_in_bytes")?.filter(limit);
        let rest = both.zip(self.memory_limit_bytes).map(|(both, m)| both.saturating_sub(m));
        self.swap_limit_bytes = rest;
        Ok(())
    }

    fn read_huge_pages(
        &mut self,
        group: &Group,
        used: &str,
        refused: &str,
    ) -> Result<(), CgroupError> {
        for size in group.huge_page_sizes()? {
            let used_bytes = number(Some(group), &format!("hugetlb.{size}.{used}"))?.unwrap_or(0);
            let text = group.try_read(&format!("hugetlb.{size}.{refused}"))?.unwrap_or_default();
            let refused = text.trim().parse().ok().or(keyed(&text, "max")).unwrap_or(0);
            self.huge_pages.insert(size, HugePages { used_bytes, refused });
        }
        Ok(())
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

/// The files of v1 for one kind of memory; `None` where the kernel does not count it.
fn share(group: Option<&Group>, prefix: &str) -> Result<Option<Share>, CgroupError> {
    let of = |name: &str| number(group, &format!("{prefix}.{name}"));
    let Some(used_bytes) = of("usage_in_bytes")? else { return Ok(None) };
    Ok(Some(Share {
        used_bytes,
        peak_bytes: of("max_usage_in_bytes")?.unwrap_or(0),
        limit_bytes: of("limit_in_bytes")?.filter(|bytes| *bytes < V1_UNLIMITED),
        refused: of("failcnt")?.unwrap_or(0),
    }))
}

fn pressure(group: &Group, name: &str) -> Result<Option<Pressure>, CgroupError> {
    match group.try_read(name) {
        Ok(text) => Ok(text.as_deref().and_then(Pressure::parse)),
        // Where the kernel was told to keep no account, the file is there and cannot be read.
        Err(CgroupError::File { source, .. })
            if source.raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error()) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Lines such as `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`.
fn io_v2(text: &str) -> Vec<DeviceIo> {
    let device = |line: &str| {
        let mut fields = line.split(' ');
        let (major, minor) = device_numbers(fields.next()?)?;
        let mut io = DeviceIo { major, minor, ..DeviceIo::default() };
        for (key, value) in fields.filter_map(|field| field.split_once('=')) {
            let place = match key {
                "rbytes" => &mut io.read_bytes,
                "wbytes" => &mut io.written_bytes,
                "rios" => &mut io.reads,
                "wios" => &mut io.writes,
                _ => continue,
            };
            *place = value.parse().ok()?;
        }
        Some(io)
    };
    text.lines().filter_map(device).collect()
}

/// Lines such as `8:0 Read 4096`.
fn io_v1(bytes: &str, count: &str) -> Vec<DeviceIo> {
    let mut devices: BTreeMap<(u32, u32), DeviceIo> = BTreeMap::new();
    for (text, is_bytes) in [(bytes, true), (count, false)] {
        for line in text.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            let [device, way, value] = fields[..] else { continue };
            let (Some(numbers), Ok(value)) = (device_numbers(device), value.parse()) else {
                continue;
            };
            let (major, minor) = numbers;
            let io =
                devices.entry(numbers).or_insert(DeviceIo { major, minor, ..Default::default() });
            match (way, is_bytes) {
                ("Read", true) => io.read_bytes = value,
                ("Write", true) => io.written_bytes = value,
                ("Read", false) => io.reads = value,
                ("Write", false) => io.writes = value,
                _ => {}
            }
        }
    }
    devices.into_values().collect()
}

fn device_numbers(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_count_io_by_device() {
        let v2 = io_v2("8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n(unknown) x\n");
        let v1 = io_v1(
            "8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 3\n",
            "8:0 Read 3\n8:0 Write 4\nTotal 7\n",
        );
        let io =
            DeviceIo { major: 8, read_bytes: 1, written_bytes: 2, reads: 3, writes: 4, minor: 0 };
        assert_eq!((v2, v1), (vec![io], vec![io]));
    }
}
