//! Checks a bundle's `linux.resources`, each value by its JSON path.
//! Source: runtime-spec config-linux.md, "Control groups".

use std::fmt::Display;

use coffer_oci::runtime::{BlockIo, Cpu, Memory, Network, Resources, ThrottleDevice, WeightDevice};

use super::super::{CgroupError, Version};

/// Files that act on processes and limit nothing.
const ACTS: [&str; 5] =
    ["cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze", "cgroup.subtree_control"];

type Checked = Result<(), CgroupError>;

/// Everything but the device rules, which are checked where they are read.
pub(super) fn resources(resources: &Resources) -> Checked {
    resources.memory.as_ref().map_or(Ok(()), memory)?;
    resources.cpu.as_ref().map_or(Ok(()), cpu)?;
    resources.block_io.as_ref().map_or(Ok(()), block_io)?;
    resources.network.as_ref().map_or(Ok(()), network)?;
    if let Some(pids) = &resources.pids {
        limit("pids.limit", Some(pids.limit))?;
    }
    hugepages(resources)?;
    for device in resources.rdma.keys() {
        word(&format!("rdma.{device}"), device)?;
    }
    resources.unified.keys().try_for_each(|name| unified(name))
}

/// What only the other version has.
pub(super) fn version(resources: &Resources, version: Version) -> Checked {
    let memory = resources.memory.clone().unwrap_or_default();
    let cpu = resources.cpu.clone().unwrap_or_default();
    let block = resources.block_io.clone().unwrap_or_default();
    let network = resources.network.clone().unwrap_or_default();
    let given: &[(&str, bool)] = match version {
        Version::V1 => &[("unified", !resources.unified.is_empty())],
        Version::V2 => &[
            ("memory.kernelTCP", is_set(memory.kernel_tcp)),
            ("memory.swappiness", swappiness(&memory).is_some()),
            ("memory.disableOOMKiller", memory.disable_oom_killer == Some(true)),
            ("cpu.realtimeRuntime", is_set(cpu.realtime_runtime)),
            ("cpu.realtimePeriod", cpu.realtime_period.is_some_and(|us| us != 0)),
            ("blockIO.leafWeight", block.leaf_weight.is_some_and(|w| w != 0)),
            ("network.classID", network.class_id.is_some_and(|id| id != 0)),
            ("network.priorities", !network.priorities.is_empty()),
        ],
    };
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((path, _)) => {
            refuse(path, format_args!("invalid configuration: control groups {version} have none"))
        }
        None => Ok(()),
    }
}

/// The swappiness that was asked for; clients write the largest number for "none".
pub(in super::super) fn swappiness(memory: &Memory) -> Option<u64> {
    memory.swappiness.filter(|percent| *percent != u64::MAX)
}

fn is_set(value: Option<i64>) -> bool {
    value.is_some_and(|value| value != 0)
}

fn memory(memory: &Memory) -> Checked {
    limit("memory.limit", memory.limit)?;
    limit("memory.reservation", memory.reservation)?;
    limit("memory.swap", memory.swap)?;
    limit("memory.kernelTCP", memory.kernel_tcp)?;
    if memory.kernel.is_some_and(|bytes| !(-1..=0).contains(&bytes)) {
        return refuse("memory.kernel", "Linux has no limit on kernel memory alone any more");
    }
    if let Some(percent) = swappiness(memory).filter(|percent| *percent > 100) {
        return refuse("memory.swappiness", format_args!("{percent} is not between 0 and 100"));
    }
    if memory.use_hierarchy == Some(false) {
        return refuse("memory.useHierarchy", "Linux always counts child groups in");
    }
    match (memory.limit, memory.swap) {
        (Some(bytes @ 1..), Some(both @ 1..)) if both < bytes => refuse(
            "memory.swap",
            format_args!("{both} bytes of memory and swap are less than the {bytes} of memory"),
        ),
        (Some(-1), Some(both @ 1..)) => refuse(
            "memory.swap",
            format_args!("{both} bytes of memory and swap are less than unlimited memory"),
        ),
        _ => Ok(()),
    }
}

