//! Flags that choose between relaxations, or that hold a pair.

use std::net::IpAddr;
use std::str::FromStr;

use coffer_runtime::spec::{Ipc, Network, Pids, Userns};

/// Why a choice is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChoiceError {
    /// `--network`.
    #[error("networks are `none` (loopback alone) and `host` (the host's own) so far")]
    Network,
    /// `--userns`.
    #[error("it is `auto` (a range of its own, which is the default), `host` or `container:NAME`")]
    Userns,
    /// `--pid`.
    #[error("it is `private` (which is the default), `host` or `container:NAME`")]
    Pids,
    /// `--ipc`.
    #[error(
        "it is `private` (which is the default), `none` (without /dev/shm), `shareable`, `host` or \
         `container:NAME`"
    )]
    Ipc,
    /// `--add-host`.
    #[error("it should look like NAME:ADDRESS")]
    Host,
    /// `--add-host NAME:host-gateway`.
    #[error("there is no gateway to the host yet; with --network host it is 127.0.0.1")]
    Gateway,
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

/// `--userns`. `auto` and `container:` are podman's words, `private` docker's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsernsWord(pub(crate) Userns);

impl FromStr for UsernsWord {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        match text {
            "" => Ok(Self(Userns::Unsaid)),
            "auto" | "private" => Ok(Self(Userns::Private)),
            "host" => Ok(Self(Userns::Host)),
            _ => Ok(Self(Userns::Container(container(text).ok_or(ChoiceError::Userns)?))),
        }
    }
}

/// `--pid`. `private` is podman's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PidWord(pub(crate) Pids);

impl FromStr for PidWord {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        match text {
            "private" | "" => Ok(Self(Pids::Own)),
            "host" => Ok(Self(Pids::Host)),
            _ => Ok(Self(Pids::Container(container(text).ok_or(ChoiceError::Pids)?))),
        }
    }
}

/// `--ipc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IpcWord(pub(crate) Ipc);

impl FromStr for IpcWord {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        match text {
            "private" | "" => Ok(Self(Ipc::Own)),
            "none" => Ok(Self(Ipc::NoMemory)),
            "shareable" => Ok(Self(Ipc::Shareable)),
            "host" => Ok(Self(Ipc::Host)),
            _ => Ok(Self(Ipc::Container(container(text).ok_or(ChoiceError::Ipc)?))),
        }
    }
}

/// The name in `container:NAME`.
fn container(text: &str) -> Option<String> {
    text.strip_prefix("container:").filter(|name| !name.is_empty()).map(str::to_owned)
}

/// `--add-host NAME:ADDRESS`; the address may hold colons itself, and may stand in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostLine(pub(crate) String, pub(crate) IpAddr);

impl FromStr for HostLine {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let (name, address) = text.split_once([':', '=']).ok_or(ChoiceError::Host)?;
        if address == "host-gateway" {
            return Err(ChoiceError::Gateway);
        }
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
        assert_eq!("host".parse(), Ok(PidWord(Pids::Host)));
        assert_eq!("container:x".parse(), Ok(PidWord(Pids::Container("x".to_owned()))));
        assert_eq!("container:".parse::<PidWord>(), Err(ChoiceError::Pids));
        assert_eq!("shareable".parse(), Ok(IpcWord(Ipc::Shareable)));
        assert_eq!("shared".parse::<IpcWord>(), Err(ChoiceError::Ipc));
        assert_eq!("keep-id".parse::<UsernsWord>(), Err(ChoiceError::Userns));
    }

    #[test]
    fn hosts_have_addresses() {
        let line = "db:::1".parse::<HostLine>().unwrap();
        assert_eq!((line.0.as_str(), line.1.is_ipv6()), ("db", true));
        assert!("db:[::1]".parse::<HostLine>().is_ok());
        assert_eq!("db:host-gateway".parse::<HostLine>(), Err(ChoiceError::Gateway));
        for bad in ["db", ":1.2.3.4", "a b:1.2.3.4", "a\n:1.2.3.4"] {
            assert_eq!(bad.parse::<HostLine>(), Err(ChoiceError::Host), "{bad}");
        }
    }
}
