//! Settings in the files of version 2. Source: the kernel's admin-guide/cgroup-v2.rst.

mod block;
mod filter;
mod subtree;

use std::borrow::Cow;

use coffer_oci::runtime::{Cpu, HugepageLimit, Memory};

use super::group::Group;
use super::settings::{File, Need, Settings, SwapRule, apply};
use super::v1::{or_max, rdma_line, tasks};
use super::{CgroupError, Controller};

pub(super) use subtree::enable;

/// Sets all that concerns `group`, the device filter included.
pub(super) fn set(group: &Group, settings: &Settings) -> Result<(), CgroupError> {
    if let Some(rules) = settings.devices.as_ref().filter(|_| group.has(Controller::Devices)) {
        filter::set(group, rules)?;
    }
    check_use(group, settings)?;
    let mut files = files(settings);
    files.extend(block::weights(settings, || group.has_file("io.bfq.weight")));
    // Kernels since 5.7 count reservations too.
    files.retain(|file| !file.name.contains(".rsvd.") || group.has_file(&file.name));
    files.extend(swap_beside(group, settings)?);
    apply(group, &files)
}

/// The controllers that `settings` needs, each with what asked.
pub(super) fn asked(settings: &Settings) -> Vec<(Controller, &'static str)> {
    let mut files = files(settings);
    files.extend(block::weights(settings, || false));
    let must = files.iter().filter(|file| file.need == Need::Must);
    must.map(|file| (file.controller, file.asker)).collect()
}

/// `checkBeforeUpdate`: a limit below what is in use would have the kernel kill for it.
fn check_use(group: &Group, settings: &Settings) -> Result<(), CgroupError> {
    let Some(memory) = &settings.resources.memory else { return Ok(()) };
    let (Some(limit @ 1..), Some(true)) = (memory.limit, memory.check_before_update) else {
        return Ok(());
    };
    let used = group.try_read("memory.current")?.and_then(|text| text.trim().parse::<i64>().ok());
    match used.filter(|used| *used > limit) {
        Some(used) => {
            let why = format_args!("{limit} bytes are less than the {used} in use");
            Err(CgroupError::invalid("memory.limit", why))
        }
        None => Ok(()),
    }
}

/// A change of memory and swap together that leaves memory as it is: the rest is swap.
fn swap_beside(group: &Group, settings: &Settings) -> Result<Option<File>, CgroupError> {
    let memory = settings.resources.memory.clone().unwrap_or_default();
    let (None | Some(0), Some(both @ 1..)) = (memory.limit, memory.swap) else { return Ok(None) };
    let limit = group.try_read("memory.max")?.and_then(|text| text.trim().parse::<i64>().ok());
    let beside = limit.and_then(|limit| both.checked_sub(limit)).filter(|beside| *beside >= 0);
    let beside = beside.ok_or_else(|| {
        CgroupError::invalid("memory.swap", "it needs a limit on memory that is no higher")
    })?;
    Ok(Some(File {
        controller: Controller::Memory,
        name: "memory.swap.max".into(),
        value: beside.to_string(),
        asker: "linux.resources.memory.swap",
        need: Need::Must,
    }))
}

/// Which file gets which content, but for the weights of block devices.
pub(super) fn files(settings: &Settings) -> Vec<File> {
    let resources = &settings.resources;
    let mut out = Out { settings, files: Vec::new() };
    if let Some(cpu) = &resources.cpu {
        out.cpu(cpu);
    }
    if let Some(pids) = &resources.pids {
        let name = settings.named("--pids-limit", "linux.resources.pids.limit");
        out.put("pids.max", Some(or_max(tasks(pids.limit))), name);
        out.needs(settings.pids_need());
    }
    if let Some(memory) = &resources.memory {
        out.memory(memory);
    }
    resources.hugepage_limits.iter().for_each(|limit| out.hugepages(limit));
    for (device, limit) in &resources.rdma {
        out.put("rdma.max", rdma_line(device, limit), "linux.resources.rdma");
    }
    out.files.extend(block::throttles(settings));
    for (name, value) in &resources.unified {
        out.unified(name, value);
    }
    out.files
}

/// A list of files in the making.
struct Out<'a> {
    settings: &'a Settings,
    files: Vec<File>,
}

