//! `--memory`, `--cpus` and their like: their forms, and which of them this host and each other
//! leave room for. Source: docker's `run` reference, "Runtime constraints on resources".

use std::fs::File;
use std::io::Read;
use std::str::FromStr;

use super::Size;
use super::container::LimitFlags;
use super::value::{SwapSize, ValueError};
use crate::failure::Failure;

/// Less memory than this holds no program. Source: docker's minimum for `--memory`.
pub(super) const LEAST_MEMORY: u64 = 6 << 20;

/// Less of a processor than this in thousandths the kernel does not share out (a quota of a
/// millisecond). Source: docker's minimum for `--cpus`; Linux, `min_cfs_quota_period`.
pub(super) const LEAST_CPUS: u64 = 10;

/// The most tasks that a control group counts. Source: linux/threads.h, `PID_MAX_LIMIT`.
const MOST_TASKS: u64 = 4 << 20;

/// A number of bytes, or no limit: `-1`, and `0` as with docker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemorySize {
    /// At most so many.
    At(Size),
    /// As many as the host has.
    None,
}

impl FromStr for MemorySize {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match (text, text.parse::<Size>()) {
            ("-1", _) | (_, Ok(Size(0))) => Ok(Self::None),
            (_, Ok(size)) if size.0 >= LEAST_MEMORY => Ok(Self::At(size)),
            _ => Err(ValueError::Memory),
        }
    }
}

/// A number of bytes above 0: what has a size of 0 has none to the kernel (man 5 tmpfs).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room(pub(crate) u64);

impl FromStr for Room {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.parse() {
            Ok(Size(0)) | Err(_) => Err(ValueError::Room),
            Ok(Size(bytes)) => Ok(Self(bytes)),
        }
    }
}

/// A number, or no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// At most so many.
    At(u64),
    /// As many as the host allows.
    None,
}

impl FromStr for Limit {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match (text, text.parse()) {
            ("-1" | "unlimited", _) => Ok(Self::None),
            (_, Ok(count @ 1..=MOST_TASKS)) => Ok(Self::At(count)),
            _ => Err(ValueError::Limit),
        }
    }
}

/// A weight among others; 0, as with docker, for the usual one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares(pub(crate) Option<u64>);

impl FromStr for Shares {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.parse() {
            Ok(0) => Ok(Self(None)),
            // As the kernel has them: sched.h, MIN_SHARES and MAX_SHARES.
            Ok(shares @ 2..=262_144) => Ok(Self(Some(shares))),
            _ => Err(ValueError::Shares),
        }
    }
}

/// Processors or memory nodes: `0-3,7`. Source: man 7 cpuset, "List format".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct List {
    text: String,
    /// First and last of each range.
    ranges: Vec<(u32, u32)>,
}

impl FromStr for List {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some((first, last))
        };
        let ranges = text.split(',').map(range).collect::<Option<_>>().ok_or(ValueError::List)?;
        Ok(Self { text: text.to_owned(), ranges })
    }
}

/// Digits alone: the kernel takes no sign.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}

impl List {
    /// As it was written.
    pub(crate) fn text(&self) -> String {
        self.text.clone()
    }

    /// Whether all of it is in `other`, a list of the kernel's.
    fn within(&self, other: &Self) -> bool {
        // The kernel lists ranges that do not touch, so each of ours lies within one of them.
        let has = |(first, last): &(u32, u32)| {
            other.ranges.iter().any(|(from, to)| from <= first && last <= to)
        };
        self.ranges.iter().all(has)
    }

    fn count(&self) -> u64 {
        self.ranges.iter().map(|(first, last)| u64::from(last - first) + 1).sum()
    }
}

