//! What block devices have done for a group. Source: the kernel's cgroup-v1/blkio-controller.rst,
//! block/bfq-cgroup.c, and cgroup-v2.rst ("io.stat").

use serde::Serialize;

use super::super::CgroupError;
use super::super::group::Group;

/// One number about one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceCount {
    /// What is counted.
    pub count: Count,
    /// The device's major number.
    pub major: u32,
    /// Its minor number.
    pub minor: u32,
    /// The kind of request (`Read`, `Write`, `Sync`, `Async`, `Discard`, `Total`); empty where all
    /// are counted as one.
    pub kind: String,
    /// The number.
    pub value: u64,
}

/// What is counted about a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    /// Bytes that were moved.
    Bytes,
    /// Requests that were served.
    Requests,
    /// Requests that wait; BFQ and CFQ on v1 alone, as those up to [`Self::Sectors`].
    Queued,
    /// Nanoseconds from dispatch to the end.
    ServiceTime,
    /// Nanoseconds of waiting before that.
    WaitTime,
    /// Requests that were merged with others.
    Merged,
    /// Milliseconds for which the group had the device.
    Time,
    /// Sectors that were moved.
    Sectors,
    /// Microseconds of the device by the cost model; v2 alone, as the next.
    CostUsage,
    /// Microseconds of waiting for want of credit.
    CostWait,
    /// Microseconds of paying for what was used beyond it.
    CostIndebt,
    /// Microseconds of being held back for that.
    CostIndelay,
}

/// Tables that count with these prefixes and endings, the fullest first. Which there are depends
/// on the scheduler of the devices; those of `throttle` are always there.
const SOURCES: [(&str, &str); 4] = [
    ("blkio.bfq.", "_recursive"),
    ("blkio.", "_recursive"),
    ("blkio.throttle.", "_recursive"),
    ("blkio.throttle.", ""),
];

/// Their names.
const TABLES: [(&str, Count); 8] = [
    ("io_service_bytes", Count::Bytes),
    ("io_serviced", Count::Requests),
    ("io_queued", Count::Queued),
    ("io_service_time", Count::ServiceTime),
    ("io_wait_time", Count::WaitTime),
    ("io_merged", Count::Merged),
    ("time", Count::Time),
    ("sectors", Count::Sectors),
];

/// What `io.stat` calls what, and which kind of request it is.
const KEYS: [(&str, Count, &str); 10] = [
    ("rbytes", Count::Bytes, "Read"),
    ("wbytes", Count::Bytes, "Write"),
    ("dbytes", Count::Bytes, "Discard"),
    ("rios", Count::Requests, "Read"),
    ("wios", Count::Requests, "Write"),
    ("dios", Count::Requests, "Discard"),
    ("cost.usage", Count::CostUsage, ""),
    ("cost.wait", Count::CostWait, ""),
    ("cost.indebt", Count::CostIndebt, ""),
    ("cost.indelay", Count::CostIndelay, ""),
];

/// The first source that has counted bytes, and all of its tables.
pub(super) fn read_v1(group: &Group) -> Result<Vec<DeviceCount>, CgroupError> {
    for (prefix, end) in SOURCES {
        let mut counts = Vec::new();
        for (name, count) in TABLES {
            let text = group.try_read(&format!("{prefix}{name}{end}"))?.unwrap_or_default();
            if count == Count::Bytes && !text.contains(':') {
                break;
            }
            counts.extend(text.lines().filter_map(|line| of_v1(count, line)));
        }
        if !counts.is_empty() {
            return Ok(counts);
        }
    }
    Ok(Vec::new())
}

pub(super) fn read_v2(group: &Group) -> Result<Vec<DeviceCount>, CgroupError> {
    let text = group.try_read("io.stat")?.unwrap_or_default();
    Ok(text.lines().flat_map(of_v2).collect())
}

/// A line such as `8:0 Read 4096` or `8:0 17`. The last line, over all devices, has no device.
fn of_v1(count: Count, line: &str) -> Option<DeviceCount> {
    let mut fields = line.split_ascii_whitespace();
    let (major, minor) = device(fields.next()?)?;
    let (first, second) = (fields.next()?, fields.next());
    let (kind, value) = second.map_or(("", first), |value| (first, value));
    Some(DeviceCount { count, major, minor, kind: kind.to_owned(), value: value.parse().ok()? })
}

/// A line such as `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`.
fn of_v2(line: &str) -> Vec<DeviceCount> {
    let mut fields = line.split_ascii_whitespace();
    let Some((major, minor)) = fields.next().and_then(device) else { return Vec::new() };
    let counts = fields.filter_map(|field| {
        let (key, value) = field.split_once('=')?;
        let (_, count, kind) = *KEYS.iter().find(|(name, ..)| *name == key)?;
        Some(DeviceCount { count, major, minor, kind: kind.to_owned(), value: value.parse().ok()? })
    });
    counts.collect()
}

fn device(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(count: Count, kind: &str, value: u64) -> DeviceCount {
        DeviceCount { count, major: 8, minor: 16, kind: kind.to_owned(), value }
    }

    #[test]
    fn a_line_of_v1_has_a_kind_or_none() {
        let discard = of_v1(Count::Bytes, "8:16 Discard 5");
        assert_eq!(discard, Some(one(Count::Bytes, "Discard", 5)));
        assert_eq!(of_v1(Count::Time, "8:16 7"), Some(one(Count::Time, "", 7)));
        assert_eq!(of_v1(Count::Bytes, "Total 12"), None);
    }

    #[test]
    fn a_line_of_v2_has_all_of_a_device() {
        let line = "8:16 rbytes=1 wios=4 dbytes=6 cost.wait=7 newer=9";
        let wanted = [
            one(Count::Bytes, "Read", 1),
            one(Count::Requests, "Write", 4),
            one(Count::Bytes, "Discard", 6),
            one(Count::CostWait, "", 7),
        ];
        assert_eq!(of_v2(line), wanted);
        assert_eq!(of_v2("(unknown) rbytes=1"), []);
    }
}
