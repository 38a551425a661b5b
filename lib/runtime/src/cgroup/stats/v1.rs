//! The counters of v1.

use super::super::group::Group;
use super::super::{Cgroup, CgroupError, Controller};
use super::{HugePages, OneCpu, Share, Stats, Throttling, number, numbers};

/// From here on a v1 limit means "none": the largest number of whole pages.
const UNLIMITED: u64 = 1 << 62;

impl Stats {
    pub(super) fn read_v1(&mut self, cgroup: &Cgroup) -> Result<(), CgroupError> {
        if let Some(group) = cgroup.with(Controller::Cpuacct) {
            self.cpu_ns = number(Some(group), "cpuacct.usage")?;
            self.cpu_user_ns = number(Some(group), "cpuacct.usage_user")?;
            self.cpu_system_ns = number(Some(group), "cpuacct.usage_sys")?;
            let each = group.try_read("cpuacct.usage_percpu")?.unwrap_or_default();
            let modes = group.try_read("cpuacct.usage_all")?.unwrap_or_default();
            self.cpu_each = each_cpu(&each, &modes);
        }
        if let Some(group) = cgroup.with(Controller::Cpu) {
            let cpu = numbers(group, "cpu.stat")?;
            let of = |name: &str| cpu.get(name).copied().unwrap_or(0);
            self.throttling = Throttling {
                periods: of("nr_periods"),
                throttled_periods: of("nr_throttled"),
                throttled_ns: of("throttled_time"),
                bursts: of("nr_bursts"),
                burst_ns: of("burst_time"),
            };
        }
        if let Some(group) = cgroup.with(Controller::Cpuset) {
            self.cpuset = Some(super::cpuset::read_v1(group)?);
        }
        self.read_memory_v1(cgroup.with(Controller::Memory))?;
        if let Some(group) = cgroup.with(Controller::Blkio) {
            self.io = super::io::read_v1(group)?;
        }
        match cgroup.with(Controller::Hugetlb) {
            Some(group) => self.read_huge_pages_v1(group),
            None => Ok(()),
        }
    }

    /// v1 counts memory and swap together.
    fn read_memory_v1(&mut self, group: Option<&Group>) -> Result<(), CgroupError> {
        let memory = share(group, "memory")?;
        self.memory_bytes = memory.map(|memory| memory.used_bytes);
        self.memory_peak_bytes = memory.map(|memory| memory.peak_bytes);
        self.memory_limit_bytes = memory.and_then(|memory| memory.limit_bytes);
        self.memory_refused = memory.map_or(0, |memory| memory.refused);
        self.kernel_memory = share(group, "memory.kmem")?;
        self.tcp_memory = share(group, "memory.kmem.tcp")?;
        self.memory_and_swap = share(group, "memory.memsw")?;
        if let (Some(both), Some(memory)) = (self.memory_and_swap, memory) {
            self.swap_bytes = Some(both.used_bytes.saturating_sub(memory.used_bytes));
            let limits = both.limit_bytes.zip(memory.limit_bytes);
            self.swap_limit_bytes = limits.map(|(both, memory)| both.saturating_sub(memory));
            self.swap_refused = both.refused.saturating_sub(memory.refused);
        }
        Ok(())
    }

    fn read_huge_pages_v1(&mut self, group: &Group) -> Result<(), CgroupError> {
        for size in group.huge_page_sizes()? {
            let of = |name: &str| {
                let reserved = number(Some(group), &format!("hugetlb.{size}.rsvd.{name}"))?;
                let touched = || number(Some(group), &format!("hugetlb.{size}.{name}"));
                reserved.map_or_else(touched, |bytes| Ok(Some(bytes)))
            };
            let pages = HugePages {
                used_bytes: of("usage_in_bytes")?.unwrap_or(0),
                peak_bytes: of("max_usage_in_bytes")?,
                refused: of("failcnt")?.unwrap_or(0),
            };
            self.huge_pages.insert(size, pages);
        }
        Ok(())
    }
}

/// `cpuacct.usage_percpu`, a line of numbers, and `cpuacct.usage_all`, a table of `cpu user system`
/// with a head. Kernels before 4.8 have only the first.
fn each_cpu(each: &str, modes: &str) -> Vec<OneCpu> {
    let numbers = |line: &str| -> Vec<u64> {
        line.split_ascii_whitespace().filter_map(|ns| ns.parse().ok()).collect()
    };
    let modes: Vec<(u64, u64)> = modes
        .lines()
        .skip(1)
        .filter_map(|line| match numbers(line)[..] {
            [_, user, system, ..] => Some((user, system)),
            _ => None,
        })
        .collect();
    let all = numbers(each).into_iter().enumerate().map(|(number, all_ns)| {
        let (user_ns, system_ns) = modes.get(number).copied().unwrap_or_default();
        OneCpu { user_ns, system_ns, all_ns }
    });
    all.collect()
}

/// The files for one kind of memory; `None` where the kernel does not count it.
fn share(group: Option<&Group>, prefix: &str) -> Result<Option<Share>, CgroupError> {
    let of = |name: &str| number(group, &format!("{prefix}.{name}"));
    let Some(used_bytes) = of("usage_in_bytes")? else { return Ok(None) };
    Ok(Some(Share {
        used_bytes,
        peak_bytes: of("max_usage_in_bytes")?.unwrap_or(0),
        limit_bytes: of("limit_in_bytes")?.filter(|bytes| *bytes < UNLIMITED),
        refused: of("failcnt")?.unwrap_or(0),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_processor_has_its_times() {
        let one = |user_ns, system_ns, all_ns| OneCpu { user_ns, system_ns, all_ns };
        let table = "cpu user system\n0 3 4\n1 5 6\n";
        assert_eq!(each_cpu("7 11 \n", table), [one(3, 4, 7), one(5, 6, 11)]);
        assert_eq!(each_cpu("7 11\n", ""), [one(0, 0, 7), one(0, 0, 11)]);
    }
}
