//! What is to be set on a container's groups: checked, and the same for all who ask.
//!
//! Coffer's own flags arrive as [`Limits`], a bundle's `linux.resources` as it is written. Both
//! become [`Settings`], and these become [`File`]s by one table for each version of control
//! groups. A message names what asked: the flag there, the JSON path here.

mod check;
mod file;

use coffer_oci::runtime::{Cpu, Memory, Pids as PidsLimit, Resources};

use super::device::Rule;
use super::limits::{Asker, Limits, Pids, Swap};
use super::{CgroupError, Version};

pub(super) use check::swappiness;
pub(super) use file::{File, Need, apply};

/// What is to be set on a container's groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Numbers and lists. Zero and absent leave a file alone, -1 is without limit.
    pub(super) resources: Resources,
    /// What the swap limit is made from.
    pub(super) swap: SwapRule,
    /// The device rules, those of every container included; `None` leaves the devices alone.
    pub(super) devices: Option<Vec<Rule>>,
    /// Who asked.
    pub(super) source: Source,
}

/// Who asked for a setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Source {
    /// A configuration file.
    #[default]
    Bundle,
    /// Flags; limits on tasks and memory may be coffer's own defaults.
    Flags {
        /// Whether the limit on tasks must hold.
        pids: Need,
        /// Whether the limit on memory must hold.
        memory: Need,
    },
}

/// How the limit on swap follows from the specification's `swap`, which counts both together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SwapRule {
    /// As it is written; absent leaves it alone.
    #[default]
    Written,
    /// Absent: as much as memory again, where swap can be limited.
    LikeMemory,
    /// As it is written, where swap can be limited.
    WhereItCan,
}

impl Settings {
    /// Checks all of a bundle's `linux.resources`.
    ///
    /// # Errors
    /// [`CgroupError::Invalid`] with the JSON path of the first value that makes no sense.
    pub fn of_bundle(resources: &Resources) -> Result<Self, CgroupError> {
        check::resources(resources)?;
        Ok(Self {
            devices: Some(Rule::for_bundle(&resources.devices)?),
            resources: resources.clone(),
            ..Self::default()
        })
    }

    /// The same for a change: without device rules the devices stay as they are.
    ///
    /// # Errors
    /// As [`Self::of_bundle`].
    pub fn of_update(resources: &Resources) -> Result<Self, CgroupError> {
        let settings = Self::of_bundle(resources)?;
        let devices = settings.devices.filter(|_| !resources.devices.is_empty());
        Ok(Self { devices, ..settings })
    }

    /// Refuses what this version of control groups has nothing for.
    ///
    /// # Errors
    /// [`CgroupError::Invalid`] with the JSON path.
    pub(super) fn check_for(&self, version: Version) -> Result<(), CgroupError> {
        check::version(&self.resources, version)
    }

    /// The name of a setting in messages.
    pub(super) fn named(&self, flag: &'static str, path: &'static str) -> &'static str {
        match self.source {
            Source::Flags { .. } => flag,
            Source::Bundle => path,
        }
    }

    /// Whether the limit on tasks must hold.
    pub(super) fn pids_need(&self) -> Need {
        match self.source {
            Source::Flags { pids, .. } => pids,
            Source::Bundle => Need::Must,
        }
    }

    /// Whether the limit on memory must hold.
    pub(super) fn memory_need(&self) -> Need {
        match self.source {
            Source::Flags { memory, .. } => memory,
            Source::Bundle => Need::Must,
        }
    }
}

impl Limits {
    /// The same as settings.
    ///
    /// # Errors
    /// [`CgroupError::Invalid`] for a device rule or a list that makes no sense.
    pub fn settings(&self) -> Result<Settings, CgroupError> {
        let resources = self.resources();
        check::resources(&resources)?;
        let must = |pids| if matches!(pids, Pids::Asked(_)) { Need::Must } else { Need::IfThere };
        let swap = match self.swap {
            Swap::LikeMemory => SwapRule::LikeMemory,
            Swap::Share(_) => SwapRule::WhereItCan,
            Swap::Bytes(_) | Swap::Unlimited => SwapRule::Written,
        };
        Ok(Settings {
            devices: Some(Rule::for_flags(&self.devices)?),
            resources,
            swap,
            source: Source::Flags {
                pids: self.pids.map_or(Need::IfThere, must),
                memory: match self.memory_by {
                    Asker::Caller => Need::Must,
                    Asker::Coffer => Need::IfThere,
                },
            },
        })
    }

    fn resources(&self) -> Resources {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let both =
            |beside: u64| self.memory_bytes.map(|bytes| number(bytes.saturating_add(beside)));
        let memory = Memory {
            limit: self.memory_bytes.map(number),
            reservation: self.reservation_bytes.map(number),
            swap: match self.swap {
                Swap::Bytes(beside) | Swap::Share(beside) => both(beside),
                Swap::LikeMemory | Swap::Unlimited => None,
            },
            ..Memory::default()
        };
        let cpu = Cpu {
            shares: self.cpu_shares,
            quota: self.cpu.map(|cpu| number(cpu.quota_us)),
            period: self.cpu.map(|cpu| cpu.period_us),
            cpus: self.cpus.clone().unwrap_or_default(),
            mems: self.mems.clone().unwrap_or_default(),
            ..Cpu::default()
        };
        Resources {
            memory: Some(memory),
            cpu: Some(cpu),
            pids: self.pids.map(|pids| PidsLimit { limit: number(pids.count()) }),
            ..Resources::default()
        }
    }
}