fn cpu(cpu: &Cpu) -> Checked {
    if let Some(shares) = cpu.shares.filter(|n| *n != 0 && !(2..=262_144).contains(n)) {
        return refuse("cpu.shares", format_args!("{shares} is not between 2 and 262144"));
    }
    limit("cpu.quota", cpu.quota)?;
    limit("cpu.realtimeRuntime", cpu.realtime_runtime)?;
    if let Some(idle) = cpu.idle.filter(|idle| !(0..=1).contains(idle)) {
        return refuse("cpu.idle", format_args!("{idle} is neither 0 nor 1"));
    }
    list("cpu.cpus", &cpu.cpus)?;
    list("cpu.mems", &cpu.mems)
}

fn block_io(block: &BlockIo) -> Checked {
    weight("blockIO.weight", block.weight)?;
    weight("blockIO.leafWeight", block.leaf_weight)?;
    for (at, device) in block.weight_device.iter().enumerate() {
        weight_device(&format!("blockIO.weightDevice[{at}]"), device)?;
    }
    let rates = [
        ("throttleReadBpsDevice", &block.throttle_read_bps_device),
        ("throttleWriteBpsDevice", &block.throttle_write_bps_device),
        ("throttleReadIOPSDevice", &block.throttle_read_iops_device),
        ("throttleWriteIOPSDevice", &block.throttle_write_iops_device),
    ];
    rates.into_iter().try_for_each(|(name, devices)| throttle(name, devices))
}

fn weight_device(path: &str, device: &WeightDevice) -> Checked {
    numbers(path, device.major, device.minor)?;
    weight(&format!("{path}.weight"), device.weight)?;
    weight(&format!("{path}.leafWeight"), device.leaf_weight)
}

fn throttle(name: &str, devices: &[ThrottleDevice]) -> Checked {
    for (at, device) in devices.iter().enumerate() {
        numbers(&format!("blockIO.{name}[{at}]"), device.major, device.minor)?;
    }
    Ok(())
}

fn network(network: &Network) -> Checked {
    for (at, priority) in network.priorities.iter().enumerate() {
        word(&format!("network.priorities[{at}].name"), &priority.name)?;
    }
    Ok(())
}

/// Each size once, as the kernel writes it in the names of its files.
fn hugepages(resources: &Resources) -> Checked {
    let sizes = || resources.hugepage_limits.iter().map(|limit| &limit.page_size);
    for (at, size) in sizes().enumerate() {
        let path = format!("hugepageLimits[{at}].pageSize");
        let number =
            size.strip_suffix("KB").or(size.strip_suffix("MB")).or(size.strip_suffix("GB"));
        if !number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
            return refuse(&path, format_args!("{size:?} is no size of pages, such as \"2MB\""));
        }
        if sizes().take(at).any(|other| other == size) {
            return refuse(&path, format_args!("{size:?} is there twice"));
        }
    }
    Ok(())
}

fn unified(name: &str) -> Checked {
    let path = format!("unified.{name}");
    if name.contains(['/', '\0']) || !name.contains('.') || name.starts_with('.') {
        return refuse(&path, format_args!("{name:?} is no file of a control group"));
    }
    if ACTS.contains(&name) {
        return refuse(&path, "it acts on processes and limits nothing");
    }
    Ok(())
}

/// -1 is without limit; nothing else is negative.
fn limit(path: &str, value: Option<i64>) -> Checked {
    match value {
        Some(value) if value < -1 => refuse(path, format_args!("{value} is negative")),
        _ => Ok(()),
    }
}

fn weight(path: &str, weight: Option<u16>) -> Checked {
    match weight {
        Some(weight) if weight != 0 && !(10..=1000).contains(&weight) => {
            refuse(path, format_args!("{weight} is not between 10 and 1000"))
        }
        _ => Ok(()),
    }
}

fn numbers(path: &str, major: i64, minor: i64) -> Checked {
    for (name, number) in [("major", major), ("minor", minor)] {
        if u32::try_from(number).is_err() {
            return refuse(&format!("{path}.{name}"), format_args!("{number} is no device number"));
        }
    }
    Ok(())
}

/// A list such as `0-3,7` or `0-7:2/4`: of each four, the first two.
/// Sources: man 7 cpuset, "List format"; Linux, Documentation/admin-guide/kernel-parameters.rst,
/// "cpu lists".
fn list(path: &str, list: &str) -> Checked {
    if list.is_empty() || list.trim().split(',').all(is_range) {
        return Ok(());
    }
    refuse(path, format_args!("{list:?} is no list such as \"0-3,7\""))
}

