//! Which capabilities a container gets: the default, and docker's two flags over it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{CapSet, Capability, CapabilityError};

/// One entry of the default set, or of what docker grants and we do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The capability.
    pub capability: Capability,
    /// What needs it, or what stands in for it.
    pub why: &'static str,
}

const fn grant(capability: Capability, why: &'static str) -> Grant {
    Grant { capability, why }
}

/// The default: what the entrypoints of common images cannot do without. All of it holds over
/// the container's own range of ids only, as long as the container has its own user namespace.
pub const GRANTED: [Grant; 7] = [
    grant(Capability::Chown, "entrypoints hand data folders to their service's user"),
    grant(Capability::DacOverride, "root writes into folders that a service's user owns"),
    grant(Capability::Fowner, "root sets modes on data that a service's user owns (postgres)"),
    grant(Capability::Fsetid, "chmod g+s on another group's folder would lose the bit silently"),
    grant(Capability::Kill, "a root master signals workers of another user (nginx, apache)"),
    grant(Capability::Setgid, "services leave root's groups (gosu, su-exec, initgroups)"),
    grant(Capability::Setuid, "services leave root (gosu, su-exec, setpriv)"),
];

/// What docker grants and we do not, each with what stands in for it.
pub const WITHHELD: [Grant; 7] = [
    grant(Capability::NetRaw, "lets a container forge packets; ping works through ICMP sockets"),
    grant(Capability::Mknod, "device nodes are made before the container starts"),
    grant(Capability::Setfcap, "no_new_privs makes file capabilities worthless inside"),
    grant(Capability::AuditWrite, "writes into the host's audit log"),
    grant(Capability::Setpcap, "only moves capabilities about; services drop theirs without it"),
    grant(
        Capability::NetBindService,
        "ports below 1024 are open to all: ip_unprivileged_port_start=0",
    ),
    grant(Capability::SysChroot, "a way out of half-closed roots; only sshd and the like need it"),
];

impl CapSet {
    /// The default set, [`GRANTED`].
    pub const DEFAULT: Self = {
        let (mut set, mut i) = (Self::EMPTY, 0);
        while i < GRANTED.len() {
            set = set.with(GRANTED[i].capability);
            i += 1;
        }
        set
    };
}

/// What `--cap-add` and `--cap-drop` take: a capability or `ALL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CapWord {
    /// Every capability that the kernel has.
    All,
    /// This one.
    One(Capability),
}

impl FromStr for CapWord {
    type Err = CapabilityError;

    fn from_str(text: &str) -> Result<Self, CapabilityError> {
        if text.eq_ignore_ascii_case("all") || text.eq_ignore_ascii_case("cap_all") {
            return Ok(Self::All);
        }
        text.parse().map(Self::One)
    }
}

impl fmt::Display for CapWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("ALL"),
            Self::One(capability) => capability.fmt(f),
        }
    }
}

/// Applies docker's flags to `basics`; `ALL` stands for `known`, what the kernel has.
///
/// As in docker, `--cap-add ALL` gives all but the dropped, `--cap-drop ALL` leaves the added
/// alone, and otherwise what is both dropped and added is there.
pub fn tweak(basics: CapSet, known: CapSet, add: &[CapWord], drop: &[CapWord]) -> CapSet {
    let one = |word: &CapWord| match word {
        CapWord::All => None,
        CapWord::One(capability) => Some(*capability),
    };
    let added: CapSet = add.iter().filter_map(one).collect();
    let dropped: CapSet = drop.iter().filter_map(one).collect();
    match (add.contains(&CapWord::All), drop.contains(&CapWord::All)) {
        (true, true) => CapSet::EMPTY,
        (true, false) => known.minus(dropped),
        (false, true) => added,
        (false, false) => basics.minus(dropped).union(added),
    }
}

/// The capabilities of a container with these flags, over the default.
///
/// # Errors
/// A [`CapabilityError`] for the first word that names none.
pub fn granted(add: &[String], drop: &[String], known: CapSet) -> Result<CapSet, CapabilityError> {
    Ok(tweak(CapSet::DEFAULT, known, &words(add)?, &words(drop)?))
}

/// Reads the words of a flag.
///
/// # Errors
/// A [`CapabilityError`] for the first that names no capability.
pub fn words(texts: &[String]) -> Result<Vec<CapWord>, CapabilityError> {
    texts.iter().map(|text| text.parse()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(add: &str, drop: &str) -> CapSet {
        let words = |list: &str| -> Vec<CapWord> {
            list.split_whitespace().map(|word| word.parse().unwrap()).collect()
        };
        tweak(CapSet::DEFAULT, CapSet::ALL, &words(add), &words(drop))
    }

    #[test]
    fn flags_mean_what_docker_means() {
        assert_eq!(flags("", ""), CapSet::DEFAULT);
        assert_eq!(flags("NET_RAW", "ALL"), CapSet::of(&[Capability::NetRaw]));
        assert_eq!(
            flags("all", "sys_admin"),
            CapSet::ALL.minus(CapSet::of(&[Capability::SysAdmin]))
        );
        assert_eq!(flags("CHOWN", "CHOWN"), CapSet::DEFAULT);
        assert_eq!(flags("", "CAP_CHOWN").iter().count(), GRANTED.len() - 1);
        assert_eq!(flags("", "CAP_ALL"), CapSet::EMPTY);
        assert_eq!(flags("ALL", "ALL"), CapSet::EMPTY);
    }

    /// DESIGN, "Secure by default": never these.
    #[test]
    fn the_default_lacks_what_it_must_lack() {
        for grant in WITHHELD {
            assert!(!CapSet::DEFAULT.has(grant.capability), "{}", grant.capability);
        }
    }

    #[test]
    fn all_is_what_the_kernel_knows() {
        let known = CapSet::up_to(Capability::AuditRead);
        assert_eq!(tweak(CapSet::DEFAULT, known, &[CapWord::All], &[]), known);
    }
}
