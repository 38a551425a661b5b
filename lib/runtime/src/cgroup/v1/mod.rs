//! Settings in the files of version 1. Source: the kernel's admin-guide/cgroup-v1/.

mod block;
mod cpuset;
pub(super) mod devices;

use coffer_oci::runtime::{Cpu, HugepageLimit, Memory, Network, Rdma};

use super::group::Group;
use super::settings::{File, Need, Settings, SwapRule, apply, swappiness};
use super::{CgroupError, Controller};

/// Sets all that concerns the controllers of `group`.
pub(super) fn set(group: &Group, settings: &Settings) -> Result<(), CgroupError> {
    if group.has(Controller::Cpuset) {
        cpuset::inherit(group, settings)?;
    }
    if group.has(Controller::Devices)
        && let Some(rules) = &settings.devices
    {
        devices::set(group, rules)?;
    }
    change(group, settings)
}

/// The same for a group that has processes in it.
pub(super) fn update(group: &Group, settings: &Settings) -> Result<(), CgroupError> {
    if group.has(Controller::Devices)
        && let Some(rules) = &settings.devices
    {
        devices::replace(group, rules)?;
    }
    change(group, settings)
}

fn change(group: &Group, settings: &Settings) -> Result<(), CgroupError> {
    let mut files = files(settings);
    files.extend(block::weights(settings, || group.has_file("blkio.bfq.weight")));
    if group.has(Controller::Hugetlb) {
        // Kernels since 5.7 count reservations too.
        files.retain(|file| !file.name.contains(".rsvd.") || group.has_file(&file.name));
    }
    apply(group, files.iter().filter(|file| group.has(file.controller)))
}

/// The controllers that `settings` needs, each with what asked.
pub(super) fn asked(settings: &Settings) -> Vec<(Controller, &'static str)> {
    let mut files = files(settings);
    files.extend(block::weights(settings, || false));
    let must = files.iter().filter(|file| file.need == Need::Must);
    must.map(|file| (file.controller, file.asker)).collect()
}

