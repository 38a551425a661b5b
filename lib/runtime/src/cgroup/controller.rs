//! The controllers that coffer uses.

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
}

impl Controller {
    const ALL: [Self; 6] =
        [Self::Cpu, Self::Cpuacct, Self::Cpuset, Self::Devices, Self::Memory, Self::Pids];

    /// The kernel's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cpuacct => "cpuacct",
            Self::Cpuset => "cpuset",
            Self::Devices => "devices",
            Self::Memory => "memory",
            Self::Pids => "pids",
        }
    }

    /// The controller of this name in a v1 mount's options.
    pub(super) fn from_v1(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.name().as_bytes() == name)
    }

    /// The controllers in a v2 `cgroup.controllers` or `cgroup.subtree_control` file.
    pub(super) fn parse_v2(text: &str) -> Vec<Self> {
        text.split_ascii_whitespace().filter_map(|name| Self::from_v1(name.as_bytes())).collect()
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
