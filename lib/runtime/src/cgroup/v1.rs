//! Limits in the files of version 1. Source: the kernel's admin-guide/cgroup-v1/.

use coffer_oci::runtime::DeviceRule;

use super::group::Group;
use super::{CgroupError, Controller, Limits, Missing, Swap};

/// The devices that every container has: they hold nothing of the host's.
/// Source: runtime-spec config-linux.md, "Default Devices".
const STANDARD: [&str; 8] = [
    "c 1:3 rwm",   // null
    "c 1:5 rwm",   // zero
    "c 1:7 rwm",   // full
    "c 1:8 rwm",   // random
    "c 1:9 rwm",   // urandom
    "c 5:0 rwm",   // tty: the caller's own terminal
    "c 5:2 rwm",   // ptmx, of the container's own devpts
    "c 136:* rwm", // the terminals in it
];

/// Sets all limits that concern the controllers of `group`.
pub(super) fn set(group: &Group, limits: &Limits) -> Result<(), CgroupError> {
    if group.has(Controller::Cpuset) {
        set_cpuset(group, limits)?;
    }
    if group.has(Controller::Devices) {
        set_devices(group, &limits.devices)?;
    }
    if group.has(Controller::Pids)
        && let Some(pids) = limits.pids
    {
        group.write("pids.max", &pids.count().to_string())?;
    }
    if group.has(Controller::Memory) {
        set_memory(group, limits)?;
    }
    if group.has(Controller::Cpu) {
        set_cpu(group, limits)?;
    }
    Ok(())
}

fn set_memory(group: &Group, limits: &Limits) -> Result<(), CgroupError> {
    if let Some(bytes) = limits.reservation_bytes {
        group.write("memory.soft_limit_in_bytes", &bytes.to_string())?;
    }
    let Some(bytes) = limits.memory_bytes else { return Ok(()) };
    group.write("memory.limit_in_bytes", &bytes.to_string())?;
    let both = match limits.swap {
        Swap::Unlimited => return Ok(()),
        Swap::LikeMemory => bytes.saturating_mul(2),
        Swap::Bytes(swap) => bytes.saturating_add(swap),
    };
    match group.try_write("memory.memsw.limit_in_bytes", &both.to_string()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match limits.swap {
            Swap::Bytes(_) => Err(CgroupError::NoController {
                flag: "--memory-swap",
                why: Missing::SwapAccounting,
            }),
            Swap::LikeMemory | Swap::Unlimited => Ok(()),
        },
        Err(source) => Err(CgroupError::Write {
            path: super::group::shown(group, "memory.memsw.limit_in_bytes"),
            value: both.to_string(),
            source,
        }),
        Ok(()) => Ok(()),
    }
}

fn set_cpu(group: &Group, limits: &Limits) -> Result<(), CgroupError> {
    if let Some(shares) = limits.cpu_shares {
        group.write("cpu.shares", &shares.to_string())?;
    }
    if let Some(cpu) = limits.cpu {
        group.write("cpu.cfs_period_us", &cpu.period_us.to_string())?;
        group.write("cpu.cfs_quota_us", &cpu.quota_us.to_string())?;
    }
    Ok(())
}

/// A new cpuset is empty and takes no process before both of its lists are set, in every group
/// from the top down.
fn set_cpuset(group: &Group, limits: &Limits) -> Result<(), CgroupError> {
    for (name, asked) in [("cpuset.cpus", &limits.cpus), ("cpuset.mems", &limits.mems)] {
        let mut above = group.read_above(name)?;
        if above.is_empty() {
            above = group.read_top(name)?;
            group.write_above(name, &above)?;
        }
        group.write(name, asked.as_deref().unwrap_or(&above))?;
    }
    Ok(())
}

/// Denies all, then allows the standard nodes and what the specification lists.
fn set_devices(group: &Group, rules: &[DeviceRule]) -> Result<(), CgroupError> {
    group.write("devices.deny", "a")?;
    // One rule for each write, which takes effect at once.
    let allow = group.open_to_write("devices.allow")?;
    for rule in STANDARD {
        rustix::io::write(&allow, rule.as_bytes()).map_err(|errno| CgroupError::Write {
            path: super::group::shown(group, "devices.allow"),
            value: rule.to_owned(),
            source: errno.into(),
        })?;
    }
    for rule in rules.iter().filter(|rule| !is_default(rule)) {
        let file = if rule.allow { "devices.allow" } else { "devices.deny" };
        group.write(file, &line(rule)?)?;
    }
    Ok(())
}

/// "Deny everything", with which each specification begins and which is done already.
fn is_default(rule: &DeviceRule) -> bool {
    !rule.allow && matches!(rule.kind.as_str(), "" | "a") && rule.major.is_none()
}

/// A rule as `devices.allow` reads it. Source: admin-guide/cgroup-v1/devices.rst.
fn line(rule: &DeviceRule) -> Result<String, CgroupError> {
    let bad = |why: String| CgroupError::Limit { what: "devices", why };
    let kind = match rule.kind.as_str() {
        "" | "a" => "a",
        "c" | "u" => "c",
        "b" => "b",
        other => return Err(bad(format!("{other:?} is no type of device"))),
    };
    let access = if rule.access.is_empty() { "rwm" } else { rule.access.as_str() };
    if !access.bytes().all(|b| b"rwm".contains(&b)) {
        return Err(bad(format!("{access:?} is not of the letters r, w, m")));
    }
    let number = |n: Option<i64>| match n {
        None | Some(-1) => Ok("*".to_owned()),
        Some(n) if n >= 0 => Ok(n.to_string()),
        Some(n) => Err(bad(format!("{n} is no device number"))),
    };
    Ok(format!("{kind} {}:{} {access}", number(rule.major)?, number(rule.minor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_one_line() {
        let rule = DeviceRule {
            allow: true,
            kind: "c".to_owned(),
            major: Some(10),
            minor: None,
            access: "rw".to_owned(),
        };
        assert_eq!(line(&rule).unwrap(), "c 10:* rw");
        let bad = DeviceRule { access: "rw\na".to_owned(), ..rule.clone() };
        assert!(line(&bad).is_err());
        assert!(line(&DeviceRule { kind: "x".to_owned(), ..rule }).is_err());
        assert!(is_default(&DeviceRule { access: "rwm".to_owned(), ..DeviceRule::default() }));
    }
}
