//! What a container may use, checked before anything is made.

use coffer_confine::confinement::Gap;
use coffer_oci::runtime::{DeviceRule, Resources};
use serde::{Deserialize, Serialize};

use super::CgroupError;

/// The limits that this coffer sets. Source: runtime-spec config-linux.md, "Control groups".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Who said how many, or that there is no limit.
    #[serde(default)]
    pub memory_by: Asker,
    /// Bytes of swap beside it.
    pub swap: Swap,
    /// Bytes of memory that are kept when memory is short.
    pub reservation_bytes: Option<u64>,
    /// Processor time in each period.
    pub cpu: Option<CpuQuota>,
    /// The weight among siblings, in v1's scale (2 to 262144).
    pub cpu_shares: Option<u64>,
    /// The CPUs, as a list such as `0-3,7`.
    pub cpus: Option<String>,
    /// The memory nodes, likewise.
    pub mems: Option<String>,
    /// The number of tasks.
    pub pids: Option<Pids>,
    /// What is allowed or denied beside the standard devices, in this order.
    pub devices: Vec<DeviceRule>,
}

/// How much swap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Swap {
    /// Nothing was said: as much as memory, where memory is limited and swap can be.
    #[default]
    LikeMemory,
    /// So many bytes; an error where that cannot be enforced.
    Bytes(u64),
    /// Coffer's share: so many bytes, as far as that can be enforced.
    Share(u64),
    /// As much as there is.
    Unlimited,
}

/// Who said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asker {
    /// The caller: an error where it cannot be enforced.
    #[default]
    Caller,
    /// Nobody: coffer's default, set where it can be.
    Coffer,
}

/// Processor time: `quota` microseconds in each `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuQuota {
    /// Microseconds.
    pub quota_us: u64,
    /// Microseconds.
    pub period_us: u64,
}

/// A limit on tasks, and whether somebody asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pids {
    /// Asked for: an error where it cannot be enforced.
    Asked(u64),
    /// Coffer's default: set where it can be.
    Default(u64),
}

/// The period where only a quota is given. Source: the kernel's scheduler/sched-bwc.rst.
const DEFAULT_PERIOD_US: u64 = 100_000;

impl Limits {
    /// The limits in a specification; `pids` says whether the limit on tasks was asked for.
    ///
    /// # Errors
    /// [`CgroupError::Limit`] for one that makes no sense, or that this coffer cannot set.
    pub fn from_spec(
        resources: &Resources,
        pids: impl FnOnce(u64) -> Pids,
    ) -> Result<Self, CgroupError> {
        refuse_unknown(resources)?;
        let memory = resources.memory.clone().unwrap_or_default();
        let cpu = resources.cpu.clone().unwrap_or_default();
        let memory_bytes = positive("memory", memory.limit)?;
        let text = |list: String| (!list.is_empty()).then_some(list);
        Ok(Self {
            swap: swap(memory_bytes, memory.swap)?,
            memory_bytes,
            memory_by: Asker::Caller,
            reservation_bytes: positive("memory reservation", memory.reservation)?,
            cpu: positive("cpu quota", cpu.quota)?.map(|quota_us| CpuQuota {
                quota_us,
                period_us: cpu.period.unwrap_or(DEFAULT_PERIOD_US),
            }),
            cpu_shares: cpu.shares.filter(|shares| *shares != 0),
            cpus: text(cpu.cpus),
            mems: text(cpu.mems),
            pids: positive("pids", resources.pids.as_ref().map(|p| p.limit))?.map(pids),
            devices: resources.devices.clone(),
        })
    }
}

/// What a host of at least twice its size keeps for itself.
const ROOM: u64 = 512 << 20;

/// How much of `total` bytes a container may use where nobody has said: seven eighths, but never
/// the last half GiB, and of a host that has less than one GiB half.
fn share(total: u64) -> u64 {
    total - (total / 8).max(ROOM.min(total / 2))
}

/// Bytes of memory and of swap that this host has. Source: man 2 sysinfo.
pub fn of_host() -> (u64, u64) {
    let host = rustix::system::sysinfo();
    let bytes = |count: u64| u64::from(host.mem_unit).saturating_mul(count);
    (bytes(host.totalram), bytes(host.totalswap))
}

impl Limits {
    /// The same with a limit on memory that leaves the host room, where nobody has said a word of
    /// memory: of `total` bytes, and of `swap` bytes beside it.
    #[must_use]
    pub fn leaving_room(self, total: u64, swap: u64) -> Self {
        let beside = match self.swap {
            Swap::LikeMemory => Swap::Share(share(swap)),
            said => said,
        };
        let memory_bytes = Some(share(total)).filter(|bytes| *bytes > 0);
        Self { memory_bytes, memory_by: Asker::Coffer, swap: beside, ..self }
    }

    /// Whether memory has a limit that a host with `total` bytes of it can reach.
    pub fn bounds_memory(&self, total: u64) -> bool {
        self.memory_bytes.is_some_and(|bytes| bytes < total)
    }

    /// What the caller has opened on a host with `total` bytes of memory, each once.
    pub fn opened(&self, total: u64) -> Vec<Gap> {
        let gap = |what: &str, from: String| Gap {
            what: what.to_owned(),
            from: Some(from),
            stronger: Some("leave it out".to_owned()),
        };
        let memory = (!self.bounds_memory(total)).then(|| {
            let said = self.memory_bytes.map_or_else(|| "-1".to_owned(), |bytes| bytes.to_string());
            gap("all of the host's memory can be taken", format!("--memory {said}"))
        });
        let pids = self
            .pids
            .is_none()
            .then(|| gap("all of the host's pids can be taken", "--pids-limit -1".to_owned()));
        memory.into_iter().chain(pids).collect()
    }
}