/// Which file gets which content, but for the weights of block devices.
fn files(settings: &Settings) -> Vec<File> {
    let resources = &settings.resources;
    let mut out = Out { settings, files: Vec::new() };
    if let Some(cpu) = &resources.cpu {
        out.cpuset(cpu);
        out.cpu(cpu);
    }
    if let Some(memory) = &resources.memory {
        out.memory(memory);
    }
    if let Some(pids) = &resources.pids {
        let name = out.settings.named("--pids-limit", "linux.resources.pids.limit");
        out.put(Controller::Pids, "pids.max", Some(or_max(tasks(pids.limit))), name);
        out.needs(settings.pids_need());
    }
    resources.hugepage_limits.iter().for_each(|limit| out.hugepages(limit));
    if let Some(network) = &resources.network {
        out.network(network);
    }
    resources.rdma.iter().for_each(|(device, limit)| out.rdma(device, limit));
    out.files.extend(block::throttles(settings));
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
        controller: Controller,
        name: &'static str,
        value: Option<String>,
        asker: &'static str,
    ) {
        let need = Need::Must;
        let file = |value| File { controller, name: name.into(), value, asker, need };
        self.files.extend(value.map(file));
    }

    /// What the last one that was put needs.
    fn needs(&mut self, need: Need) {
        if let Some(last) = self.files.last_mut() {
            last.need = need;
        }
    }

    fn cpuset(&mut self, cpu: &Cpu) {
        let list = |list: &str| (!list.is_empty()).then(|| list.to_owned());
        let name = self.settings.named("--cpuset-cpus", "linux.resources.cpu.cpus");
        self.put(Controller::Cpuset, "cpuset.cpus", list(&cpu.cpus), name);
        let name = self.settings.named("--cpuset-mems", "linux.resources.cpu.mems");
        self.put(Controller::Cpuset, "cpuset.mems", list(&cpu.mems), name);
    }

    fn cpu(&mut self, cpu: &Cpu) {
        let of = Controller::Cpu;
        let name = self.settings.named("--cpu-shares", "linux.resources.cpu.shares");
        self.put(of, "cpu.shares", unsigned(cpu.shares), name);
        self.put(of, "cpu.idle", cpu.idle.map(|idle| idle.to_string()), "linux.resources.cpu.idle");
        let name = self.settings.named("--cpus", "linux.resources.cpu.period");
        self.put(of, "cpu.cfs_period_us", unsigned(cpu.period), name);
        let name = self.settings.named("--cpus", "linux.resources.cpu.quota");
        self.put(of, "cpu.cfs_quota_us", signed(cpu.quota), name);
        let burst = cpu.burst.map(|us| us.to_string());
        self.put(of, "cpu.cfs_burst_us", burst, "linux.resources.cpu.burst");
        let name = "linux.resources.cpu.realtimePeriod";
        self.put(of, "cpu.rt_period_us", unsigned(cpu.realtime_period), name);
        let name = "linux.resources.cpu.realtimeRuntime";
        self.put(of, "cpu.rt_runtime_us", signed(cpu.realtime_runtime), name);
    }

    fn memory(&mut self, memory: &Memory) {
        let of = Controller::Memory;
        let name =
            self.settings.named("--memory-reservation", "linux.resources.memory.reservation");
        self.put(of, "memory.soft_limit_in_bytes", signed(memory.reservation), name);
        let name = self.settings.named("--memory", "linux.resources.memory.limit");
        if let Some(limit) = signed(memory.limit) {
            self.put(of, "memory.limit_in_bytes", Some(limit), name);
            self.needs(self.settings.memory_need());
        }
        self.swap(memory);
        let name = "linux.resources.memory.kernelTCP";
        self.put(of, "memory.kmem.tcp.limit_in_bytes", signed(memory.kernel_tcp), name);
        let percent = swappiness(memory).map(|percent| percent.to_string());
        self.put(of, "memory.swappiness", percent, "linux.resources.memory.swappiness");
        let oom = memory.disable_oom_killer.filter(|disabled| *disabled).map(|_| "1".to_owned());
        self.put(of, "memory.oom_control", oom, "linux.resources.memory.disableOOMKiller");
    }

    /// Memory without limit and a limit on memory and swap would contradict each other.
    fn swap(&mut self, memory: &Memory) {
        let (both, need) = match (signed(memory.swap), memory.limit, self.settings.swap) {
            (Some(both), _, SwapRule::WhereItCan) => (Some(both), Need::IfThere),
            (Some(both), _, _) => (Some(both), Need::Must),
            (None, Some(-1), _) => (Some("-1".to_owned()), Need::IfThere),
            (None, Some(bytes @ 1..), SwapRule::LikeMemory) => {
                (Some(bytes.saturating_mul(2).to_string()), Need::IfThere)
            }
            _ => return,
        };
        let name = self.settings.named("--memory-swap", "linux.resources.memory.swap");
        self.put(Controller::Memory, "memory.memsw.limit_in_bytes", both, name);
        self.needs(need);
    }

    fn hugepages(&mut self, limit: &HugepageLimit) {
        for middle in ["", ".rsvd"] {
            self.files.push(File {
                controller: Controller::Hugetlb,
                name: format!("hugetlb.{}{middle}.limit_in_bytes", limit.page_size).into(),
                value: limit.limit.to_string(),
                asker: "linux.resources.hugepageLimits",
                need: Need::Must,
            });
        }
    }

    fn network(&mut self, network: &Network) {
        let class = network.class_id.filter(|id| *id != 0).map(|id| id.to_string());
        self.put(Controller::NetCls, "net_cls.classid", class, "linux.resources.network.classID");
        for priority in &network.priorities {
            let line = format!("{} {}", priority.name, priority.priority);
            let name = "linux.resources.network.priorities";
            self.put(Controller::NetPrio, "net_prio.ifpriomap", Some(line), name);
        }
    }

    fn rdma(&mut self, device: &str, limit: &Rdma) {
        let line = rdma_line(device, limit);
        self.put(Controller::Rdma, "rdma.max", line, "linux.resources.rdma");
    }
}

