//! Limits on resources of a process (`--ulimit`). Source: man 2 getrlimit; docker's `--ulimit`.

use std::fmt;
use std::os::fd::AsFd;
use std::path::Path;

use coffer_oci::runtime::Rlimit as SpecLimit;
use rustix::process::{Resource, Rlimit, getrlimit};
use serde::{Deserialize, Serialize};

use crate::capability::{CapSet, Capability};
use crate::confinement::SetBy;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    /// As docker names it.
    name: &'static str,
    resource: Resource,
}

macro_rules! kinds {
    ($($name:literal $resource:ident)*) => {
        [$(Kind { name: $name, resource: Resource::$resource },)*]
    };
}

const KINDS: [Kind; 16] = kinds! {
    "as" As "core" Core "cpu" Cpu "data" Data "fsize" Fsize "locks" Locks "memlock" Memlock
    "msgqueue" Msgqueue "nice" Nice "nofile" Nofile "nproc" Nproc "rss" Rss "rtprio" Rtprio
    "rttime" Rttime "sigpending" Sigpending "stack" Stack
};

/// No limit. Source: asm-generic/resource.h, `RLIM_INFINITY`.
pub const UNLIMITED: u64 = u64::MAX;

/// One limit, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// What is limited, as docker names it: `nofile`.
    name: String,
    /// What the kernel enforces.
    pub soft: u64,
    /// The most that the process may raise the soft limit to.
    pub hard: u64,
    /// Who asked for it.
    pub by: SetBy,
}

/// Why a limit cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// No such resource.
    #[error(
        "limit {0:?} does not exist; there are as, core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending and stack"
    )]
    Name(String),
    /// The soft limit is above the hard one.
    #[error("limit {name}: the soft limit {soft} is above the hard limit {hard}")]
    Order {
        /// What is limited.
        name: String,
        /// The soft limit.
        soft: u64,
        /// The hard limit.
        hard: u64,
    },
    /// The hard limit is above the host's.
    #[error("limit {name}={} is above this host's hard limit {}", Amount(*.wanted), Amount(*.host))]
    AboveHost {
        /// What is limited.
        name: String,
        /// What was asked for.
        wanted: u64,
        /// What the caller itself is limited to.
        host: u64,
    },
}

/// The hard limits of a process; what it starts cannot have more, unless it may raise them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostLimits {
    /// Those of the calling process, each read when it is asked for.
    Own,
    /// The same for every resource: for tests.
    Same(u64),
}

impl HostLimits {
    /// The limit of a resource by its name; none for a name that is no resource.
    pub fn hard(&self, name: &str) -> Option<u64> {
        let kind = KINDS.iter().find(|kind| kind.name == name)?;
        Some(match self {
            Self::Own => getrlimit(kind.resource).maximum.unwrap_or(UNLIMITED),
            Self::Same(limit) => *limit,
        })
    }

    /// The most that can be had of a resource by its name: root of the host raises hard limits.
    fn most(&self, name: &str) -> Option<u64> {
        let hard = self.hard(name)?;
        Some(match (self, name) {
            (Self::Own, "nofile") if may_raise() => most_files().unwrap_or(hard).max(hard),
            (Self::Own, _) if may_raise() => UNLIMITED,
            _ => hard,
        })
    }
}

/// Whether the calling process may raise hard limits: `CAP_SYS_RESOURCE`, of the host's own user
/// namespace. Source: man 2 getrlimit.
fn may_raise() -> bool {
    let held = rustix::thread::capabilities(None).map(|sets| sets.effective.bits());
    let held = CapSet::from_bits(held.unwrap_or_default());
    held.has(Capability::SysResource) && coffer_sys::userns::is_first().unwrap_or(false)
}

/// The most descriptors that a process can have on this host. Source: proc_sys_fs(5), `nr_open`.
fn most_files() -> Option<u64> {
    let file = coffer_sys::dir::open(Path::new("/proc/sys/fs")).ok()?;
    let bytes = coffer_sys::dir::read(file.as_fd(), "nr_open", 64).ok()??;
    std::str::from_utf8(&bytes).ok()?.trim().parse().ok()
}

/// The defaults: enough descriptors for servers that raise the soft limit themselves while
/// `select` in old programs still works; and core files are off. A hard limit of 1, not of 0: it
/// is what the kernel looks at before it starts the host's core handler on the container's data
/// (linux fs/coredump.c, a piped core_pattern ignores 0).
const DEFAULTS: [(&str, u64, u64); 2] = [("nofile", 1024, 524_288), ("core", 1, 1)];

impl Limit {
    /// The limit of a bundle's configuration, whose names are `RLIMIT_NOFILE` and the like.
    /// Whether the host allows it, the kernel says: the caller may be one who can raise limits.
    ///
    /// # Errors
    /// [`LimitError::Name`] or [`LimitError::Order`].
    pub fn of_spec(asked: &SpecLimit) -> Result<Self, LimitError> {
        let name = asked.kind.strip_prefix("RLIMIT_").map(str::to_ascii_lowercase);
        let name = name.ok_or_else(|| LimitError::Name(asked.kind.clone()))?;
        let limit = Self { name, soft: asked.soft, hard: asked.hard, by: SetBy::Caller };
        limit.check(&HostLimits::Same(UNLIMITED))?;
        Ok(limit)
    }

