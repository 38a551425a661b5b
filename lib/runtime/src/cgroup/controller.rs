//! The controllers that coffer knows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One controller. Source: man 7 cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Controller {
    /// Processor time.
    Cpu,
    /// Counts processor time; a controller of its own on v1 alone.
    Cpuacct,
    /// Which CPUs and memory nodes.
    Cpuset,
    /// Which devices may be opened; a controller on v1 alone.
    Devices,
    /// Memory and swap.
    Memory,
    /// The number of tasks.
    Pids,
    /// Block devices, on v1.
    Blkio,
    /// Block devices, on v2.
    Io,
    /// Stops tasks; a controller on v1 alone.
    Freezer,
    /// Huge pages.
    Hugetlb,
    /// Marks packets with a class; v1 alone.
    NetCls,
    /// Priorities of packets by interface; v1 alone.
    NetPrio,
    /// Performance counters by group; on v2 always there and never listed.
    PerfEvent,
    /// Remote memory access.
    Rdma,
    /// Countable resources of other kinds.
    Misc,
    /// The v1 hierarchy by which systemd tells its units apart; it controls nothing.
    Systemd,
}

impl Controller {
    const ALL: [Self; 16] = [
        Self::Cpu,
        Self::Cpuacct,
        Self::Cpuset,
        Self::Devices,
        Self::Memory,
        Self::Pids,
        Self::Blkio,
        Self::Io,
        Self::Freezer,
        Self::Hugetlb,
        Self::NetCls,
        Self::NetPrio,
        Self::PerfEvent,
        Self::Rdma,
        Self::Misc,
        Self::Systemd,
    ];

    /// The kernel's name for it, as a v1 mount's options and `/proc/PID/cgroup` give it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cpuacct => "cpuacct",
            Self::Cpuset => "cpuset",
            Self::Devices => "devices",
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Blkio => "blkio",
            Self::Io => "io",
            Self::Freezer => "freezer",
            Self::Hugetlb => "hugetlb",
            Self::NetCls => "net_cls",
            Self::NetPrio => "net_prio",
            Self::PerfEvent => "perf_event",
            Self::Rdma => "rdma",
            Self::Misc => "misc",
            Self::Systemd => "name=systemd",
        }
    }

    /// The controller of this name.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.name().as_bytes() == name)
    }

    /// The controllers in a v2 `cgroup.controllers` or `cgroup.subtree_control` file.
    pub(super) fn parse_v2(text: &str) -> Vec<Self> {
        text.split_ascii_whitespace().filter_map(|name| Self::named(name.as_bytes())).collect()
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