impl Out<'_> {
    fn put(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: Option<String>,
        asker: &'static str,
    ) {
        let name = name.into();
        let controller = controller_of(&name);
        let need = Need::Must;
        self.files.extend(value.map(|value| File { controller, name, value, asker, need }));
    }

    /// What the last one that was put needs.
    fn needs(&mut self, need: Need) {
        if let Some(last) = self.files.last_mut() {
            last.need = need;
        }
    }

    fn cpu(&mut self, cpu: &Cpu) {
        let list = |list: &str| (!list.is_empty()).then(|| list.to_owned());
        let name = self.settings.named("--cpuset-cpus", "linux.resources.cpu.cpus");
        self.put("cpuset.cpus", list(&cpu.cpus), name);
        let name = self.settings.named("--cpuset-mems", "linux.resources.cpu.mems");
        self.put("cpuset.mems", list(&cpu.mems), name);
        let shares = cpu.shares.filter(|shares| *shares != 0);
        let name = self.settings.named("--cpu-shares", "linux.resources.cpu.shares");
        self.put("cpu.weight", shares.map(|shares| weight(shares).to_string()), name);
        self.put("cpu.idle", cpu.idle.map(|n| n.to_string()), "linux.resources.cpu.idle");
        let name = self.settings.named("--cpus", "linux.resources.cpu.quota");
        self.put("cpu.max", cpu_max(cpu), name);
        let burst = cpu.burst.map(|us| us.to_string());
        self.put("cpu.max.burst", burst, "linux.resources.cpu.burst");
    }

    fn memory(&mut self, memory: &Memory) {
        let bytes = |n: Option<i64>| n.filter(|n| *n != 0).map(or_max);
        let name =
            self.settings.named("--memory-reservation", "linux.resources.memory.reservation");
        self.put("memory.low", bytes(memory.reservation), name);
        let name = self.settings.named("--memory", "linux.resources.memory.limit");
        if let Some(limit) = bytes(memory.limit) {
            self.put("memory.max", Some(limit), name);
            self.needs(self.settings.memory_need());
        }
        let (swap, need) = match (memory.swap, memory.limit, self.settings.swap) {
            (Some(-1), _, _) => ("max".to_owned(), Need::IfThere),
            (Some(both @ 1..), Some(limit @ 1..), rule) => {
                let need = match rule {
                    SwapRule::WhereItCan => Need::IfThere,
                    SwapRule::Written | SwapRule::LikeMemory => Need::Must,
                };
                (both.saturating_sub(limit).to_string(), need)
            }
            (None | Some(0), Some(-1), _) => ("max".to_owned(), Need::IfThere),
            (None | Some(0), Some(limit @ 1..), SwapRule::LikeMemory) => {
                (limit.to_string(), Need::IfThere)
            }
            _ => return,
        };
        let name = self.settings.named("--memory-swap", "linux.resources.memory.swap");
        self.put("memory.swap.max", Some(swap), name);
        self.needs(need);
    }

    fn hugepages(&mut self, limit: &HugepageLimit) {
        for middle in ["", ".rsvd"] {
            let name = format!("hugetlb.{}{middle}.max", limit.page_size);
            let bytes = Some(limit.limit.to_string());
            self.put(name, bytes, "linux.resources.hugepageLimits");
        }
    }

    /// As it is written; the kernel takes one line in each write.
    fn unified(&mut self, name: &str, value: &str) {
        for line in value.lines() {
            self.put(name.to_owned(), Some(line.to_owned()), "linux.resources.unified");
        }
    }
}

/// Whose file it is, by its name up to the first dot; the core's own files are in every group.
fn controller_of(name: &str) -> Controller {
    let prefix = name.split('.').next().unwrap_or_default();
    Controller::named(prefix.as_bytes()).unwrap_or(Controller::PerfEvent)
}

/// Quota and period in one line. A period alone leaves the quota to be unlimited.
fn cpu_max(cpu: &Cpu) -> Option<String> {
    let quota = cpu.quota.filter(|us| *us != 0).map(or_max);
    match (quota, cpu.period.filter(|us| *us != 0)) {
        (Some(quota), Some(period)) => Some(format!("{quota} {period}")),
        (Some(quota), None) => Some(quota),
        (None, Some(period)) => Some(format!("max {period}")),
        (None, None) => None,
    }
}

/// v1's shares (2 to 262144) as v2's weight (1 to 10000), by the straight line that runc, crun and
/// systemd draw between the ends of both.
pub(super) fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9_999 / 262_142
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{CpuQuota, Limits, Pids, Swap};
    use super::*;

    fn lines(settings: &Settings) -> Vec<String> {
        files(settings).iter().map(|file| format!("{}={}", file.name, file.value)).collect()
    }

    fn bundle(resources: serde_json::Value) -> Vec<String> {
        lines(&Settings::of_bundle(&serde_json::from_value(resources).unwrap()).unwrap())
    }

    #[test]
    fn the_ends_of_both_scales_meet() {
        assert_eq!([weight(0), weight(2), weight(1024), weight(262_144)], [1, 1, 39, 10_000]);
    }

    #[test]
    fn limits_become_files() {
        let limits = Limits {
            memory_bytes: Some(1 << 20),
            swap: Swap::Bytes(0),
            cpu: Some(CpuQuota { quota_us: 50_000, period_us: 100_000 }),
            pids: Some(Pids::Default(7)),
            ..Limits::default()
        };
        let expected =
            ["cpu.max=50000 100000", "pids.max=7", "memory.max=1048576", "memory.swap.max=0"];
        assert_eq!(lines(&limits.settings().unwrap()), expected);
    }

    #[test]
    fn a_bundle_is_converted() {
        assert_eq!(
            bundle(json!({
                "memory": {"limit": 100, "swap": 150, "reservation": -1},
                "cpu": {"shares": 1024, "period": 5, "burst": 3, "idle": 1},
                "pids": {"limit": -1},
                "hugepageLimits": [{"pageSize": "1GB", "limit": 2}],
                "unified": {"memory.high": "50", "io.max": "8:0 rbps=1\n8:1 rbps=2"},
            })),
            [
                "cpu.weight=39",
                "cpu.idle=1",
                "cpu.max=max 5",
                "cpu.max.burst=3",
                "pids.max=max",
                "memory.low=max",
                "memory.max=100",
                "memory.swap.max=50",
                "hugetlb.1GB.max=2",
                "hugetlb.1GB.rsvd.max=2",
                "io.max=8:0 rbps=1",
                "io.max=8:1 rbps=2",
                "memory.high=50",
            ]
        );
    }

    #[test]
    fn only_what_somebody_asked_for_can_be_missed() {
        let mut limits = Limits { pids: Some(Pids::Default(7)), ..Limits::default() };
        assert!(asked(&limits.settings().unwrap()).is_empty());
        limits.pids = Some(Pids::Asked(7));
        let asked = asked(&limits.settings().unwrap());
        assert_eq!(asked, [(Controller::Pids, "--pids-limit")]);
    }
}
