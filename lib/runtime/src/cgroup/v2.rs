//! Limits in the files of version 2. Source: the kernel's admin-guide/cgroup-v2.rst.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self as rfs, Mode, OFlags};

use super::group::{Group, read_text};
use super::{CgroupError, Controller, GroupPath, Limits, Missing, Swap};

/// Switches the wanted controllers on for the groups in `at.parent`, from the top down. What
/// nobody asked for may stay off where the kernel refuses it.
pub(super) fn enable(mount: &OwnedFd, at: &GroupPath, limits: &Limits) -> Result<(), CgroupError> {
    let wanted = at.wanted(limits);
    let mut asked = limits.asked().into_iter().map(|(controller, _)| controller);
    let mut above: Vec<&Path> = at.parent.ancestors().collect();
    above.reverse();
    // What lies above the last two belongs to somebody else, who has delegated it.
    let own = above.len().saturating_sub(2);
    for group in above.split_off(own) {
        let file = group.join("cgroup.subtree_control");
        let on = Controller::parse_v2(&read_text(mount.as_fd(), &at.mount, &file)?);
        for controller in wanted.iter().filter(|c| !on.contains(c)) {
            match switch_on(mount, at, &file, *controller) {
                Err(error) if asked.any(|c| c == *controller) => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn switch_on(
    mount: &OwnedFd,
    at: &GroupPath,
    file: &PathBuf,
    controller: Controller,
) -> Result<(), CgroupError> {
    let value = format!("+{controller}");
    rfs::openat(mount, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|fd| rustix::io::write(&fd, value.as_bytes()))
        .map(|_| ())
        .map_err(|errno| CgroupError::Write {
            path: at.mount.join(file),
            value,
            source: errno.into(),
        })
}

/// Sets all limits.
pub(super) fn set(group: &Group, limits: &Limits) -> Result<(), CgroupError> {
    for (name, value) in files(limits) {
        match group.try_write(name, &value) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                missing(name, limits)?;
            }
            Err(source) => {
                return Err(CgroupError::Write {
                    path: super::group::shown(group, name),
                    value,
                    source,
                });
            }
        }
    }
    Ok(())
}

/// Which file gets which content.
fn files(limits: &Limits) -> Vec<(&'static str, String)> {
    let mut files = Vec::new();
    let mut add = |name, value: Option<String>| files.extend(value.map(|value| (name, value)));
    add("cpuset.cpus", limits.cpus.clone());
    add("cpuset.mems", limits.mems.clone());
    add("pids.max", limits.pids.map(|pids| pids.count().to_string()));
    add("memory.low", limits.reservation_bytes.map(|bytes| bytes.to_string()));
    add("memory.max", limits.memory_bytes.map(|bytes| bytes.to_string()));
    let swap = match (limits.memory_bytes, limits.swap) {
        (None, _) | (_, Swap::Unlimited) => None,
        (Some(memory), Swap::LikeMemory) => Some(memory),
        (_, Swap::Bytes(bytes)) => Some(bytes),
    };
    add("memory.swap.max", swap.map(|bytes| bytes.to_string()));
    add("cpu.weight", limits.cpu_shares.map(|shares| weight(shares).to_string()));
    add("cpu.max", limits.cpu.map(|cpu| format!("{} {}", cpu.quota_us, cpu.period_us)));
    files
}

/// The file of a controller that is switched off does not exist.
fn missing(name: &str, limits: &Limits) -> Result<(), CgroupError> {
    if name == "memory.swap.max" {
        return match limits.swap {
            Swap::Bytes(_) => Err(CgroupError::NoController {
                flag: "--memory-swap",
                why: Missing::SwapAccounting,
            }),
            Swap::LikeMemory | Swap::Unlimited => Ok(()),
        };
    }
    let is_of = |(c, _): &(Controller, _)| name.starts_with(c.name());
    match limits.asked().into_iter().find(is_of) {
        Some((controller, flag)) => {
            Err(CgroupError::NoController { flag, why: Missing::Delegation(controller) })
        }
        None => Ok(()),
    }
}

/// v1's shares (2 to 262144) as v2's weight (1 to 10000), by the straight line that runc, crun and
/// systemd draw between the ends of both.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9_999 / 262_142
}

#[cfg(test)]
mod tests {
    use super::super::{CpuQuota, Pids};
    use super::*;

    #[test]
    fn the_ends_of_both_scales_meet() {
        assert_eq!([weight(0), weight(2), weight(1024), weight(262_144)], [1, 1, 39, 10_000]);
    }

    #[test]
    fn limits_become_files() {
        let limits = Limits {
            memory_bytes: Some(1 << 20),
            swap: Swap::Bytes(0),
            cpu: Some(CpuQuota { quota_us: 50_000, period_us: 100_000 }),
            pids: Some(Pids::Default(7)),
            ..Limits::default()
        };
        let expected = [
            ("pids.max", "7"),
            ("memory.max", "1048576"),
            ("memory.swap.max", "0"),
            ("cpu.max", "50000 100000"),
        ];
        assert_eq!(files(&limits), expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn a_default_may_be_missing_and_what_was_asked_for_not() {
        let limits = Limits { pids: Some(Pids::Default(7)), ..Limits::default() };
        assert!(missing("pids.max", &limits).is_ok());
        let limits = Limits { pids: Some(Pids::Asked(7)), ..Limits::default() };
        assert!(missing("pids.max", &limits).is_err());
    }
}
