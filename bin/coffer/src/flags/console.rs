//! Flags of verbs that stand between a terminal and a container.

use std::str::FromStr;

use coffer_runtime::monitor::{DETACH_KEYS, SignalProxy};

use super::value::ValueError;

/// For verbs that attach.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ConsoleFlags {
    /// Pass signals on to the program: true or false
    #[arg(
        long,
        value_name = "BOOL",
        default_value = "true",
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true
    )]
    sig_proxy: SigProxy,
    #[command(flatten)]
    keys: KeyFlags,
}

/// For verbs with a terminal that can be left.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct KeyFlags {
    /// Keys that leave the program running: letters, or ctrl- and a letter or one of @[\]^_
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    detach_keys: DetachKeys,
}

impl KeyFlags {
    /// The keys as a terminal sends them.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.detach_keys.0.clone()
    }
}

impl ConsoleFlags {
    /// Whether the caller's signals go to the program.
    pub(crate) fn proxy(&self) -> SignalProxy {
        self.sig_proxy.0
    }

    /// The keys as a terminal sends them.
    pub(crate) fn detach_keys(&self) -> Vec<u8> {
        self.keys.bytes()
    }
}

impl Default for ConsoleFlags {
    fn default() -> Self {
        let keys = KeyFlags { detach_keys: DetachKeys(DETACH_KEYS.to_vec()) };
        Self { sig_proxy: SigProxy(SignalProxy::On), keys }
    }
}

/// `--sig-proxy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SigProxy(SignalProxy);

impl FromStr for SigProxy {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "true" => Ok(Self(SignalProxy::On)),
            "false" => Ok(Self(SignalProxy::Off)),
            _ => Err(ValueError::OneOf("true, false")),
        }
    }
}

/// `--detach-keys`: keys with commas between them; none where it is empty.
/// Source: docker attach, "Override the detach sequence".
#[derive(Clone, Debug, PartialEq, Eq)]
struct DetachKeys(Vec<u8>);

impl FromStr for DetachKeys {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        text.split(',').map(key).collect::<Option<_>>().map(Self).ok_or(ValueError::Keys)
    }
}

/// The byte that a key sends. Control takes the two high bits off a letter.
fn key(word: &str) -> Option<u8> {
    match (word.strip_prefix("ctrl-").map(str::as_bytes), word.as_bytes()) {
        (Some([c @ (b'a'..=b'z' | b'@'..=b'_')]), _) => Some(c & 0x1f),
        (None, [c @ 0x21..=0x7e]) => Some(*c),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_dockers() {
        let keys = |text: &str| text.parse::<DetachKeys>().map(|keys| keys.0);
        assert_eq!(keys("ctrl-p,ctrl-q"), Ok(DETACH_KEYS.to_vec()));
        assert_eq!(keys("ctrl-[,x"), Ok(vec![0x1b, b'x']));
        assert_eq!(keys(""), Ok(vec![]));
        for bad in ["ctrl-", "ctrl-1", "ab", "ctrl-p,", " "] {
            assert_eq!(keys(bad), Err(ValueError::Keys), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,20}") {
            if let Ok(keys) = text.parse::<DetachKeys>() {
                prop_assert!(keys.0.len() <= text.len());
            }
        }
    }
}
