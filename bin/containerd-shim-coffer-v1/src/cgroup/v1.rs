//! What version 1 counts. Source: Linux Documentation/admin-guide/cgroup-v1; the choice of files
//! is that of containerd/cgroups.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use coffer_sys::dir;

use super::place::{file, flat, huge_page_sizes, rdma, read_proc};
use crate::wire::metrics_v1::{
    BlkioEntry, BlkioStat, CpuStat, CpuUsage, HugetlbStat, MemoryEntry, MemoryOomControl,
    MemoryStat, Metrics, PidsStat, Throttle,
};

/// Nanoseconds in a tick of `cpuacct.stat`: USER_HZ is 100 on every architecture of Linux.
const TICK: u64 = 10_000_000;

/// All that the groups at `paths` count.
pub(super) fn metrics(paths: &BTreeMap<String, PathBuf>) -> io::Result<Metrics> {
    let open = |name: &str| -> io::Result<Option<OwnedFd>> {
        paths.get(name).map(|path| dir::open(path)).transpose()
    };
    let mut metrics = Metrics::default();
    if let Some(group) = open("pids")? {
        metrics.pids = Some(pids(group.as_fd())?);
    }
    if let Some(group) = open("cpuacct")? {
        metrics.cpu = Some(CpuStat { usage: Some(usage(group.as_fd())?), throttling: None });
    }
    if let Some(group) = open("cpu")? {
        metrics.cpu.get_or_insert_default().throttling = Some(throttling(group.as_fd())?);
    }
    if let Some(group) = open("memory")? {
        metrics.memory = Some(memory(group.as_fd())?);
        metrics.memory_oom_control = Some(oom(group.as_fd())?);
    }
    if let Some(group) = open("blkio")? {
        metrics.blkio = Some(blkio(group.as_fd())?);
    }
    if let Some(group) = open("hugetlb")? {
        metrics.hugetlb = hugetlb(group.as_fd())?;
    }
    if let Some(group) = open("rdma")? {
        metrics.rdma = rdma(group.as_fd())?;
    }
    Ok(metrics)
}

/// A file that holds one number; `max`, like no file, is 0, which clients read as no limit.
fn number(group: BorrowedFd<'_>, name: &str) -> io::Result<u64> {
    let text = file(group, name)?.unwrap_or_default();
    Ok(text.trim().parse().unwrap_or_default())
}

fn pids(group: BorrowedFd<'_>) -> io::Result<PidsStat> {
    Ok(PidsStat { current: number(group, "pids.current")?, limit: number(group, "pids.max")? })
}

fn usage(group: BorrowedFd<'_>) -> io::Result<CpuUsage> {
    let mut usage = CpuUsage { total: number(group, "cpuacct.usage")?, ..CpuUsage::default() };
    let each = file(group, "cpuacct.usage_percpu")?.unwrap_or_default();
    usage.per_cpu = each.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    for (key, ticks) in flat(&file(group, "cpuacct.stat")?.unwrap_or_default()) {
        match key {
            "user" => usage.user = ticks * TICK,
            "system" => usage.kernel = ticks * TICK,
            _ => {}
        }
    }
    Ok(usage)
}

fn throttling(group: BorrowedFd<'_>) -> io::Result<Throttle> {
    let mut throttle = Throttle::default();
    for (key, value) in flat(&file(group, "cpu.stat")?.unwrap_or_default()) {
        match key {
            "nr_periods" => throttle.periods = value,
            "nr_throttled" => throttle.throttled_periods = value,
            "throttled_time" => throttle.throttled_time = value,
            _ => {}
        }
    }
    Ok(throttle)
}

fn memory(group: BorrowedFd<'_>) -> io::Result<MemoryStat> {
    let mut memory = MemoryStat::default();
    for (key, value) in flat(&file(group, "memory.stat")?.unwrap_or_default()) {
        memory.set(key, value);
    }
    let entry = |prefix: &str| -> io::Result<Option<MemoryEntry>> {
        let value = |name: &str| number(group, &format!("{prefix}.{name}"));
        Ok(Some(MemoryEntry {
            limit: value("limit_in_bytes")?,
            usage: value("usage_in_bytes")?,
            max: value("max_usage_in_bytes")?,
            failcnt: value("failcnt")?,
        }))
    };
    memory.usage = entry("memory")?;
    memory.swap = entry("memory.memsw")?;
    memory.kernel = entry("memory.kmem")?;
    memory.kernel_tcp = entry("memory.kmem.tcp")?;
    Ok(memory)
}

