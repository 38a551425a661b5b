//! A container's identity: 256 random bits, written as 64 hex digits.

use std::fmt;
use std::io;
use std::str::FromStr;

use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many hex digits an id has.
const DIGITS: usize = 64;

/// Names one container for ever, and its folder, cgroup and range of ids.
///
/// It holds lower-case hex digits only, so it is safe as a file name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerId(Box<str>);

/// Why a text is no container id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a container id: 64 lower-case hex digits")]
pub struct IdError(String);

impl ContainerId {
    /// An id that nobody has: 256 bits from the kernel's generator (man 2 getrandom).
    ///
    /// # Errors
    /// Whatever getrandom says; on a host that has booted it does not fail.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0u8; DIGITS / 2];
        getrandom(&mut bytes, GetRandomFlags::empty())?;
        Ok(Self(hex(&bytes)))
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, as people know them from `docker ps`.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

fn hex(bytes: &[u8]) -> Box<str> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(HEX[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect::<String>().into()
}

/// Whether `text` could be the beginning of an id.
pub(super) fn is_prefix(text: &str) -> bool {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    !text.is_empty() && text.len() <= DIGITS && text.bytes().all(digit)
}

impl FromStr for ContainerId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.len() != DIGITS || !is_prefix(text) {
            return Err(IdError(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

impl Serialize for ContainerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ContainerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_differ_and_read_back() {
        let (a, b) = (ContainerId::random().unwrap(), ContainerId::random().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.as_str().parse::<ContainerId>().unwrap(), a);
        assert_eq!(a.short().len(), 12);
    }

    #[test]
    fn nothing_but_64_hex_digits_is_an_id() {
        for bad in ["", "..", &"g".repeat(64), &"A".repeat(64), &"a".repeat(65)] {
            assert!(bad.parse::<ContainerId>().is_err(), "{bad}");
        }
        assert!(is_prefix("0af"));
        assert!(!is_prefix(""));
        assert!(!is_prefix("web"));
    }
}
