//! Flags that choose between relaxations, or that hold a pair.

use std::net::IpAddr;
use std::str::FromStr;

use coffer_runtime::spec::{Network, Sharing, Userns};

/// Why a choice is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChoiceError {
    /// `--network`.
    #[error("networks are `none` and `host` so far")]
    Network,
    /// `--userns`.
    #[error("it is `auto` (a range of its own, which is the default) or `host`")]
    Userns,
    /// `--pid` and `--ipc`.
    #[error("it is `private` (which is the default) or `host`")]
    Sharing,
    /// `--add-host`.
    #[error("it should look like NAME:ADDRESS")]
    Host,
}

/// `--network`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NetworkWord(pub(crate) Network);

impl FromStr for NetworkWord {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        match text {
            "none" => Ok(Self(Network::None)),
            "host" => Ok(Self(Network::Host)),
            _ => Err(ChoiceError::Network),
        }
    }
}

/// `--userns`. `auto` is podman's word, `private` docker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsernsWord(pub(crate) Userns);

impl FromStr for UsernsWord {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        match text {
            "auto" | "private" | "" => Ok(Self(Userns::Private)),
            "host" => Ok(Self(Userns::Host)),
            _ => Err(ChoiceError::Userns),
        }
    }
}

/// `--pid` and `--ipc`. `private` is podman's word, `shareable` and `container:` are not built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SharingWord(pub(crate) Sharing);

impl FromStr for SharingWord {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        match text {
            "private" | "" => Ok(Self(Sharing::Own)),
            "host" => Ok(Self(Sharing::Host)),
            _ => Err(ChoiceError::Sharing),
        }
    }
}

/// `--add-host NAME:ADDRESS`; the address may hold colons itself, and may stand in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostLine(pub(crate) String, pub(crate) IpAddr);

impl FromStr for HostLine {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let (name, address) = text.split_once([':', '=']).ok_or(ChoiceError::Host)?;
        let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        let address = bare.parse().map_err(|_| ChoiceError::Host)?;
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(ChoiceError::Host);
        }
        Ok(Self(name.to_owned(), address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relaxations_are_named() {
        assert_eq!("bridge".parse::<NetworkWord>(), Err(ChoiceError::Network));
        assert_eq!("host".parse(), Ok(UsernsWord(Userns::Host)));
        assert_eq!("host".parse(), Ok(SharingWord(Sharing::Host)));
        assert_eq!("container:x".parse::<SharingWord>(), Err(ChoiceError::Sharing));
    }

    #[test]
    fn hosts_have_addresses() {
        let line = "db:::1".parse::<HostLine>().unwrap();
        assert_eq!((line.0.as_str(), line.1.is_ipv6()), ("db", true));
        assert!("db:[::1]".parse::<HostLine>().is_ok());
        for bad in ["db", "db:host-gateway", ":1.2.3.4", "a b:1.2.3.4", "a\n:1.2.3.4"] {
            assert_eq!(bad.parse::<HostLine>(), Err(ChoiceError::Host), "{bad}");
        }
    }
}