fn oom(group: BorrowedFd<'_>) -> io::Result<MemoryOomControl> {
    let mut control = MemoryOomControl::default();
    for (key, value) in flat(&file(group, "memory.oom_control")?.unwrap_or_default()) {
        match key {
            "oom_kill_disable" => control.oom_kill_disable = value,
            "under_oom" => control.under_oom = value,
            "oom_kill" => control.oom_kill = value,
            _ => {}
        }
    }
    Ok(control)
}

/// Where the counters are, the fullest source first: BFQ and CFQ count more than the throttle,
/// which is always there, and only for their own devices.
const SOURCES: [&str; 3] = ["blkio.bfq.", "blkio.", "blkio.throttle."];

fn blkio(group: BorrowedFd<'_>) -> io::Result<BlkioStat> {
    let devices = devices(&read_proc("/proc/partitions")?);
    let mut stat = BlkioStat::default();
    for prefix in SOURCES {
        let entries = |name: &str| -> io::Result<Vec<BlkioEntry>> {
            let text = file(group, &format!("{prefix}{name}_recursive"))?.unwrap_or_default();
            Ok(text.lines().filter_map(|line| blkio_entry(line, &devices)).collect())
        };
        stat.io_service_bytes_recursive = entries("io_service_bytes")?;
        stat.io_serviced_recursive = entries("io_serviced")?;
        stat.io_queued_recursive = entries("io_queued")?;
        stat.io_service_time_recursive = entries("io_service_time")?;
        stat.io_wait_time_recursive = entries("io_wait_time")?;
        stat.io_merged_recursive = entries("io_merged")?;
        stat.io_time_recursive = entries("time")?;
        stat.sectors_recursive = entries("sectors")?;
        if !stat.io_service_bytes_recursive.is_empty() {
            break;
        }
    }
    Ok(stat)
}

/// The names of `/proc/partitions`, by number: lines such as `8 16 1048576 sdb` below a head.
fn devices(partitions: &str) -> BTreeMap<(u64, u64), String> {
    let device = |line: &str| {
        let mut words = line.split_whitespace();
        let (major, minor) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some(((major, minor), format!("/dev/{}", words.nth(1)?)))
    };
    partitions.lines().filter_map(device).collect()
}

/// Reads `8:0 Read 4096` or `8:0 17`; the last line, a total over all devices, has no device.
fn blkio_entry(line: &str, devices: &BTreeMap<(u64, u64), String>) -> Option<BlkioEntry> {
    let mut words = line.split_whitespace();
    let (major, minor) = words.next()?.split_once(':')?;
    let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
    let (first, second) = (words.next()?, words.next());
    let (op, value) = second.map_or(("", first), |value| (first, value));
    Some(BlkioEntry {
        op: op.to_owned(),
        device: devices.get(&(major, minor)).cloned().unwrap_or_default(),
        major,
        minor,
        value: value.parse().ok()?,
    })
}

fn hugetlb(group: BorrowedFd<'_>) -> io::Result<Vec<HugetlbStat>> {
    let of = |pagesize: String| {
        let value = |name: &str| number(group, &format!("hugetlb.{pagesize}.{name}"));
        let (usage, max) = (value("usage_in_bytes")?, value("max_usage_in_bytes")?);
        Ok(HugetlbStat { usage, max, failcnt: value("failcnt")?, pagesize })
    };
    huge_page_sizes(group, ".usage_in_bytes")?.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_blkio_names_its_device() {
        let devices = devices("major minor  #blocks  name\n\n   8       16 1048576 sdb\n");
        let entry = blkio_entry("8:16 Write 8192", &devices).unwrap();
        assert_eq!((entry.major, entry.minor, &*entry.op, entry.value), (8, 16, "Write", 8192));
        assert_eq!(entry.device, "/dev/sdb");
        let time = blkio_entry("9:1 7", &devices).unwrap();
        assert_eq!((&*time.op, time.value, &*time.device), ("", 7, ""));
        assert_eq!(blkio_entry("Total 8192", &devices), None);
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        assert_eq!(metrics(&BTreeMap::new()).unwrap(), Metrics::default());
    }
}
