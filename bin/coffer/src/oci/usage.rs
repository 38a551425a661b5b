//! What a container uses, in the form of runc's `events`. Source: runc's types/events.go.

use std::collections::BTreeMap;

use coffer_runtime::cgroup::{
    Count, Cpuset, DeviceCount, Misc, OneCpu, Pressure, Rdma, Share, Stats, Waited,
};
use serde_json::{Map, Value, json};

/// Where there is no limit. As runc says it on v2.
const UNLIMITED: u64 = u64::MAX;

/// All of it. What nobody counts here is left out, or null. `rdma`, `misc`, `memory.swapOnly` and
/// what is effective in `cpuset` are beyond runc's.
pub(super) fn data(stats: &Stats) -> Value {
    let huge = stats.huge_pages.iter().map(|(size, pages)| {
        let mut value = json!({ "usage": pages.used_bytes, "failcnt": pages.refused });
        if let Some(peak) = pages.peak_bytes {
            value["max"] = peak.into();
        }
        (size.clone(), value)
    });
    let mut data = json!({
        "cpu": cpu(stats),
        "cpuset": cpuset(stats.cpuset.as_ref()),
        "memory": memory(stats),
        "pids": pids(stats),
        "blkio": block_devices(stats),
        "hugetlb": huge.collect::<Map<String, Value>>(),
        "intel_rdt": {},
        "network_interfaces": null,
    });
    if !stats.rdma.is_empty() {
        data["rdma"] = rdma(&stats.rdma);
    }
    if !stats.misc.is_empty() {
        data["misc"] = misc(&stats.misc);
    }
    data
}

/// Times are nanoseconds.
fn cpu(stats: &Stats) -> Value {
    let mut usage = json!({
        "total": stats.cpu_ns,
        "kernel": stats.cpu_system_ns.unwrap_or(0),
        "user": stats.cpu_user_ns.unwrap_or(0),
    });
    if !stats.cpu_each.is_empty() {
        let each = |of: fn(&OneCpu) -> u64| stats.cpu_each.iter().map(of).collect::<Vec<u64>>();
        usage["percpu"] = each(|cpu| cpu.all_ns).into();
        usage["percpu_kernel"] = each(|cpu| cpu.system_ns).into();
        usage["percpu_user"] = each(|cpu| cpu.user_ns).into();
    }
    let throttled = &stats.throttling;
    let throttling = json!({
        "periods": throttled.periods,
        "throttledPeriods": throttled.throttled_periods,
        "throttledTime": throttled.throttled_ns,
    });
    let cpu = json!({ "usage": usage, "throttling": throttling });
    with_pressure(cpu, stats.cpu_pressure.as_ref())
}

/// `cpus` and `mems` are what processes can use: v2 leaves empty what was not asked for.
fn cpuset(cpuset: Option<&Cpuset>) -> Value {
    let setting = |key: &str| cpuset.and_then(|set| set.settings.get(key)).copied().unwrap_or(0);
    let mut value = json!({
        "cpu_exclusive": setting("cpu_exclusive"),
        "mem_hardwall": setting("mem_hardwall"),
        "mem_exclusive": setting("mem_exclusive"),
        "memory_migrate": setting("memory_migrate"),
        "memory_spread_page": setting("memory_spread_page"),
        "memory_spread_slab": setting("memory_spread_slab"),
        "memory_pressure": setting("memory_pressure"),
        "sched_load_balance": setting("sched_load_balance"),
        "sched_relax_domain_level": setting("sched_relax_domain_level"),
    });
    let Some(set) = cpuset else { return value };
    for (name, asked, effective) in
        [("cpus", &set.cpus, &set.effective_cpus), ("mems", &set.mems, &set.effective_mems)]
    {
        value[name] = json!(if asked.is_empty() { effective } else { asked });
        value[format!("effective_{name}")] = json!(effective);
    }
    value
}

/// `swap` counts memory in, as v1 has it; a peak of both together is v1's alone.
fn memory(stats: &Stats) -> Value {
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
    if let Some(swap) = &stats.memory_and_swap {
        memory["swap"] = share(swap);
    } else if let Some((swap, used)) = stats.swap_bytes.zip(stats.memory_bytes) {
        let limits = stats.swap_limit_bytes.zip(stats.memory_limit_bytes);
        let limit = limits.map_or(UNLIMITED, |(swap, memory)| swap.saturating_add(memory));
        memory["swap"] =
            json!({ "limit": limit, "usage": used.saturating_add(swap), "failcnt": 0 });
    }
    if let Some(swap) = stats.swap_bytes {
        memory["swapOnly"] = json!({
            "limit": stats.swap_limit_bytes.unwrap_or(UNLIMITED),
            "usage": swap,
            "failcnt": stats.swap_refused,
        });
        if let Some(peak) = stats.swap_peak_bytes {
            memory["swapOnly"]["max"] = peak.into();
        }
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
    let mut block = json!({});
    for DeviceCount { count, major, minor, kind, value } in &stats.io {
        let table = &mut block[table(*count)];
        let entry = json!({ "major": major, "minor": minor, "op": kind, "value": value });
        match table.as_array_mut() {
            Some(entries) => entries.push(entry),
            None => *table = json!([entry]),
        }
    }
    with_pressure(block, stats.io_pressure.as_ref())
}

/// runc's names; those of the cost model, which it reads and does not print, in the same form.
fn table(count: Count) -> &'static str {
    match count {
        Count::Bytes => "ioServiceBytesRecursive",
        Count::Requests => "ioServicedRecursive",
        Count::Queued => "ioQueueRecursive",
        Count::ServiceTime => "ioServiceTimeRecursive",
        Count::WaitTime => "ioWaitTimeRecursive",
        Count::Merged => "ioMergedRecursive",
        Count::Time => "ioTimeRecursive",
        Count::Sectors => "sectorsRecursive",
        Count::CostUsage => "ioCostUsage",
        Count::CostWait => "ioCostWait",
        Count::CostIndebt => "ioCostIndebt",
        Count::CostIndelay => "ioCostIndelay",
    }
}

