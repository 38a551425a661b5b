//! The name by which a person calls a container.

use std::fmt;
use std::io;
use std::str::FromStr;

use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name: a file name holds 255 bytes (`NAME_MAX`).
const LONGEST: usize = 255;

/// A name that may be given: docker's rule, `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
///
/// It starts with a letter or digit and has no `/`, so it is safe as a file name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);

/// Why a text cannot be a container's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot name a container; two or more of a-z A-Z 0-9 _ . - can, a letter or digit first"
)]
pub struct NameError(String);

impl Name {
    /// A name out of two lists of words that is easy to say and to type.
    ///
    /// # Errors
    /// Whatever getrandom says; on a host that has booted it does not fail.
    pub fn generate() -> io::Result<Self> {
        let mut bytes = [0u8; 4];
        getrandom(&mut bytes, GetRandomFlags::empty())?;
        let number = usize::from(u16::from_ne_bytes([bytes[2], bytes[3]]) % 1000);
        let first = FIRST[usize::from(bytes[0]) % FIRST.len()];
        let second = SECOND[usize::from(bytes[1]) % SECOND.len()];
        Ok(Self(format!("{first}-{second}-{number}").into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How the sea and its people are.
const FIRST: [&str; 32] = [
    "able", "amber", "brave", "bright", "brisk", "calm", "clear", "coral", "deep", "eager", "fair",
    "gentle", "golden", "green", "hardy", "hidden", "jolly", "keen", "lucky", "merry", "misty",
    "noble", "pearl", "quiet", "rapid", "silver", "steady", "sunny", "swift", "tidal", "warm",
    "wise",
];

/// What swims, floats or stands in it.
const SECOND: [&str; 32] = [
    "anchor",
    "bay",
    "beacon",
    "bollard",
    "buoy",
    "caisson",
    "coast",
    "cormorant",
    "cove",
    "crane",
    "current",
    "dolphin",
    "dredger",
    "ferry",
    "gull",
    "harbour",
    "heron",
    "island",
    "jetty",
    "kelp",
    "lagoon",
    "lantern",
    "mussel",
    "otter",
    "pier",
    "plover",
    "quay",
    "reef",
    "seal",
    "shoal",
    "tern",
    "whale",
];

/// Docker's rule for what containers and volumes are called: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`. What
/// keeps it is safe as a file name.
pub(crate) fn is_name(text: &str) -> bool {
    let rest = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    (2..=LONGEST).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.bytes().all(rest)
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_name(text) { Ok(Self(text.into())) } else { Err(NameError(text.to_owned())) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn generated_names_are_names() {
        for _ in 0..100 {
            let name = Name::generate().unwrap();
            assert_eq!(name.as_str().parse::<Name>().unwrap(), name);
        }
    }

    #[test]
    fn what_could_leave_the_folder_is_no_name() {
        for bad in ["", "a", ".", "..", ".a", "-rf", "a/b", "a b", "a\0b", "ü1", &"a".repeat(256)]
        {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_a_file_name(text in "\\PC{0,20}") {
            if let Ok(name) = text.parse::<Name>() {
                prop_assert!(!name.as_str().contains('/'));
                prop_assert!(name.as_str() != "." && name.as_str() != "..");
            }
        }
    }
}