fn is_range(range: &str) -> bool {
    let is_number = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    let are_numbers = |(a, b): (&str, &str)| is_number(a) && is_number(b);
    match range.split_once(':') {
        Some((all, part)) => [all.split_once('-'), part.split_once('/')]
            .into_iter()
            .all(|pair| pair.is_some_and(are_numbers)),
        None => range.split_once('-').map_or_else(|| is_number(range), are_numbers),
    }
}

/// The kernel splits these lines at blanks.
fn word(path: &str, word: &str) -> Checked {
    if word.is_empty() || word.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return refuse(path, format_args!("{word:?} is no name"));
    }
    Ok(())
}

fn refuse(path: &str, why: impl Display) -> Checked {
    Err(CgroupError::invalid(path, why))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(resources: serde_json::Value) -> Result<(), String> {
        let parsed: Resources = serde_json::from_value(resources).unwrap();
        super::resources(&parsed).map_err(|error| error.to_string())
    }

    #[test]
    fn a_refusal_names_the_json_path() {
        for (bad, path) in [
            (json!({"memory": {"limit": -2}}), "memory.limit"),
            (json!({"memory": {"limit": 100, "swap": 99}}), "memory.swap"),
            (json!({"memory": {"kernel": 4096}}), "memory.kernel"),
            (json!({"memory": {"swappiness": 101}}), "memory.swappiness"),
            (json!({"cpu": {"shares": 1}}), "cpu.shares"),
            (json!({"cpu": {"cpus": "0-"}}), "cpu.cpus"),
            (json!({"cpu": {"idle": 2}}), "cpu.idle"),
            (json!({"pids": {"limit": -7}}), "pids.limit"),
            (json!({"blockIO": {"weight": 5}}), "blockIO.weight"),
            (
                json!({"blockIO": {"throttleReadBpsDevice": [{"major": -1, "minor": 0, "rate": 1}]}}),
                "blockIO.throttleReadBpsDevice[0].major",
            ),
            (
                json!({"hugepageLimits": [{"pageSize": "2M", "limit": 1}]}),
                "hugepageLimits[0].pageSize",
            ),
            (json!({"unified": {"../x.y": "1"}}), "unified.../x.y"),
            (json!({"unified": {"cgroup.procs": "1"}}), "unified.cgroup.procs"),
            (json!({"rdma": {"a b": {}}}), "rdma.a b"),
        ] {
            let said = check(bad).unwrap_err();
            assert!(said.starts_with(&format!("linux.resources.{path}: ")), "{said}");
        }
    }

    #[test]
    fn what_clients_send_for_nothing_is_nothing() {
        check(json!({
            "memory": {"limit": 0, "swap": 0, "kernel": 0, "swappiness": u64::MAX},
            "cpu": {"shares": 0, "quota": 0, "period": 0, "cpus": "", "mems": ""},
            "pids": {"limit": 0}, "blockIO": {"weight": 0}, "network": {"classID": 0},
        }))
        .unwrap();
        check(json!({"memory": {"limit": -1, "swap": -1}, "pids": {"limit": -1}})).unwrap();
    }

    #[test]
    fn each_version_refuses_what_it_lacks() {
        let of = |json| serde_json::from_value::<Resources>(json).unwrap();
        let unified = of(json!({"unified": {"memory.high": "1"}}));
        assert!(version(&unified, Version::V1).is_err());
        assert!(version(&unified, Version::V2).is_ok());
        let realtime = of(json!({"cpu": {"realtimeRuntime": 5}}));
        assert!(version(&realtime, Version::V2).is_err());
        assert!(version(&realtime, Version::V1).is_ok());
    }

    #[test]
    fn lists_are_read_as_the_kernel_reads_them() {
        for good in ["", "0", "0-3,7", "0-7:2/4", "1,0-7:1/2\n"] {
            assert!(list("cpu.cpus", good).is_ok(), "{good:?}");
        }
        for bad in [",", "1,", "a", "0-", "-1", "0-0:a", "0:1/2", "0-7:2", "0-7:2/", "0-7:/4"] {
            assert!(list("cpu.cpus", bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_list_that_passes_is_made_of_numbers(text in "[0-9,:/\\-a ]{0,12}") {
            if list("cpu.cpus", &text).is_ok() {
                prop_assert!(!text.contains('a') && !text.contains(",,"));
            }
        }
    }
}
