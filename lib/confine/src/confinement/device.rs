//! Devices of the host that a container is given (`--device`).

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A device of the host that a container is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostDevice {
    /// Where it is on the host.
    pub source: PathBuf,
    /// Where it is in the container, absolute.
    pub target: String,
    /// Which kind of device.
    pub kind: DeviceKind,
    /// Its major number.
    pub major: u32,
    /// Its minor number.
    pub minor: u32,
    /// What may be done with it.
    pub access: DeviceAccess,
}

/// Kinds of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// Read and written byte by byte.
    Character,
    /// A disk or its like.
    Block,
}

impl DeviceKind {
    /// Its letter in runtime-spec, config-linux.md, "Devices".
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Character => "c",
            Self::Block => "b",
        }
    }
}

/// What may be done with a device: some of reading, writing and making nodes of it. Source:
/// admin-guide/cgroup-v1/devices.rst.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceAccess(String);

/// Why letters are no access.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no access to a device: it is some of r, w and m, each once")]
pub struct AccessError(pub String);

impl DeviceAccess {
    /// The letters, in the order in which they were given.
    pub fn letters(&self) -> &str {
        &self.0
    }
}

impl Default for DeviceAccess {
    /// Source: docker's default for `--device`.
    fn default() -> Self {
        Self("rwm".to_owned())
    }
}

impl TryFrom<String> for DeviceAccess {
    type Error = AccessError;

    fn try_from(text: String) -> Result<Self, AccessError> {
        let once = |letter: char| text.matches(letter).count() == 1;
        match !text.is_empty() && text.chars().all(|c| "rwm".contains(c) && once(c)) {
            true => Ok(Self(text)),
            false => Err(AccessError(text)),
        }
    }
}

impl From<DeviceAccess> for String {
    fn from(access: DeviceAccess) -> Self {
        access.0
    }
}

impl fmt::Display for HostDevice {
    /// As `--device` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source.display(), self.target, self.access.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_is_some_of_three_letters() {
        let read = |text: &str| DeviceAccess::try_from(text.to_owned());
        assert_eq!(read("rw").map(|access| access.letters().to_owned()), Ok("rw".to_owned()));
        for bad in ["", "x", "rr", "rwx", "RW"] {
            assert_eq!(read(bad), Err(AccessError(bad.to_owned())));
        }
    }
}