/// What of the host a list names, where the kernel lists it.
fn of_host(path: &str) -> Option<List> {
    #[expect(clippy::disallowed_methods, reason = "the kernel's own file")]
    let file = File::open(path).ok()?;
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Where the kernel lists the processors that run, and the nodes that have memory.
const PROCESSORS: &str = "/sys/devices/system/cpu/online";
const NODES: &str = "/sys/devices/system/node/online";

impl LimitFlags {
    /// Refuses limits that contradict each other, or that this host cannot give. Nothing of the
    /// host is read for a flag that is not there.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.check_memory()?;
        if let Some(cpus) = self.cpus
            && let Some(host) = of_host(PROCESSORS)
            && cpus.0 > host.count() * 1000
        {
            let (asked, has) = (cpus.0.div_ceil(1000), host.count());
            return Err(Failure::new(format!(
                "--cpus asks for {asked} processors, and this host has {has}"
            ))
            .help(format!("ask for {has} at most, or leave --cpus out")));
        }
        check_list("--cpuset-cpus", self.cpuset_cpus.as_ref(), PROCESSORS)?;
        check_list("--cpuset-mems", self.cpuset_mems.as_ref(), NODES)
    }

    fn check_memory(&self) -> Result<(), Failure> {
        let memory = match self.memory {
            Some(MemorySize::At(size)) => Some(size.0),
            Some(MemorySize::None) | None => None,
        };
        match (self.memory_swap, memory) {
            (Some(SwapSize::At(Size(both))), Some(memory)) if both != 0 && both < memory => {
                return Err(Failure::new("--memory-swap is less than --memory")
                    .because("it counts memory and swap together")
                    .help("give --memory-swap at least as much as --memory, or -1 for no limit of swap"));
            }
            (Some(SwapSize::At(Size(1..))), None) => {
                return Err(Failure::new("--memory-swap needs --memory too")
                    .because("it counts memory and swap together")
                    .help("say how much of it is memory: --memory SIZE"));
            }
            _ => {}
        }
        match (self.memory_reservation, memory) {
            (Some(kept), Some(memory)) if kept.0 > memory => {
                Err(Failure::new("--memory-reservation is more than --memory")
                    .because("what is kept when memory is short is a part of what may be used")
                    .help("give --memory-reservation less than --memory"))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses what the host does not have.
fn check_list(flag: &str, asked: Option<&List>, path: &str) -> Result<(), Failure> {
    match (asked, of_host_for(asked, path)) {
        (Some(asked), Some(host)) if !asked.within(&host) => {
            Err(Failure::new(format!("{flag} {} is not all there", asked.text))
                .because(format!("this host has {}", host.text))
                .help(format!("{flag} {}", host.text)))
        }
        _ => Ok(()),
    }
}

fn of_host_for(asked: Option<&List>, path: &str) -> Option<List> {
    asked.and_then(|_| of_host(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn memory_is_a_size_or_none() {
        assert_eq!("512m".parse(), Ok(MemorySize::At(Size(512 << 20))));
        for none in ["0", "-1", "0m"] {
            assert_eq!(none.parse(), Ok(MemorySize::None), "{none}");
        }
        for bad in ["", "1", "5m", "-2", "x"] {
            assert_eq!(bad.parse::<MemorySize>(), Err(ValueError::Memory), "{bad}");
        }
        assert_eq!("0".parse::<Room>(), Err(ValueError::Room));
    }

    #[test]
    fn counts_are_those_of_the_kernel() {
        assert_eq!("-1".parse(), Ok(Limit::None));
        for bad in ["0", "4194305", "x", ""] {
            assert_eq!(bad.parse::<Limit>(), Err(ValueError::Limit), "{bad}");
        }
        assert_eq!("0".parse(), Ok(Shares(None)));
        assert_eq!("1".parse::<Shares>(), Err(ValueError::Shares));
    }

    #[test]
    fn lists_are_ranges_that_go_up() {
        let list = |text: &str| text.parse::<List>();
        let host = list("0-3,8").unwrap();
        assert!(list("1-2,8").unwrap().within(&host) && !list("3-8").unwrap().within(&host));
        assert_eq!(host.count(), 5);
        for bad in ["", "x", "1-0", "0-", "-1", "0,,1", "0 1", "+1"] {
            assert_eq!(list(bad), Err(ValueError::List), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_list_is_read_or_refused(text in ".{0,20}") {
            if let Ok(list) = text.parse::<List>() {
                prop_assert!(list.within(&list) && list.count() > 0);
            }
        }
    }
}
