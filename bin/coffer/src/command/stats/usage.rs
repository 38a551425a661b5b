//! What one container uses at a moment.

use std::fs::File;
use std::io::Read;

use coffer_runtime::cgroup::{Count, Stats};
use coffer_runtime::state::Record;
use rustix::fs::{Mode, OFlags};
use serde::Serialize;

use crate::failure::Failure;

/// The longest of the kernel's files that is read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Nanoseconds in a tick of `/proc/PID/stat`: USER_HZ is 100 on every architecture of Linux.
const TICK: u64 = 10_000_000;

/// What it uses. What nobody counts is none: a container on v1 has only the control groups that
/// its limits need.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Usage {
    /// Processor time, in nanoseconds; of the processes that live where no control group counts.
    pub(super) cpu_ns: Option<u64>,
    /// Memory, without files that can be dropped, in bytes.
    pub(super) memory_bytes: Option<u64>,
    /// The limit on it, or the host's memory, in bytes.
    pub(super) memory_limit_bytes: u64,
    /// Bytes that came in over its own network and that went out.
    pub(super) network: Option<[u64; 2]>,
    /// Bytes read from block devices and written to them.
    pub(super) block: Option<[u64; 2]>,
    /// Processes and threads.
    pub(super) pids: u64,
}

impl Usage {
    /// That of a container whose first process is `init`; `None` where it has ended meanwhile.
    pub(super) fn read(record: &Record, init: i32) -> Result<Option<Self>, Failure> {
        let cgroup = record.cgroup.open()?;
        let pids = cgroup.pids()?;
        let stats = cgroup.stats()?;
        // Without a group of its own its first process is what is known of it.
        let pids = if pids.is_empty() { vec![init] } else { pids };
        if text(&format!("/proc/{init}/stat")).is_none() {
            return Ok(None);
        }
        let host = rustix::system::sysinfo();
        let total = host.totalram.saturating_mul(u64::from(host.mem_unit));
        Ok(Some(Self {
            cpu_ns: stats.cpu_ns.or_else(|| Some(pids.iter().filter_map(|pid| ticks(*pid)).sum())),
            memory_bytes: memory(&stats),
            memory_limit_bytes: stats.memory_limit_bytes.unwrap_or(total).min(total),
            network: network(init),
            block: block(&stats),
            pids: stats.pids.unwrap_or(pids.len().try_into().unwrap_or(u64::MAX)),
        }))
    }
}

/// As docker has it: what the kernel can drop of files at once is not counted.
fn memory(stats: &Stats) -> Option<u64> {
    let inactive = stats.memory.get("total_inactive_file").or(stats.memory.get("inactive_file"));
    Some(stats.memory_bytes?.saturating_sub(inactive.copied().unwrap_or(0)))
}

fn block(stats: &Stats) -> Option<[u64; 2]> {
    let of = |kind: &str| {
        let bytes = stats.io.iter().filter(|io| io.count == Count::Bytes && io.kind == kind);
        bytes.map(|io| io.value).sum()
    };
    (!stats.io.is_empty()).then(|| [of("Read"), of("Write")])
}

/// All interfaces but the loopback; none where the network is the host's.
fn network(init: i32) -> Option<[u64; 2]> {
    let namespace =
        |pid: &str| rustix::fs::readlink(format!("/proc/{pid}/ns/net"), Vec::new()).ok();
    if namespace(&init.to_string())? == namespace("self")? {
        return None;
    }
    Some(moved(&text(&format!("/proc/{init}/net/dev"))?))
}

/// The sums of `/proc/PID/net/dev`: two lines of a head, then `NAME: bytes packets …`, eight numbers
/// for what came in and eight for what went out. Source: man 5 proc_pid_net.
fn moved(table: &str) -> [u64; 2] {
    let mut sums = [0u64; 2];
    for line in table.lines().skip(2) {
        let Some((name, numbers)) = line.split_once(':') else { continue };
        if name.trim() == "lo" {
            continue;
        }
        let numbers: Vec<u64> =
            numbers.split_whitespace().map(|n| n.parse().unwrap_or(0)).collect();
        for (sum, at) in sums.iter_mut().zip([0, 8]) {
            *sum = sum.saturating_add(numbers.get(at).copied().unwrap_or(0));
        }
    }
    sums
}

/// The processor time of one process, in nanoseconds. Source: man 5 proc_pid_stat, utime and stime.
fn ticks(pid: i32) -> Option<u64> {
    let text = text(&format!("/proc/{pid}/stat"))?;
    // The name, in brackets, may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user.saturating_add(system).saturating_mul(TICK))
}

fn text(path: &str) -> Option<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_added_up_without_the_loopback() {
        let table = "Inter-|   Receive |  Transmit\n face |bytes packets\n\
                     \x20   lo:  50 1 0 0 0 0 0 0  50 1 0 0 0 0 0 0\n\
                     \x20 eth0: 100 2 0 0 0 0 0 0  30 3 0 0 0 0 0 0\n\
                     \x20 eth1:   1 2 0 0 0 0 0 0   2 3 0 0 0 0 0 0\n";
        assert_eq!(moved(table), [101, 32]);
    }

    #[test]
    fn this_process_has_used_time() {
        assert!(ticks(i32::try_from(std::process::id()).unwrap()).is_some());
    }
}
