//! Limits of the control group, as runtime-spec has them.

use coffer_oci::runtime::{Cpu, Memory, Pids, Resources};

use super::{DEFAULT_PIDS, Limits};

/// The period of processor time in microseconds. Source: docker's default for `--cpus`.
const PERIOD: u64 = 100_000;

/// The limits that were asked for, and the default number of tasks.
pub(super) fn resources(limits: &Limits) -> Resources {
    let memory = Memory {
        limit: limits.memory,
        swap: limits.memory_swap,
        reservation: limits.memory_reservation,
        ..Memory::default()
    };
    let quota = limits.millicpus.map(|cpus| i64::try_from(cpus * PERIOD / 1000));
    let cpu = Cpu {
        shares: limits.cpu_shares,
        period: limits.millicpus.map(|_| PERIOD),
        quota: quota.and_then(Result::ok),
        cpus: limits.cpuset_cpus.clone().unwrap_or_default(),
        mems: limits.cpuset_mems.clone().unwrap_or_default(),
        ..Cpu::default()
    };
    Resources {
        memory: Some(memory).filter(|memory| *memory != Memory::default()),
        cpu: Some(cpu).filter(|cpu| *cpu != Cpu::default()),
        pids: Some(Pids { limit: limits.pids.unwrap_or(DEFAULT_PIDS) }),
        ..Resources::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_and_a_half() {
        let limits = Limits { millicpus: Some(1500), ..Limits::default() };
        let cpu = resources(&limits).cpu.unwrap();
        assert_eq!((cpu.quota, cpu.period), (Some(150_000), Some(100_000)));
    }

    #[test]
    fn tasks_are_always_limited() {
        let resources = resources(&Limits::default());
        assert_eq!(resources.pids, Some(Pids { limit: DEFAULT_PIDS }));
        assert!(resources.memory.is_none() && resources.cpu.is_none());
    }
}
