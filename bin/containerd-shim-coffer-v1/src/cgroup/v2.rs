//! What version 2 counts. Source: Linux Documentation/admin-guide/cgroup-v2.rst.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use coffer_sys::dir;

use super::place::{file, flat, number};
use crate::wire::metrics_v2::{
    CpuStat, IoEntry, IoStat, MemoryEvents, MemoryStat, Metrics, PidsStat,
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
    let text = |name: &str| file(group.as_fd(), name).map(Option::unwrap_or_default);
    let mut cpu = CpuStat::default();
    flat(&text("cpu.stat")?).for_each(|(key, value)| cpu.set(key, value));
    let mut memory = MemoryStat::default();
    flat(&text("memory.stat")?).for_each(|(key, value)| memory.set(key, value));
    for name in MEMORY {
        memory.set(name, number(group.as_fd(), name)?);
    }
    let mut events = MemoryEvents::default();
    flat(&text("memory.events")?).for_each(|(key, value)| events.set(key, value));
    Ok(Metrics {
        pids: Some(PidsStat {
            current: number(group.as_fd(), "pids.current")?,
            limit: number(group.as_fd(), "pids.max")?,
        }),
        cpu: Some(cpu),
        memory: Some(memory),
        io: Some(IoStat { usage: text("io.stat")?.lines().filter_map(device).collect() }),
        memory_events: Some(events),
    })
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
            ("cpu.stat", "usage_usec 500\nuser_usec 300\ncore_sched.force_idle_usec 0\n"),
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
        assert_eq!(metrics.pids, Some(PidsStat { current: 3, limit: 0 }));
        assert_eq!(metrics.cpu.unwrap().user_usec, 300);
        let memory = metrics.memory.unwrap();
        assert_eq!((memory.anon, memory.usage, memory.usage_limit), (4096, 12288, 67_108_864));
        assert_eq!(metrics.memory_events.unwrap().oom_kill, 2);
        assert_eq!(metrics.io.unwrap().usage[0].wios, 4);
    }
}
