//! What version 1 counts. Source: Linux Documentation/admin-guide/cgroup-v1; the choice of files
//! is that of containerd/cgroups.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use coffer_sys::dir;

use super::place::{file, flat, number};
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
    Ok(metrics)
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

fn blkio(group: BorrowedFd<'_>) -> io::Result<BlkioStat> {
    let entries = |name: &str| -> io::Result<Vec<BlkioEntry>> {
        let text = file(group, name)?.unwrap_or_default();
        Ok(text.lines().filter_map(blkio_entry).collect())
    };
    Ok(BlkioStat {
        io_service_bytes_recursive: entries("blkio.throttle.io_service_bytes_recursive")?,
        io_serviced_recursive: entries("blkio.throttle.io_serviced_recursive")?,
    })
}

/// Reads `8:0 Read 4096`; the last line, a total over all devices, has no device.
fn blkio_entry(line: &str) -> Option<BlkioEntry> {
    let mut words = line.split_whitespace();
    let (major, minor) = words.next()?.split_once(':')?;
    Some(BlkioEntry {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
        op: words.next()?.to_owned(),
        value: words.next()?.parse().ok()?,
        device: String::new(),
    })
}

fn hugetlb(group: BorrowedFd<'_>) -> io::Result<Vec<HugetlbStat>> {
    let names: Vec<String> = dir::entries(group)?
        .into_iter()
        .filter_map(|entry| entry.name.into_string().ok())
        .filter_map(|name| {
            let size = name.strip_prefix("hugetlb.")?.strip_suffix(".usage_in_bytes")?;
            (!size.contains('.')).then(|| size.to_owned())
        })
        .collect();
    names
        .into_iter()
        .map(|pagesize| {
            let value = |name: &str| number(group, &format!("hugetlb.{pagesize}.{name}"));
            let (usage, max) = (value("usage_in_bytes")?, value("max_usage_in_bytes")?);
            Ok(HugetlbStat { usage, max, failcnt: value("failcnt")?, pagesize })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_blkio_names_its_device() {
        let entry = blkio_entry("8:16 Write 8192").unwrap();
        assert_eq!((entry.major, entry.minor, &*entry.op, entry.value), (8, 16, "Write", 8192));
        assert_eq!(blkio_entry("Total 8192"), None);
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        assert_eq!(metrics(&BTreeMap::new()).unwrap(), Metrics::default());
    }
}
