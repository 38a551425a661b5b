//! Flags that choose between relaxations, or that hold a pair.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use coffer_runtime::spec::{Network, Userns};

/// Why a choice is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChoiceError {
    /// `--network`.
    #[error("networks are `none` and `host` so far")]
    Network,
    /// `--userns`.
    #[error("it is `auto` (a range of its own, which is the default) or `host`")]
    Userns,
    /// `--security-opt`.
    #[error(
        "options are seccomp=FILE, seccomp=unconfined, systempaths=unconfined and no-new-privileges"
    )]
    Security,
    /// Privileges can always be gained by nobody.
    #[error("no_new_privs is always set")]
    Privileges,
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

/// `--security-opt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecurityOption {
    /// The caller's profile, in docker's form.
    SeccompFile(PathBuf),
    /// No filter.
    SeccompUnconfined,
    /// No masked paths.
    PathsUnconfined,
    /// What is so anyway.
    NoNewPrivileges,
}

impl FromStr for SecurityOption {
    type Err = ChoiceError;

    /// Docker takes `name=value` and, of old, `name:value`.
    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let (name, value) = text.split_once(['=', ':']).unwrap_or((text, ""));
        match (name, value) {
            ("seccomp", "unconfined") => Ok(Self::SeccompUnconfined),
            ("seccomp", file) if !file.is_empty() => Ok(Self::SeccompFile(PathBuf::from(file))),
            ("systempaths", "unconfined") => Ok(Self::PathsUnconfined),
            ("no-new-privileges", "" | "true") => Ok(Self::NoNewPrivileges),
            ("no-new-privileges", _) => Err(ChoiceError::Privileges),
            _ => Err(ChoiceError::Security),
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
        assert_eq!("seccomp=unconfined".parse(), Ok(SecurityOption::SeccompUnconfined));
        assert_eq!("seccomp=/p.json".parse(), Ok(SecurityOption::SeccompFile("/p.json".into())));
        let refused = "no-new-privileges=false".parse::<SecurityOption>();
        assert_eq!(refused, Err(ChoiceError::Privileges));
        assert_eq!("label=disable".parse::<SecurityOption>(), Err(ChoiceError::Security));
        assert_eq!("bridge".parse::<NetworkWord>(), Err(ChoiceError::Network));
        assert_eq!("host".parse(), Ok(UsernsWord(Userns::Host)));
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
