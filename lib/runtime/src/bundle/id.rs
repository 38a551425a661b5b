//! The name of a container that somebody else chose.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name of a folder. Source: man 7 path_resolution, `NAME_MAX`.
const LONGEST: usize = 255;

/// Names one container below one state folder, and is safe as a file name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BundleId(String);

/// Why a text is no id. The words are runc's, which callers look for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid container ID format: {0:?}")]
pub struct BundleIdError(String);

impl BundleId {
    /// The id as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Letters, digits, `_`, `+`, `-` and `.`, as runc and crun take them; not `.` or `..`, and no
/// leading `-`, which would be an option.
impl FromStr for BundleId {
    type Err = BundleIdError;

    fn from_str(text: &str) -> Result<Self, BundleIdError> {
        let known = |b: u8| b.is_ascii_alphanumeric() || b"_+-.".contains(&b);
        let fits = (1..=LONGEST).contains(&text.len()) && text.bytes().all(known);
        match fits && text != "." && text != ".." {
            true => Ok(Self(text.to_owned())),
            false => Err(BundleIdError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for BundleId {
    type Error = BundleIdError;

    fn try_from(text: String) -> Result<Self, BundleIdError> {
        text.parse()
    }
}

impl From<BundleId> for String {
    fn from(id: BundleId) -> Self {
        id.0
    }
}

impl fmt::Display for BundleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runcs_ids_are_taken_and_paths_are_not() {
        for good in ["a", "web-1", "a.b_c+d", "...", &"x".repeat(255)] {
            assert!(good.parse::<BundleId>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "a\0", "é", &"x".repeat(256)] {
            assert!(bad.parse::<BundleId>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_one_component(text in "\\PC{0,20}") {
            if let Ok(id) = text.parse::<BundleId>() {
                prop_assert!(!id.as_str().contains('/') && id.as_str() != "..");
            }
        }
    }
}
