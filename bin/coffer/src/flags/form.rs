//! Words that a flag takes as they are, once they have its form. What they mean is found out later,
//! often from the image.

use coffer_confine::capability::{CapWord, CapabilityError};
use coffer_confine::user::{self, UserError};
use coffer_runtime::signal;

/// Why a word has not the form.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    /// `--env`.
    #[error("it should look like NAME=value, with a name that has no blanks")]
    Variable,
    /// `--workdir`.
    #[error("it should be an absolute path, such as /srv")]
    Folder,
    /// `--user` and `--group-add`.
    #[error(transparent)]
    User(#[from] UserError),
    /// `--stop-signal`.
    #[error("it is a signal's name, such as TERM, or its number, 1 to 64")]
    Signal,
    /// `--cap-add` and `--cap-drop`.
    #[error("{0}; names are those of man 7 capabilities, and ALL")]
    Capability(CapabilityError),
    /// `--hostname` and `--domainname`.
    #[error("it is 1 to 64 letters, digits and . _ -, a letter or digit first")]
    Host,
    /// `--dns-search` and `--dns-option`.
    #[error("it is one word, without blanks")]
    Word,
}

/// The most bytes of a host's name. Source: linux/utsname.h, `__NEW_UTS_LEN`.
const LONGEST_HOST: usize = 64;

/// `NAME[=VALUE]`, as in an environment.
pub(super) fn variable(text: &str) -> Result<String, FormError> {
    let name = text.split('=').next().unwrap_or_default();
    let good = !name.is_empty() && !name.contains(char::is_whitespace) && !text.contains('\0');
    kept(text, good, FormError::Variable)
}

/// An absolute path in the container.
pub(super) fn folder(text: &str) -> Result<String, FormError> {
    kept(text, text.starts_with('/'), FormError::Folder)
}

/// A user of the image's; empty, as with docker, where the image says which.
pub(super) fn user(text: &str) -> Result<String, FormError> {
    user::check(text)?;
    Ok(text.to_owned())
}

/// A group of the image's.
pub(super) fn group(text: &str) -> Result<String, FormError> {
    user::check_group(text)?;
    Ok(text.to_owned())
}

/// A signal.
pub(super) fn stop_signal(text: &str) -> Result<String, FormError> {
    kept(text, signal::parse(text).is_some(), FormError::Signal)
}

/// A capability, or all of them.
pub(super) fn capability(text: &str) -> Result<String, FormError> {
    let known = text.parse::<CapWord>().map_err(FormError::Capability);
    known.map(|_| text.to_owned())
}

/// A name that goes into `/etc/hosts`.
pub(super) fn host(text: &str) -> Result<String, FormError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let good = first && text.len() <= LONGEST_HOST && text.bytes().all(plain);
    kept(text, good, FormError::Host)
}

/// A domain; empty where there is none.
pub(super) fn domain(text: &str) -> Result<String, FormError> {
    if text.is_empty() { Ok(String::new()) } else { host(text) }
}

/// A word of `/etc/resolv.conf`.
pub(super) fn word(text: &str) -> Result<String, FormError> {
    let good = !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    kept(text, good, FormError::Word)
}

fn kept(text: &str, good: bool, error: FormError) -> Result<String, FormError> {
    if good { Ok(text.to_owned()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_of_hosts_are_one_word() {
        let longest = "a".repeat(64);
        for good in ["reef", "a.b-c_d", "7", &longest] {
            assert_eq!(host(good).as_deref(), Ok(good));
        }
        let long = "a".repeat(65);
        for bad in ["", "-x", ".x", "a b", "a/b", "a\nb", "é", &long] {
            assert_eq!(host(bad), Err(FormError::Host), "{bad:?}");
        }
        assert_eq!(domain("").as_deref(), Ok(""));
    }

    #[test]
    fn groups_are_no_pairs() {
        assert!(group("0").is_ok() && group("wheel").is_ok());
        for bad in ["", "1:2", ":1", "a b", "-1"] {
            assert!(group(bad).is_err(), "{bad:?}");
        }
        assert!(user("").is_ok() && user("1:2").is_ok() && user("1:2:3").is_err());
    }

    proptest! {
        #[test]
        fn no_value_adds_a_line_to_a_file(text in "(?s).{0,20}") {
            for form in [host, domain, word] {
                if let Ok(kept) = form(&text) {
                    prop_assert_eq!(kept.lines().count(), usize::from(!text.is_empty()));
                    prop_assert!(!kept.contains(['\n', ' ', '\t', '\0']));
                }
            }
        }
    }
}