/// A line of `rdma.max`, which both versions have; `None` where nothing is limited.
pub(super) fn rdma_line(device: &str, limit: &Rdma) -> Option<String> {
    let part = |name, number: Option<u32>| number.map(|n| format!(" {name}={n}"));
    let parts = [part("hca_handle", limit.hca_handles), part("hca_object", limit.hca_objects)];
    let line: String = parts.into_iter().flatten().collect();
    (!line.is_empty()).then(|| format!("{device}{line}"))
}

/// -1 is the kernel's own word here; zero is nothing.
fn signed(number: Option<i64>) -> Option<String> {
    number.filter(|n| *n != 0).map(|n| n.to_string())
}

fn unsigned(number: Option<u64>) -> Option<String> {
    number.filter(|n| *n != 0).map(|n| n.to_string())
}

/// How many tasks a group may have by `pids.limit`: 0 would leave not even the first one, and is
/// taken for 1, as runc takes it.
pub(super) fn tasks(limit: i64) -> i64 {
    if limit == 0 { 1 } else { limit }
}

/// -1 as the newer files write it.
pub(super) fn or_max(number: i64) -> String {
    if number < 0 { "max".to_owned() } else { number.to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Limits, Swap};
    use super::*;

    fn lines(settings: &Settings) -> Vec<String> {
        files(settings).iter().map(|file| format!("{}={}", file.name, file.value)).collect()
    }

    fn bundle(resources: serde_json::Value) -> Vec<String> {
        lines(&Settings::of_bundle(&serde_json::from_value(resources).unwrap()).unwrap())
    }

    #[test]
    fn a_bundle_is_written_as_it_is() {
        assert_eq!(
            bundle(json!({
                "memory": {"limit": 4096, "swap": -1, "swappiness": 0, "disableOOMKiller": true},
                "cpu": {"quota": -1, "period": 5, "cpus": "0", "realtimeRuntime": 7},
                "pids": {"limit": -1},
            })),
            [
                "cpuset.cpus=0",
                "cpu.cfs_period_us=5",
                "cpu.cfs_quota_us=-1",
                "cpu.rt_runtime_us=7",
                "memory.limit_in_bytes=4096",
                "memory.memsw.limit_in_bytes=-1",
                "memory.swappiness=0",
                "memory.oom_control=1",
                "pids.max=max",
            ]
        );
        assert_eq!(
            bundle(json!({
                "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
                "network": {"classID": 5, "priorities": [{"name": "lo", "priority": 2}]},
                "rdma": {"mlx5": {"hcaHandles": 1}, "none": {}},
            })),
            [
                "hugetlb.2MB.limit_in_bytes=0",
                "hugetlb.2MB.rsvd.limit_in_bytes=0",
                "net_cls.classid=5",
                "net_prio.ifpriomap=lo 2",
                "rdma.max=mlx5 hca_handle=1",
            ]
        );
    }

    #[test]
    fn memory_without_limit_is_swap_without_limit() {
        assert_eq!(
            bundle(json!({"memory": {"limit": -1}})),
            ["memory.limit_in_bytes=-1", "memory.memsw.limit_in_bytes=-1"]
        );
        assert_eq!(bundle(json!({"memory": {"limit": 9}})), ["memory.limit_in_bytes=9"]);
    }

    #[test]
    fn a_flag_without_swap_gives_as_much_as_memory() {
        let limits = Limits { memory_bytes: Some(100), ..Limits::default() };
        let both = "memory.memsw.limit_in_bytes=200".to_owned();
        assert!(lines(&limits.settings().unwrap()).contains(&both));
        let limits = Limits { swap: Swap::Bytes(0), ..limits };
        let both = "memory.memsw.limit_in_bytes=100".to_owned();
        assert!(lines(&limits.settings().unwrap()).contains(&both));
    }
}
