//! Settings as properties of a unit.
//!
//! They are set twice: here, so that systemd knows of them and leaves them alone when it writes
//! to the group again, and in the group's files, which have more of them and are exact. Source:
//! man 5 systemd.resource-control; man 5 org.freedesktop.systemd1, "Scope Unit Objects".

use super::super::Settings;
use super::super::v2;
use super::value::Value;

/// Where a quota has no period, microseconds. Source: the kernel's scheduler/sched-bwc.rst.
const PERIOD_US: u64 = 100_000;
/// A hundredth of a processor, microseconds in each second: systemd knows whole ones.
const PERCENT_US: u64 = 10_000;

/// What `settings` are as properties; those that systemd has none for are left to the files.
pub(super) fn properties(settings: &Settings) -> Vec<Value> {
    let mut properties = Vec::new();
    for file in v2::files(settings) {
        let number = |name| number(&file.value).map(|n| Value::property(name, Value::U64(n)));
        let list = |name| bits(&file.value).map(|bits| Value::property(name, bits));
        match &*file.name {
            "memory.max" => properties.extend(number("MemoryMax")),
            "memory.high" => properties.extend(number("MemoryHigh")),
            "memory.low" => properties.extend(number("MemoryLow")),
            "memory.min" => properties.extend(number("MemoryMin")),
            "memory.swap.max" => properties.extend(number("MemorySwapMax")),
            "pids.max" => properties.extend(number("TasksMax")),
            "cpu.weight" => properties.extend(number("CPUWeight")),
            "cpu.max" => properties.extend(quota(&file.value).into_iter().flatten()),
            "cpuset.cpus" => properties.extend(list("AllowedCPUs")),
            "cpuset.mems" => properties.extend(list("AllowedMemoryNodes")),
            _ => {}
        }
    }
    properties
}

/// systemd's word for "without limit" is the largest number.
fn number(text: &str) -> Option<u64> {
    match text.trim() {
        "max" => Some(u64::MAX),
        digits => digits.parse().ok(),
    }
}

/// The line of `cpu.max`, as time in each second.
fn quota(line: &str) -> Option<[Value; 2]> {
    let mut words = line.split_ascii_whitespace();
    let quota = number(words.next()?)?;
    let period = words.next().map_or(Some(PERIOD_US), |word| word.parse().ok())?.max(1);
    let each_second = match quota {
        u64::MAX => u64::MAX,
        us => us.saturating_mul(1_000_000).div_ceil(period).next_multiple_of(PERCENT_US),
    };
    Some([
        Value::property("CPUQuotaPeriodUSec", Value::U64(period)),
        Value::property("CPUQuotaPerSecUSec", Value::U64(each_second)),
    ])
}

/// A list such as `0-3,7` as a set of bits, the lowest first. One that systemd could not have
/// (more than 8192 processors) is left to the file.
fn bits(list: &str) -> Option<Value> {
    let mut set = Vec::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
        for bit in first..=last.min(8191) {
            let (at, bit) = (usize::from(bit / 8), bit % 8);
            if set.len() <= at {
                set.resize(at + 1, 0u8);
            }
            *set.get_mut(at)? |= 1 << bit;
        }
    }
    Some(Value::Array("y".to_owned(), set.into_iter().map(Value::Byte).collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(resources: serde_json::Value) -> Vec<Value> {
        properties(&Settings::of_bundle(&serde_json::from_value(resources).unwrap()).unwrap())
    }

    fn numbers(pairs: &[(&str, u64)]) -> Vec<Value> {
        pairs.iter().map(|(name, n)| Value::property(name, Value::U64(*n))).collect()
    }

    #[test]
    fn limits_become_properties() {
        let asked = json!({
            "memory": {"limit": 100, "swap": 150, "reservation": -1},
            "pids": {"limit": -1},
            "unified": {"memory.high": "max", "memory.oom.group": "1"},
        });
        let expected = [
            ("TasksMax", u64::MAX),
            ("MemoryLow", u64::MAX),
            ("MemoryMax", 100),
            ("MemorySwapMax", 50),
            ("MemoryHigh", u64::MAX),
        ];
        assert_eq!(set(asked), numbers(&expected));
    }

    #[test]
    fn a_quota_is_time_in_each_second() {
        let cpu = |quota: i64, period: u64| json!({"cpu": {"quota": quota, "period": period}});
        let pair =
            |period, us| numbers(&[("CPUQuotaPeriodUSec", period), ("CPUQuotaPerSecUSec", us)]);
        assert_eq!(set(cpu(20_000, 0)), pair(100_000, 200_000));
        assert_eq!(set(cpu(1_001, 100_000)), pair(100_000, 20_000));
        assert_eq!(set(cpu(-1, 50_000)), pair(50_000, u64::MAX));
    }

    #[test]
    fn a_list_becomes_bits() {
        let bytes = |bytes: &[u8]| {
            Some(Value::Array("y".to_owned(), bytes.iter().copied().map(Value::Byte).collect()))
        };
        assert_eq!(bits("0-1,8"), bytes(&[3, 1]));
        assert_eq!(bits("9\n"), bytes(&[0, 2]));
        assert_eq!(bits("0-10:2/4"), None);
    }
}
