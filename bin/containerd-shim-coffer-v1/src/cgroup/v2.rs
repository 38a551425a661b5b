//! What version 2 counts. Source: Linux Documentation/admin-guide/cgroup-v2.rst.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use coffer_sys::dir;

use super::place::{file, flat, huge_page_sizes, rdma};
use crate::wire::metrics_v2::{
    CpuStat, HugetlbStat, IoEntry, IoStat, MemoryEvents, MemoryStat, Metrics, PidsStat, Pressure,
    Waited,
};

/// The files of memory that hold one number.
const MEMORY: [&str; 6] = [
    "memory.current",
    "memory.max",
    "memory.swap.current",
    "memory.swap.max",
    "memory.peak",
    "memory.swap.peak",
];

/// All that the group at `path` counts.
pub(super) fn metrics(path: &Path) -> io::Result<Metrics> {
    let group = dir::open(path)?;
    let group = group.as_fd();
    let text = |name: &str| file(group, name).map(Option::unwrap_or_default);
    let mut cpu = CpuStat { psi: pressure(group, "cpu.pressure")?, ..CpuStat::default() };
    flat(&text("cpu.stat")?).for_each(|(key, value)| cpu.set(key, value));
    let mut memory = MemoryStat { psi: pressure(group, "memory.pressure")?, ..Default::default() };
    flat(&text("memory.stat")?).for_each(|(key, value)| memory.set(key, value));
    for name in MEMORY {
        memory.set(name, number(group, name)?);
    }
    let mut events = MemoryEvents::default();
    flat(&text("memory.events")?).for_each(|(key, value)| events.set(key, value));
    Ok(Metrics {
        pids: Some(PidsStat {
            current: number(group, "pids.current")?,
            limit: number(group, "pids.max")?,
        }),
        cpu: Some(cpu),
        memory: Some(memory),
        rdma: rdma(group)?,
        io: Some(IoStat {
            usage: text("io.stat")?.lines().filter_map(device).collect(),
            psi: pressure(group, "io.pressure")?,
        }),
        hugetlb: hugetlb(group)?,
        memory_events: Some(events),
    })
}

/// A file that holds one number. `max` is the largest, which clients read as no limit: with 0 they
/// would count what is left of it. A file that is not there is 0.
fn number(group: BorrowedFd<'_>, name: &str) -> io::Result<u64> {
    let text = file(group, name)?.unwrap_or_default();
    Ok(match text.trim() {
        "max" => u64::MAX,
        text => text.parse().unwrap_or_default(),
    })
}

fn hugetlb(group: BorrowedFd<'_>) -> io::Result<Vec<HugetlbStat>> {
    let of = |pagesize: String| {
        let events = file(group, &format!("hugetlb.{pagesize}.events"))?.unwrap_or_default();
        let failcnt = flat(&events).find_map(|(key, hits)| (key == "max").then_some(hits));
        Ok(HugetlbStat {
            current: number(group, &format!("hugetlb.{pagesize}.current"))?,
            max: number(group, &format!("hugetlb.{pagesize}.max"))?,
            failcnt: failcnt.unwrap_or_default(),
            pagesize,
        })
    };
    huge_page_sizes(group, ".current")?.into_iter().map(of).collect()
}

/// A pressure file; `None` where the kernel keeps no account.
fn pressure(group: BorrowedFd<'_>, name: &str) -> io::Result<Option<Pressure>> {
    let text = match file(group, name) {
        // The file is there, and the kernel was told to keep none.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error()) => {
            None
        }
        read => read?,
    };
    Ok(text.map(|text| {
        let line = |kind: &str| text.lines().find_map(|line| line.strip_prefix(kind)).map(waited);
        Pressure { some: line("some "), full: line("full ") }
    }))
}

/// Reads `avg10=1.50 avg60=0.07 avg300=0.00 total=12345`.
fn waited(fields: &str) -> Waited {
    let field = |name: &str| {
        let mut fields = fields.split(' ').filter_map(|field| field.split_once('='));
        fields.find_map(|(key, value)| (key == name).then_some(value)).unwrap_or_default()
    };
    let percent = |name| field(name).parse().unwrap_or_default();
    Waited {
        avg10: percent("avg10"),
        avg60: percent("avg60"),
        avg300: percent("avg300"),
        total: field("total").parse().unwrap_or_default(),
    }
}

/// Reads `8:0 rbytes=1 wbytes=2 rios=3 wios=4 …`.
fn device(line: &str) -> Option<IoEntry> {
    let mut words = line.split_whitespace();
    let (major, minor) = words.next()?.split_once(':')?;
    let mut entry =
        IoEntry { major: major.parse().ok()?, minor: minor.parse().ok()?, ..Default::default() };
    for (key, value) in words.filter_map(|word| word.split_once('=')) {
        let value = value.parse().unwrap_or_default();
        match key {
            "rbytes" => entry.rbytes = value,
            "wbytes" => entry.wbytes = value,
            "rios" => entry.rios = value,
            "wios" => entry.wios = value,
            _ => {}
        }
    }
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_group_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("pids.current", "3\n"),
            ("pids.max", "max\n"),
            (
                "cpu.stat",
                "usage_usec 500\nuser_usec 300\nnr_bursts 2\ncore_sched.force_idle_usec 0\n",
            ),
            (
                "cpu.pressure",
                "some avg10=1.50 avg60=0.07 avg300=0.00 total=12345\n\
                 full avg10=0.00 avg60=0.00 avg300=100.00 total=7\n",
            ),
            ("hugetlb.2MB.current", "2097152\n"),
            ("hugetlb.2MB.max", "max\n"),
            ("hugetlb.2MB.events", "max 4\n"),
            ("hugetlb.2MB.rsvd.current", "0\n"),
            ("rdma.current", "mlx4_0 hca_handle=2 hca_object=20\n"),
            ("rdma.max", "mlx4_0 hca_handle=3 hca_object=max\n"),
            ("memory.stat", "anon 4096\nfile 8192\nnewer_than_this 1\n"),
            ("memory.current", "12288\n"),
            ("memory.max", "67108864\n"),
            ("memory.events", "low 0\noom 1\noom_kill 2\n"),
            ("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"),
        ] {
            let mut file = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.persist(folder.path().join(name)).unwrap();
        }
        let metrics = metrics(folder.path()).unwrap();
        assert_eq!(metrics.pids, Some(PidsStat { current: 3, limit: u64::MAX }));
        let cpu = metrics.cpu.unwrap();
        assert_eq!((cpu.user_usec, cpu.nr_bursts), (300, 2));
        let (some, full) = (cpu.psi.unwrap().some.unwrap(), cpu.psi.unwrap().full.unwrap());
        assert_eq!((some.avg10, some.avg60, some.total, full.avg300), (1.5, 0.07, 12345, 100.0));
        let memory = metrics.memory.unwrap();
        assert_eq!((memory.anon, memory.usage, memory.usage_limit), (4096, 12288, 67_108_864));
        assert_eq!(metrics.memory_events.unwrap().oom_kill, 2);
        assert_eq!(metrics.io.unwrap().usage[0].wios, 4);
        let huge =
            HugetlbStat { current: 2 << 20, max: u64::MAX, pagesize: "2MB".into(), failcnt: 4 };
        assert_eq!(metrics.hugetlb, [huge]);
        let rdma = metrics.rdma.unwrap();
        assert_eq!((rdma.current[0].hca_objects, rdma.limit[0].hca_objects), (20, u32::MAX));
    }
}
