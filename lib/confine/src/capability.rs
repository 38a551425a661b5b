//! Capabilities: the pieces that root's power is cut into.
//!
//! Sources: man 7 capabilities; linux/capability.h for the numbers; docker's `--cap-add` and
//! `--cap-drop` for what the flags mean.

mod names;
mod power;
mod sets;
mod tweak;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use names::Capability;
pub use power::{POWERS, Power};
pub use sets::{AmbientBefore, ApplyError, CapabilitySets};
pub use tweak::{CapWord, GRANTED, Grant, WITHHELD, granted, tweak, words};

/// Why a text names no capability.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("capability {given:?} does not exist{}", nearest.map_or(String::new(), |n| format!(", did you mean {n}?")))]
pub struct CapabilityError {
    /// The text.
    pub given: String,
    /// The one that is spelt most like it.
    pub nearest: Option<Capability>,
}

impl FromStr for Capability {
    type Err = CapabilityError;

    /// Reads a name as docker takes it: in any case, with or without `CAP_`.
    fn from_str(text: &str) -> Result<Self, CapabilityError> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        Capability::ALL
            .iter()
            .copied()
            .find(|capability| capability.name() == name)
            .ok_or_else(|| CapabilityError { given: text.to_owned(), nearest: nearest(name) })
    }
}

/// The capability whose name starts or ends like `name`.
fn nearest(name: &str) -> Option<Capability> {
    let alike = |other: &str| {
        let front = name.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        let back = name.bytes().rev().zip(other.bytes().rev()).take_while(|(a, b)| a == b).count();
        (front + back).min(name.len())
    };
    let best = Capability::ALL.iter().copied().max_by_key(|other| alike(other.name()))?;
    (alike(best.name()) * 4 >= name.len() * 3 && !name.is_empty()).then_some(best)
}

impl fmt::Display for Capability {
    /// Writes the name without `CAP_`, as the flags take it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Capability {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("CAP_{}", self.name()))
    }
}

impl<'de> Deserialize<'de> for Capability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A set of capabilities. In JSON a list of names, as in runtime-spec config.md, "capabilities".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CapSet(u64);

impl CapSet {
    /// No capability.
    pub const EMPTY: Self = Self(0);
    /// Every capability of [`Capability::ALL`].
    pub const ALL: Self = Self((1 << Capability::ALL.len()) - 1);

    /// The set of these.
    pub const fn of(list: &[Capability]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < list.len() {
            bits |= 1 << list[i] as u32;
            i += 1;
        }
        Self(bits)
    }

    /// Those up to and including `last`, the newest that the running kernel knows.
    pub const fn up_to(last: Capability) -> Self {
        Self(u64::MAX >> (63 - last as u32))
    }

    /// The set as the kernel's bit mask; capability n is bit n.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The set of a kernel's bit mask; bits that stand for no capability are left out.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// Whether `capability` is in the set.
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u32) != 0
    }

    /// The set and `capability`.
    #[must_use]
    pub const fn with(self, capability: Capability) -> Self {
        Self(self.0 | 1 << capability as u32)
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether everything in this set is in `other`.
    pub const fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The capabilities, by number.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL.iter().copied().filter(move |capability| self.has(*capability))
    }
}

impl FromIterator<Capability> for CapSet {
    fn from_iter<I: IntoIterator<Item = Capability>>(iter: I) -> Self {
        iter.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Display for CapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        if *self == Self::ALL {
            return f.write_str("all");
        }
        let mut between = "";
        for capability in self.iter() {
            write!(f, "{between}{capability}")?;
            between = " ";
        }
        Ok(())
    }
}

impl Serialize for CapSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for CapSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Capability>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_taken_as_docker_takes_them() {
        for text in ["CAP_NET_ADMIN", "NET_ADMIN", "net_admin", "cap_net_admin"] {
            assert_eq!(text.parse(), Ok(Capability::NetAdmin));
        }
        for text in ["", "CAP_", "CAP_CAP_KILL", "NET-ADMIN", " KILL", "ALL", "41"] {
            assert!(text.parse::<Capability>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_slip_names_the_nearest() {
        let message = |text: &str| text.parse::<Capability>().unwrap_err().to_string();
        assert_eq!(
            message("NET_ADMN"),
            "capability \"NET_ADMN\" does not exist, did you mean NET_ADMIN?"
        );
        assert_eq!(message("QQQQQ"), "capability \"QQQQQ\" does not exist");
    }

    #[test]
    fn sets_read_and_write_the_names_of_the_spec() {
        let set = CapSet::of(&[Capability::Kill, Capability::Chown]);
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"["CAP_CHOWN","CAP_KILL"]"#);
        assert_eq!(serde_json::from_str::<CapSet>(r#"["CAP_KILL","CAP_CHOWN"]"#).unwrap(), set);
        assert!(serde_json::from_str::<CapSet>(r#"["CAP_NONE"]"#).is_err());
        assert_eq!(set.to_string(), "CHOWN KILL");
    }

    #[test]
    fn the_newest_of_an_old_kernel_bounds_the_set() {
        assert_eq!(CapSet::up_to(Capability::Chown), CapSet::of(&[Capability::Chown]));
        assert_eq!(CapSet::up_to(Capability::CheckpointRestore), CapSet::ALL);
        assert_eq!(CapSet::up_to(Capability::AuditRead).iter().count(), 38);
    }

    proptest! {
        #[test]
        fn sets_are_sets(a in any::<u64>(), b in any::<u64>()) {
            let (a, b) = (CapSet::from_bits(a), CapSet::from_bits(b));
            prop_assert_eq!(a.minus(b).union(a.and(b)), a);
            prop_assert!(a.and(b).is_subset(b));
            prop_assert_eq!(a.iter().collect::<CapSet>(), a);
        }

        #[test]
        fn any_text_is_answered(text in ".{0,40}") {
            if let Ok(capability) = text.parse::<Capability>() {
                prop_assert!(text.to_ascii_uppercase().ends_with(capability.name()));
            }
        }
    }
}
