//! What a container uses, in the form of runc's `events`. Source: runc's types/events.go.

use coffer_runtime::cgroup::{DeviceIo, Pressure, Share, Stats, Waited};
use serde_json::{Map, Value, json};

/// Where there is no limit. As runc says it on v2.
const UNLIMITED: u64 = u64::MAX;

/// All of it. What nobody counts here is left out, or null.
pub(super) fn data(stats: &Stats) -> Value {
    let huge = stats.huge_pages.iter().map(|(size, pages)| {
        (size.clone(), json!({ "usage": pages.used_bytes, "failcnt": pages.refused }))
    });
    json!({
        "cpu": cpu(stats),
        "memory": memory(stats),
        "pids": pids(stats),
        "blkio": block_devices(stats),
        "hugetlb": huge.collect::<Map<String, Value>>(),
        "intel_rdt": {},
        "network_interfaces": null,
    })
}

/// Times are nanoseconds.
fn cpu(stats: &Stats) -> Value {
    let nanoseconds = |us: Option<u64>| us.map(|us| us.saturating_mul(1000));
    let mut usage = json!({
        "total": nanoseconds(stats.cpu_us),
        "kernel": nanoseconds(stats.cpu_system_us).unwrap_or(0),
        "user": nanoseconds(stats.cpu_user_us).unwrap_or(0),
    });
    if !stats.cpu_each_us.is_empty() {
        let each = stats.cpu_each_us.iter().map(|us| us.saturating_mul(1000));
        usage["percpu"] = each.collect::<Vec<u64>>().into();
    }
    let throttled = &stats.throttling;
    let throttling = json!({
        "periods": throttled.periods,
        "throttledPeriods": throttled.throttled_periods,
        "throttledTime": throttled.throttled_us.saturating_mul(1000),
    });
    let cpu = json!({ "usage": usage, "throttling": throttling });
    with_pressure(cpu, stats.cpu_pressure.as_ref())
}

/// Swap counts memory in, as v1 has it.
fn memory(stats: &Stats) -> Value {
    let both = stats.swap_bytes.zip(stats.memory_bytes).map(|(swap, m)| swap.saturating_add(m));
    let limits = stats.swap_limit_bytes.zip(stats.memory_limit_bytes);
    let mut memory = json!({
        "usage": {
            "limit": stats.memory_limit_bytes.unwrap_or(UNLIMITED),
            "usage": stats.memory_bytes,
            "max": stats.memory_peak_bytes,
            "failcnt": stats.memory_refused,
        },
        "raw": stats.memory,
    });
    // The one is v1's word for the page cache, the other v2's.
    if let Some(cache) = stats.memory.get("cache").or(stats.memory.get("file")) {
        memory["cache"] = (*cache).into();
    }
    if let Some(both) = both {
        let limit = limits.map_or(UNLIMITED, |(swap, memory)| swap.saturating_add(memory));
        memory["swap"] = json!({ "limit": limit, "usage": both, "failcnt": 0 });
    }
    for (name, part) in [("kernel", stats.kernel_memory), ("kernelTCP", stats.tcp_memory)] {
        if let Some(part) = part {
            memory[name] = share(&part);
        }
    }
    with_pressure(memory, stats.memory_pressure.as_ref())
}

fn share(part: &Share) -> Value {
    json!({
        "limit": part.limit_bytes.unwrap_or(UNLIMITED),
        "usage": part.used_bytes,
        "max": part.peak_bytes,
        "failcnt": part.refused,
    })
}

fn pids(stats: &Stats) -> Value {
    let mut pids = Map::new();
    pids.extend(stats.pids.map(|current| ("current".to_owned(), json!(current))));
    pids.extend(stats.pids_limit.map(|limit| ("limit".to_owned(), json!(limit))));
    pids.into()
}

fn block_devices(stats: &Stats) -> Value {
    let entries = |of: fn(&DeviceIo) -> (u64, u64)| -> Value {
        let device = |io: &DeviceIo| {
            let (read, written) = of(io);
            [("Read", read), ("Write", written)].map(|(op, value)| {
                json!({ "major": io.major, "minor": io.minor, "op": op, "value": value })
            })
        };
        stats.io.iter().flat_map(device).collect()
    };
    let mut block = json!({});
    if !stats.io.is_empty() {
        block["ioServiceBytesRecursive"] = entries(|io| (io.read_bytes, io.written_bytes));
        block["ioServicedRecursive"] = entries(|io| (io.reads, io.writes));
    }
    with_pressure(block, stats.io_pressure.as_ref())
}

fn with_pressure(mut value: Value, pressure: Option<&Pressure>) -> Value {
    if let Some(pressure) = pressure {
        value["psi"] = json!({ "some": waited(&pressure.some), "full": waited(&pressure.full) });
    }
    value
}

/// Per cent, with two digits behind the point.
fn waited(waited: &Waited) -> Value {
    let percent = |hundredths: u32| f64::from(hundredths) / 100.0;
    json!({
        "avg10": percent(waited.avg10),
        "avg60": percent(waited.avg60),
        "avg300": percent(waited.avg300),
        "total": waited.total_us,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_said_in_runcs_units() {
        let io =
            DeviceIo { major: 8, minor: 1, read_bytes: 2, written_bytes: 3, reads: 4, writes: 5 };
        let some = Waited { avg10: 150, total_us: 7, ..Waited::default() };
        let stats = Stats {
            cpu_us: Some(5),
            cpu_user_us: Some(3),
            cpu_system_us: Some(2),
            memory_bytes: Some(10),
            swap_bytes: Some(4),
            memory_limit_bytes: Some(20),
            swap_limit_bytes: Some(5),
            memory: [("file".to_owned(), 6)].into(),
            cpu_pressure: Some(Pressure { some, ..Pressure::default() }),
            io: vec![io],
            ..Stats::default()
        };
        let data = data(&stats);
        assert_eq!(data["cpu"]["usage"], json!({"total": 5000, "kernel": 2000, "user": 3000}));
        assert_eq!(data["cpu"]["psi"]["some"]["avg10"], 1.5);
        assert_eq!(data["memory"]["swap"], json!({"limit": 25, "usage": 14, "failcnt": 0}));
        assert_eq!(data["memory"]["cache"], 6);
        let written = json!({"major": 8, "minor": 1, "op": "Write", "value": 3});
        assert_eq!(data["blkio"]["ioServiceBytesRecursive"][1], written);
        assert_eq!(data["blkio"]["ioServicedRecursive"][0]["value"], 4);
        let unlimited = &super::data(&Stats::default())["memory"]["usage"]["limit"];
        assert_eq!(unlimited, &json!(u64::MAX));
    }
}
