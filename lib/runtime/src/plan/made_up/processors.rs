//! `/proc/cpuinfo`, `stat` and `loadavg`, and the processors of `/sys`, under a limit of
//! processors. Source: man 5 proc_cpuinfo, proc_stat, proc_loadavg;
//! linux/Documentation/admin-guide/cputopology.rst.

use rustix::time::{ClockId, clock_gettime};

use crate::cgroup::Limits;

/// The most processors that a kernel is built for.
const MOST: usize = 8192;

/// The processors that the container sees.
#[derive(Debug)]
pub(super) struct Processors {
    host: String,
    numbers: Vec<usize>,
}

impl Processors {
    /// Of those that the host has by its `/proc/cpuinfo`, and that the limits leave, as many as
    /// the limit of time is worth, and one for what is left of it. They keep their numbers: those
    /// are what `sched_getaffinity` says, which is not ours to change.
    pub(super) fn new(host: String, limits: &Limits) -> Self {
        let left = limits.cpus.as_deref().map(|list| coffer_oci::runtime::numbers(list, MOST));
        let left = |number: &usize| match &left {
            Some(Ok(list)) => list.contains(number),
            // What is no list the control group refuses.
            Some(Err(_)) | None => true,
        };
        let worth = limits.cpu.map_or(u64::MAX, |cpu| cpu.quota_us.div_ceil(cpu.period_us.max(1)));
        let worth = usize::try_from(worth).unwrap_or(usize::MAX);
        let numbers = host.split("\n\n").filter_map(number).filter(left).take(worth).collect();
        Self { host, numbers }
    }

    /// The files, by their paths.
    pub(super) fn files(&self) -> [(&'static str, String); 4] {
        [
            ("/proc/cpuinfo", self.cpuinfo()),
            ("/proc/loadavg", "0.00 0.00 0.00 1/1 1\n".to_owned()),
            ("/proc/stat", self.stat()),
            ("/sys/devices/system/cpu/online", self.list()),
        ]
    }

    /// The host's words about these processors, and those about none.
    fn cpuinfo(&self) -> String {
        let seen = |part: &&str| number(part).is_none_or(|number| self.numbers.contains(&number));
        let parts: Vec<&str> = self.host.split("\n\n").filter(seen).collect();
        parts.join("\n\n")
    }

    /// They have done nothing yet. Each was idle for a moment, so that whoever asks for a share
    /// of the time divides by something.
    fn stat(&self) -> String {
        let idle = |name: &str, time: usize| format!("cpu{name} 0 0 0 {time} 0 0 0 0 0 0\n");
        let mut text = idle(" ", self.numbers.len());
        text.extend(self.numbers.iter().map(|number| idle(&number.to_string(), 1)));
        let now = clock_gettime(ClockId::Realtime).tv_sec;
        let rest = format!(
            "intr 0\nctxt 0\nbtime {now}\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n\
             softirq 0 0 0 0 0 0 0 0 0 0 0\n"
        );
        text + &rest
    }

    /// `0-2,5`.
    fn list(&self) -> String {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for number in &self.numbers {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == *number => *last = *number,
                _ => runs.push((*number, *number)),
            }
        }
        let run = |(first, last): &(usize, usize)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        let mut text = runs.iter().map(run).collect::<Vec<_>>().join(",");
        text.push('\n');
        text
    }
}

/// The number of the processor that a part of `/proc/cpuinfo` is about.
fn number(part: &str) -> Option<usize> {
    let line = part.lines().find_map(|line| line.strip_prefix("processor"))?;
    line.trim_start().strip_prefix(':')?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::CpuQuota;

    fn seen(millicpus: Option<u64>, cpus: Option<&str>) -> Processors {
        let part = |number: usize| format!("processor\t: {number}\nmodel name\t: M\n\n");
        let host = (0..8).map(part).collect::<String>() + "Hardware\t: H\n";
        let cpu = millicpus.map(|m| CpuQuota { quota_us: m * 100, period_us: 100_000 });
        let cpus = cpus.map(str::to_owned);
        Processors::new(host, &Limits { cpu, cpus, ..Limits::default() })
    }

    #[test]
    fn a_part_of_a_processor_is_one_more() {
        assert_eq!(seen(Some(500), None).numbers, [0]);
        assert_eq!(seen(Some(1500), None).numbers, [0, 1]);
        assert_eq!(seen(Some(2000), Some("1,4-6")).numbers, [1, 4]);
        assert_eq!(seen(None, Some("5,7")).list(), "5,7\n");
        assert_eq!(seen(Some(99_000), None).list(), "0-7\n");
    }

    #[test]
    fn files_show_these_processors_and_no_others() {
        let seen = seen(Some(1500), Some("3-7"));
        let cpuinfo = seen.cpuinfo();
        assert_eq!(cpuinfo.matches("model name").count(), 2);
        assert!(cpuinfo.starts_with("processor\t: 3\n") && cpuinfo.ends_with("Hardware\t: H\n"));
        let stat = seen.stat();
        let names: Vec<&str> =
            stat.lines().filter_map(|line| line.split(' ').next()).take(4).collect();
        assert_eq!(names, ["cpu", "cpu3", "cpu4", "intr"]);
        assert!(stat.starts_with("cpu  0 0 0 2 0"), "{stat}");
    }
}
