//! The processors and memory nodes that a group may use. Source: man 7 cpuset, and the kernel's
//! cgroup-v2.rst.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::CgroupError;
use super::super::group::Group;
use super::unreadable;

/// A group's processors and memory nodes, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cpuset {
    /// The processors that were asked for; none where those of the group above are taken.
    pub cpus: Vec<usize>,
    /// Those that there are.
    pub effective_cpus: Vec<usize>,
    /// The memory nodes that were asked for.
    pub mems: Vec<usize>,
    /// Those that there are.
    pub effective_mems: Vec<usize>,
    /// Its other settings, under the kernel's names; v1 alone.
    pub settings: BTreeMap<String, i64>,
}

/// More processors and nodes than a kernel can be built for. Source: `NR_CPUS`, arch/x86/Kconfig.
const MOST: usize = 1 << 16;

/// The settings of v1 that are numbers.
const SETTINGS: [&str; 9] = [
    "cpu_exclusive",
    "mem_exclusive",
    "mem_hardwall",
    "memory_migrate",
    "memory_pressure",
    "memory_spread_page",
    "memory_spread_slab",
    "sched_load_balance",
    "sched_relax_domain_level",
];

/// Those of a group of v1.
pub(super) fn read_v1(group: &Group) -> Result<Cpuset, CgroupError> {
    let mut settings = BTreeMap::new();
    for key in SETTINGS {
        let name = format!("cpuset.{key}");
        if let Some(text) = group.try_read(&name)? {
            let value = text.trim().parse().map_err(|_| unreadable(group, &name))?;
            settings.insert(key.to_owned(), value);
        }
    }
    Ok(Cpuset {
        cpus: list(group, "cpuset.cpus")?,
        effective_cpus: list(group, "cpuset.effective_cpus")?,
        mems: list(group, "cpuset.mems")?,
        effective_mems: list(group, "cpuset.effective_mems")?,
        settings,
    })
}

/// Those of a group of v2, where it has the controller.
pub(super) fn read_v2(group: &Group) -> Result<Option<Cpuset>, CgroupError> {
    let effective_cpus = list(group, "cpuset.cpus.effective")?;
    if effective_cpus.is_empty() {
        return Ok(None);
    }
    Ok(Some(Cpuset {
        cpus: list(group, "cpuset.cpus")?,
        effective_cpus,
        mems: list(group, "cpuset.mems")?,
        effective_mems: list(group, "cpuset.mems.effective")?,
        settings: BTreeMap::new(),
    }))
}

/// A file that holds a list such as `0-3,7`; a file that is not there is an empty one.
fn list(group: &Group, name: &str) -> Result<Vec<usize>, CgroupError> {
    let text = group.try_read(name)?.unwrap_or_default();
    coffer_oci::runtime::numbers(&text, MOST).map_err(|_| unreadable(group, name))
}
