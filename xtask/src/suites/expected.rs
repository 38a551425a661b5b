//! The tests that fail, each with its reason.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

/// A reason on lines of its own, and below it, indented, the tests that it is for.
const LIST: &str = include_str!("runc.txt");

/// The tests that fail.
pub(super) struct Expected {
    reasons: BTreeMap<String, String>,
}

impl Expected {
    /// Reads the list.
    ///
    /// # Errors
    /// A test without a reason, or twice.
    pub(super) fn read() -> Result<Self> {
        let (mut reasons, mut reason, mut in_tests) = (BTreeMap::new(), String::new(), false);
        for line in LIST.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            match line.strip_prefix("    ") {
                Some(test) if reason.is_empty() => bail!("runc.txt: {test} has no reason"),
                Some(test) => {
                    in_tests = true;
                    if reasons.insert(test.trim().to_owned(), reason.clone()).is_some() {
                        bail!("runc.txt: {test} stands there twice");
                    }
                }
                None => {
                    if in_tests {
                        reason.clear();
                        in_tests = false;
                    }
                    reason.push_str(line.trim());
                    reason.push(' ');
                }
            }
        }
        Ok(Self { reasons })
    }

    /// Why this test fails, where it should.
    pub(super) fn reason(&self, name: &str) -> Option<&str> {
        self.reasons.get(name).map(String::as_str)
    }

    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.reasons.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_reason() {
        let expected = Expected::read().unwrap();
        assert!(expected.names().count() > 0);
        assert!(expected.reasons.values().all(|reason| reason.len() > 20));
    }
}