fn rdma(devices: &BTreeMap<String, Rdma>) -> Value {
    let entries = |of: fn(&Rdma) -> (Option<u32>, Option<u32>)| -> Value {
        let entry = |(device, rdma): (&String, &Rdma)| {
            let (handles, objects) = of(rdma);
            json!({ "device": device, "hca_handles": handles, "hca_objects": objects })
        };
        devices.iter().map(entry).collect()
    };
    json!({
        "current": entries(|rdma| (Some(rdma.handles), Some(rdma.objects))),
        "limit": entries(|rdma| (rdma.handles_limit, rdma.objects_limit)),
    })
}

fn misc(resources: &BTreeMap<String, Misc>) -> Value {
    let each = resources
        .iter()
        .map(|(name, misc)| (name.clone(), json!({ "usage": misc.used, "events": misc.refused })));
    each.collect::<Map<String, Value>>().into()
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
        let some = Waited { avg10: 150, total_us: 7, ..Waited::default() };
        let stats = Stats {
            cpu_ns: Some(5000),
            cpu_user_ns: Some(3000),
            cpu_system_ns: Some(2000),
            memory_bytes: Some(10),
            swap_bytes: Some(4),
            swap_peak_bytes: Some(9),
            memory_limit_bytes: Some(20),
            swap_limit_bytes: Some(5),
            memory: [("file".to_owned(), 6)].into(),
            cpu_pressure: Some(Pressure { some, ..Pressure::default() }),
            ..Stats::default()
        };
        let data = data(&stats);
        assert_eq!(data["cpu"]["usage"], json!({"total": 5000, "kernel": 2000, "user": 3000}));
        assert_eq!(data["cpu"]["psi"]["some"]["avg10"], 1.5);
        assert_eq!(data["memory"]["swap"], json!({"limit": 25, "usage": 14, "failcnt": 0}));
        let swap = json!({"limit": 5, "usage": 4, "max": 9, "failcnt": 0});
        assert_eq!(data["memory"]["swapOnly"], swap);
        assert_eq!(data["memory"]["cache"], 6);
        let unlimited = &super::data(&Stats::default())["memory"]["usage"]["limit"];
        assert_eq!(unlimited, &json!(u64::MAX));
    }

    #[test]
    fn each_table_of_block_devices_stands_by_itself() {
        let one = |count, kind: &str, value| DeviceCount {
            count,
            major: 8,
            minor: 1,
            kind: kind.to_owned(),
            value,
        };
        let io = vec![
            one(Count::Bytes, "Read", 2),
            one(Count::Bytes, "Discard", 3),
            one(Count::Time, "", 4),
        ];
        let blkio = &data(&Stats { io, ..Stats::default() })["blkio"];
        let discarded = json!({"major": 8, "minor": 1, "op": "Discard", "value": 3});
        assert_eq!(blkio["ioServiceBytesRecursive"][1], discarded);
        assert_eq!(blkio["ioTimeRecursive"][0]["value"], 4);
        assert_eq!(blkio.as_object().unwrap().len(), 2);
    }

    #[test]
    fn processors_are_those_that_can_be_used() {
        let set = Cpuset { effective_cpus: vec![0, 1], mems: vec![0], ..Cpuset::default() };
        let cpuset = &data(&Stats { cpuset: Some(set), ..Stats::default() })["cpuset"];
        assert_eq!((&cpuset["cpus"], &cpuset["mems"]), (&json!([0, 1]), &json!([0])));
        assert_eq!(cpuset["cpu_exclusive"], 0);
    }

    #[test]
    fn what_runc_does_not_print_is_there_where_it_is_counted() {
        let device = Rdma { handles: 2, handles_limit: Some(3), ..Rdma::default() };
        let stats = Stats {
            rdma: [("mlx4_0".to_owned(), device)].into(),
            misc: [("sev".to_owned(), Misc { used: 1, refused: 2 })].into(),
            ..Stats::default()
        };
        let data = data(&stats);
        let limit = json!([{"device": "mlx4_0", "hca_handles": 3, "hca_objects": null}]);
        assert_eq!(data["rdma"]["limit"], limit);
        assert_eq!(data["misc"]["sev"], json!({"usage": 1, "events": 2}));
        assert!(super::data(&Stats::default()).get("rdma").is_none());
    }
}