impl Pids {
    /// How many tasks.
    pub fn count(self) -> u64 {
        match self {
            Self::Asked(count) | Self::Default(count) => count,
        }
    }
}

/// runtime-spec and docker say -1, and docker 0 too, for "without limit".
fn positive(what: &'static str, value: Option<i64>) -> Result<Option<u64>, CgroupError> {
    match value {
        None | Some(-1 | 0) => Ok(None),
        Some(value) => u64::try_from(value)
            .map(Some)
            .map_err(|_| CgroupError::Limit { what, why: format!("{value} is negative") }),
    }
}

/// runtime-spec's `swap` is memory and swap together, as v1 counts it.
fn swap(memory: Option<u64>, both: Option<i64>) -> Result<Swap, CgroupError> {
    match (memory, both) {
        (_, None | Some(0)) => Ok(Swap::LikeMemory),
        (_, Some(-1)) => Ok(Swap::Unlimited),
        (None, Some(_)) => Err(CgroupError::Limit {
            what: "memory and swap",
            why: "it needs a limit on memory too".to_owned(),
        }),
        (Some(memory), Some(both)) => u64::try_from(both)
            .ok()
            .and_then(|both| both.checked_sub(memory))
            .map(Swap::Bytes)
            .ok_or_else(|| CgroupError::Limit {
                what: "memory and swap",
                why: format!("{both} bytes together are less than the {memory} of memory"),
            }),
    }
}

/// A limit that nobody sets would be a limit that is silently not there.
fn refuse_unknown(resources: &Resources) -> Result<(), CgroupError> {
    let memory = resources.memory.clone().unwrap_or_default();
    let cpu = resources.cpu.clone().unwrap_or_default();
    let given = [
        ("kernel memory", memory.kernel.is_some() || memory.kernel_tcp.is_some()),
        ("swappiness", memory.swappiness.is_some()),
        ("no OOM killer", memory.disable_oom_killer == Some(true)),
        ("cpu burst", cpu.burst.is_some()),
        ("idle scheduling", cpu.idle.is_some()),
        ("real-time", cpu.realtime_runtime.is_some() || cpu.realtime_period.is_some()),
        ("block I/O", resources.block_io.is_some()),
        ("huge pages", !resources.hugepage_limits.is_empty()),
        ("network priority", resources.network.is_some()),
        ("rdma", !resources.rdma.is_empty()),
        ("unified", !resources.unified.is_empty()),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((what, _)) => {
            Err(CgroupError::Limit { what, why: "this coffer cannot set it".to_owned() })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_oci::runtime::{Cpu, Memory};

    fn memory(limit: Option<i64>, swap: Option<i64>) -> Result<Limits, CgroupError> {
        let memory = Memory { limit, swap, ..Memory::default() };
        let resources = Resources { memory: Some(memory), ..Resources::default() };
        Limits::from_spec(&resources, Pids::Asked)
    }

    #[test]
    fn swap_is_what_is_beside_memory() {
        assert_eq!(memory(Some(100), Some(150)).unwrap().swap, Swap::Bytes(50));
        assert_eq!(memory(Some(100), Some(100)).unwrap().swap, Swap::Bytes(0));
        assert_eq!(memory(Some(100), Some(-1)).unwrap().swap, Swap::Unlimited);
        assert_eq!(memory(Some(100), None).unwrap().swap, Swap::LikeMemory);
        assert!(memory(Some(100), Some(99)).is_err());
        assert!(memory(None, Some(99)).is_err());
        assert!(memory(Some(-2), None).is_err());
    }

    #[test]
    fn the_host_keeps_room() {
        const GIB: u64 = 1 << 30;
        for (total, most) in [(24 * GIB, 21 * GIB), (2 * GIB, GIB + GIB / 2), (GIB, GIB / 2)] {
            assert_eq!(share(total), most, "{total}");
        }
        assert_eq!((share(0), share(256 << 20)), (0, 128 << 20));
        let limits = Limits::default().leaving_room(24 * GIB, 8 * GIB);
        assert_eq!((limits.memory_by, limits.swap), (Asker::Coffer, Swap::Share(7 * GIB)));
        let said = Limits { swap: Swap::Unlimited, ..Limits::default() };
        assert_eq!(said.leaving_room(GIB, GIB).swap, Swap::Unlimited);
    }

    #[test]
    fn what_the_caller_opens_is_said() {
        let froms = |limits: &Limits| {
            limits.opened(2 << 30).into_iter().filter_map(|gap| gap.from).collect::<Vec<_>>()
        };
        assert_eq!(froms(&Limits::default()), ["--memory -1", "--pids-limit -1"]);
        let limits = Limits { pids: Some(Pids::Default(1)), ..Limits::default() };
        let more = Limits { memory_bytes: Some(2 << 30), ..limits.clone() };
        assert_eq!(froms(&more), ["--memory 2147483648"], "as much as there is");
        assert_eq!(froms(&limits.leaving_room(1 << 30, 0)), [""; 0]);
    }

    #[test]
    fn a_quota_has_a_period() {
        let cpu = Cpu { quota: Some(50_000), ..Cpu::default() };
        let resources = Resources { cpu: Some(cpu), ..Resources::default() };
        let limits = Limits::from_spec(&resources, Pids::Asked).unwrap();
        assert_eq!(limits.cpu, Some(CpuQuota { quota_us: 50_000, period_us: 100_000 }));
    }
}
