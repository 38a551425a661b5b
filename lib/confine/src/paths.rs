//! Paths of `/proc` and `/sys` that a container must not read or write.
//!
//! Both file systems show parts of the host that no namespace separates. A masked path reads as
//! an empty file or folder; a read-only one can be looked at. A path that the kernel does not have
//! is no error. Source: docker's lists, and
//! what probes inside of containers still found behind them.

/// A path and why it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Absolute, in the container.
    pub path: &'static str,
    /// What stands there.
    pub why: &'static str,
}

const fn closed(path: &'static str, why: &'static str) -> Closed {
    Closed { path, why }
}

/// Paths that read as empty.
#[rustfmt::skip]
pub const MASKED: &[Closed] = &[
    closed("/proc/acpi", "the host's hardware; writes can suspend it"),
    closed("/proc/asound", "the host's sound cards"),
    closed("/proc/buddyinfo", "how the host's memory is used, a help for attacks on it"),
    closed("/proc/bus", "the host's buses and devices"),
    closed("/proc/cmdline", "how the host was started, its disks and sometimes secrets"),
    closed("/proc/config.gz", "how the host's kernel was built, a help for attacks on it"),
    closed("/proc/diskstats", "the host's disks and what they do"),
    closed("/proc/fs", "the host's disks and settings of their file systems"),
    closed("/proc/interrupts", "timing of the host's devices, a side channel on keystrokes"),
    closed("/proc/iomem", "the host's devices"),
    closed("/proc/ioports", "the host's devices"),
    closed("/proc/kallsyms", "addresses of the kernel"),
    closed("/proc/kcore", "the host's memory"),
    closed("/proc/key-users", "whose keyrings there are on the host"),
    closed("/proc/keys", "keyrings, not all of them namespaced"),
    closed("/proc/latency_stats", "what the host waits for"),
    closed("/proc/locks", "which files of the host are locked"),
    closed("/proc/modules", "what the host's kernel has loaded"),
    closed("/proc/pagetypeinfo", "how the host's memory is used, a help for attacks on it"),
    closed("/proc/partitions", "the host's disks"),
    closed("/proc/pressure", "what the whole host waits for"),
    closed("/proc/sched_debug", "all processes of the host"),
    closed("/proc/schedstat", "what the host's processors do, a side channel"),
    closed("/proc/scsi", "the host's disks; writes can remove them"),
    closed("/proc/slabinfo", "what the host's kernel has allocated, a help for attacks on it"),
    closed("/proc/softirqs", "timing of the host's devices"),
    closed("/proc/timer_list", "all timers of the host, a side channel"),
    closed("/proc/timer_stats", "all timers of the host"),
    closed("/proc/vmallocinfo", "addresses of the kernel"),
    closed("/proc/zoneinfo", "how the host's memory is used"),
    closed("/sys/devices/virtual/block", "paths of the host behind loop devices, and its volumes"),
    closed("/sys/devices/virtual/dmi", "the host's board and serial numbers"),
    closed("/sys/devices/virtual/powercap", "power meters, a side channel (CVE-2020-8694)"),
    closed("/sys/firmware", "the host's firmware tables and variables"),
    closed("/sys/kernel/irq", "timing of the host's devices, as in /proc/interrupts"),
    closed("/sys/kernel/notes", "build ids and addresses of the host's kernel"),
    closed("/sys/kernel/slab", "what the host's kernel has allocated, as in /proc/slabinfo"),
    closed("/sys/kernel/vmcoreinfo", "an address in the host's memory"),
    closed("/sys/module", "what the host's kernel has loaded, as in /proc/modules"),
];

/// Paths that cannot be written.
#[rustfmt::skip]
pub const READ_ONLY: &[Closed] = &[
    closed("/proc/irq", "which CPU serves which interrupt"),
    closed("/proc/sys", "kernel parameters; those of --sysctl are set before"),
    closed("/proc/sysrq-trigger", "restarts the host"),
];

/// What files are made up about: what a limit says how much there is of, so that they say it too,
/// and which boot this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeUp {
    /// The boot, which is the container's start. Source: systemd-nspawn does the same.
    Boot,
    /// Memory and swap.
    Memory,
    /// Processors, and what they do.
    Processors,
}

impl MadeUp {
    /// The files that are made up.
    pub fn paths(self) -> &'static [&'static str] {
        match self {
            Self::Boot => &["/proc/sys/kernel/random/boot_id"],
            Self::Memory => &["/proc/meminfo", "/proc/swaps"],
            Self::Processors => {
                &["/proc/cpuinfo", "/proc/loadavg", "/proc/stat", "/sys/devices/system/cpu/online"]
            }
        }
    }
}

/// The paths of a list, as runtime-spec has them.
pub fn list(closed: &[Closed]) -> Vec<String> {
    closed.iter().map(|entry| entry.path.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What docker closes, we close.
    #[test]
    fn nothing_of_dockers_is_open() {
        let docker_masks = [
            "/proc/acpi",
            "/proc/asound",
            "/proc/interrupts",
            "/proc/kcore",
            "/proc/keys",
            "/proc/latency_stats",
            "/proc/sched_debug",
            "/proc/scsi",
            "/proc/timer_list",
            "/proc/timer_stats",
            "/sys/devices/virtual/powercap",
            "/sys/firmware",
        ];
        for path in docker_masks {
            assert!(MASKED.iter().any(|entry| entry.path == path), "{path}");
        }
        let docker_protects =
            ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
        for path in docker_protects {
            let mut closed = MASKED.iter().chain(READ_ONLY);
            assert!(closed.any(|entry| entry.path == path), "{path}");
        }
    }

    #[test]
    fn lists_are_sorted_and_say_why() {
        for list in [MASKED, READ_ONLY] {
            assert!(list.windows(2).all(|pair| pair[0].path < pair[1].path));
            assert!(list.iter().all(|entry| !entry.why.is_empty() && entry.path.starts_with('/')));
        }
    }
}