    /// What is limited, as docker names it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is limited, as runtime-spec names it: `RLIMIT_NOFILE`.
    pub fn spec_name(&self) -> String {
        format!("RLIMIT_{}", self.name.to_ascii_uppercase())
    }

    /// What is limited and by how much, as the kernel takes it.
    ///
    /// # Errors
    /// [`LimitError::Name`] where the record that it was read from named no resource.
    pub fn kernel(&self) -> Result<(Resource, Rlimit), LimitError> {
        let side = |value| (value != UNLIMITED).then_some(value);
        let kind = KINDS.iter().find(|kind| kind.name == self.name);
        let kind = kind.ok_or_else(|| LimitError::Name(self.name.clone()))?;
        Ok((kind.resource, Rlimit { current: side(self.soft), maximum: side(self.hard) }))
    }

    /// Checks it against the host's.
    ///
    /// # Errors
    /// A [`LimitError`].
    pub fn check(&self, host: &HostLimits) -> Result<(), LimitError> {
        let name = || self.name.clone();
        let own = host.hard(&self.name).ok_or_else(|| LimitError::Name(name()))?;
        if self.soft > self.hard {
            return Err(LimitError::Order { name: name(), soft: self.soft, hard: self.hard });
        }
        if self.hard > own {
            let host = host.most(&self.name).unwrap_or(own);
            if self.hard > host {
                return Err(LimitError::AboveHost { name: name(), wanted: self.hard, host });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}:{}", self.name, Amount(self.soft), Amount(self.hard))
    }
}

/// A limit in words.
struct Amount(u64);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == UNLIMITED { f.write_str("unlimited") } else { self.0.fmt(f) }
    }
}

/// Checks what was asked for and adds the defaults, lowered to what the host allows.
///
/// # Errors
/// A [`LimitError`] for the first that cannot be set.
pub fn choose(asked: &[SpecLimit], host: &HostLimits) -> Result<Vec<Limit>, LimitError> {
    let mut chosen: Vec<Limit> = Vec::with_capacity(asked.len() + DEFAULTS.len());
    for limit in asked {
        let name = limit.kind.strip_prefix("RLIMIT_").unwrap_or(&limit.kind).to_ascii_lowercase();
        let limit = Limit { name, soft: limit.soft, hard: limit.hard, by: SetBy::Caller };
        limit.check(host)?;
        // As in docker, the last one of a kind wins.
        chosen.retain(|other| other.name != limit.name);
        chosen.push(limit);
    }
    for (name, soft, hard) in DEFAULTS {
        let most = host.hard(name).unwrap_or(UNLIMITED);
        if chosen.iter().all(|other| other.name != name) {
            let (soft, hard) = (soft.min(most), hard.min(most));
            chosen.push(Limit { name: name.to_owned(), soft, hard, by: SetBy::Default });
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: HostLimits = HostLimits::Same(4096);

    fn asked(kind: &str, soft: u64, hard: u64) -> SpecLimit {
        SpecLimit { kind: kind.to_owned(), soft, hard }
    }

    #[test]
    fn defaults_fit_into_the_host() {
        let chosen = choose(&[], &HOST).unwrap();
        let words: Vec<String> = chosen.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["nofile=1024:4096", "core=1:1"]);
    }

    #[test]
    fn the_last_of_a_kind_wins() {
        let limits =
            [asked("RLIMIT_NOFILE", 1, 2), asked("nofile", 3, 4), asked("RLIMIT_CORE", 0, 0)];
        let chosen = choose(&limits, &HOST).unwrap();
        let words: Vec<String> = chosen.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["nofile=3:4", "core=0:0"]);
        assert_eq!(chosen[0].spec_name(), "RLIMIT_NOFILE");
    }

    #[test]
    fn what_cannot_be_set_is_refused_before_the_start() {
        let error = |limit| choose(&[limit], &HOST).unwrap_err().to_string();
        assert_eq!(
            error(asked("nofile", 1, UNLIMITED)),
            "limit nofile=unlimited is above this host's hard limit 4096"
        );
        assert_eq!(
            error(asked("cpu", 5, 4)),
            "limit cpu: the soft limit 5 is above the hard limit 4"
        );
        assert!(error(asked("files", 1, 1)).starts_with("limit \"files\" does not exist"));
    }

    #[test]
    fn unlimited_is_what_the_kernel_calls_it() {
        let host = HostLimits::Same(UNLIMITED);
        let chosen = choose(&[asked("stack", 7, UNLIMITED)], &host).unwrap();
        let (resource, limit) = chosen[0].kernel().unwrap();
        assert_eq!((resource, limit.current, limit.maximum), (Resource::Stack, Some(7), None));
    }

    #[test]
    fn a_process_may_have_what_it_has() {
        let host = HostLimits::Own;
        assert!(host.hard("nofile").is_some() && host.hard("x").is_none());
        choose(&[], &host).unwrap();
    }
}
