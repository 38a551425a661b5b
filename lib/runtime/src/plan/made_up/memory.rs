//! `/proc/meminfo` and `/proc/swaps` under a limit of memory. Source: man 5 proc_meminfo,
//! proc_swaps.

use crate::cgroup::{Limits, Swap};

/// Memory as the container has it, in KiB.
#[derive(Debug)]
pub(super) struct Memory {
    host: String,
    total: u64,
    swap: u64,
}

impl Memory {
    /// What `limits` leave of what the host has, by its `/proc/meminfo`.
    pub(super) fn new(host: String, limits: &Limits) -> Self {
        let of_host = |name| value(&host, name).unwrap_or(u64::MAX);
        let limit = limits.memory_bytes.map_or(u64::MAX, |bytes| bytes / 1024);
        let swap = match limits.swap {
            Swap::LikeMemory => limit,
            Swap::Bytes(bytes) | Swap::Share(bytes) => bytes / 1024,
            Swap::Unlimited => u64::MAX,
        };
        let (total, swap) = (limit.min(of_host("MemTotal")), swap.min(of_host("SwapTotal")));
        Self { total, swap, host }
    }

    /// The files, by their paths.
    pub(super) fn files(&self) -> [(&'static str, String); 2] {
        [("/proc/meminfo", self.meminfo()), ("/proc/swaps", self.swaps())]
    }

    /// The host's lines, so that whoever looks for one finds it. All is free; what is neither
    /// memory nor swap is nothing.
    fn meminfo(&self) -> String {
        let line = |line: &str| {
            let (name, rest) = line.split_once(':')?;
            let number = match name {
                "MemTotal" | "MemFree" | "MemAvailable" => self.total,
                "SwapTotal" | "SwapFree" => self.swap,
                "CommitLimit" => self.total.saturating_add(self.swap),
                "Hugepagesize" | "VmallocTotal" => value(&self.host, name)?,
                _ => 0,
            };
            let unit = if rest.ends_with("kB") { " kB" } else { "" };
            let name = format!("{name}:");
            Some(format!("{name:<16}{number:>8}{unit}\n"))
        };
        self.host.lines().filter_map(line).collect()
    }

    fn swaps(&self) -> String {
        let head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        match self.swap {
            0 => head.to_owned(),
            swap => format!("{head}{:<40}virtual\t\t{swap}\t\t0\t\t0\n", "none"),
        }
    }
}

/// The number in the line of `name`.
fn value(meminfo: &str, name: &str) -> Option<u64> {
    let rest = |line: &str| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned);
    meminfo.lines().find_map(rest)?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "MemTotal:       24668868 kB\nMemFree:         1000000 kB\n\
        Buffers:           42 kB\nSwapTotal:       1048576 kB\nHugePages_Total:       3\n\
        Hugepagesize:       2048 kB\nCommitLimit:    1 kB\n";

    fn seen(memory: u64, swap: Swap) -> Memory {
        let limits = Limits { memory_bytes: Some(memory << 20), swap, ..Limits::default() };
        Memory::new(HOST.to_owned(), &limits)
    }

    #[test]
    fn memory_is_what_the_limit_says_and_no_more_than_there_is() {
        let text = seen(256, Swap::Bytes(128 << 20)).meminfo();
        let number = |name| value(&text, name);
        assert_eq!(number("MemTotal"), Some(262_144));
        assert_eq!((number("MemFree"), number("Buffers")), (Some(262_144), Some(0)));
        assert_eq!((number("SwapTotal"), number("CommitLimit")), (Some(131_072), Some(393_216)));
        assert_eq!((number("HugePages_Total"), number("Hugepagesize")), (Some(0), Some(2048)));
        assert_eq!(text.lines().count(), HOST.lines().count());
        let huge = seen(1 << 30, Swap::Unlimited).meminfo();
        assert_eq!(value(&huge, "MemTotal"), Some(24_668_868));
        assert_eq!(value(&huge, "SwapTotal"), Some(1_048_576));
    }

    #[test]
    fn swap_stands_in_a_line_where_there_is_some() {
        assert_eq!(seen(256, Swap::Bytes(0)).swaps().lines().count(), 1);
        let swaps = seen(256, Swap::LikeMemory).swaps();
        let columns: Vec<&str> = swaps.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(columns, ["none", "virtual", "262144", "0", "0"]);
    }
}
