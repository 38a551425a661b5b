//! What a volume is called.

use std::fmt;
use std::io;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::state::{ContainerId, is_name};

/// A volume's name: docker's rule, the same as for containers. It is safe as a file name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VolumeName(Box<str>);

/// Why a text cannot be a volume's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot name a volume; two or more of a-z A-Z 0-9 _ . - can, a letter or digit first"
)]
pub struct VolumeNameError(String);

impl VolumeName {
    /// One that nobody has: 64 hex digits, as docker calls those without a name.
    ///
    /// # Errors
    /// Whatever getrandom says; on a host that has booted it does not fail.
    pub fn random() -> io::Result<Self> {
        Ok(Self(ContainerId::random()?.as_str().into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VolumeName {
    type Err = VolumeNameError;

    fn from_str(text: &str) -> Result<Self, VolumeNameError> {
        match is_name(text) {
            true => Ok(Self(text.into())),
            false => Err(VolumeNameError(text.to_owned())),
        }
    }
}

impl fmt::Display for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for VolumeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for VolumeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for VolumeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_anywhere() {
        for good in ["data", "a.b", "0_-", &"x".repeat(255)] {
            assert_eq!(good.parse::<VolumeName>().unwrap().as_str(), good);
        }
        for bad in ["", "a", ".", "..", ".tmp-x", "-x", "a/b", "a b", "ä1", &"x".repeat(256)] {
            assert!(bad.parse::<VolumeName>().is_err(), "{bad}");
        }
        assert_eq!(VolumeName::random().unwrap().as_str().len(), 64);
    }
}
