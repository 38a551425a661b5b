//! Where a service manager is spoken to.
//!
//! Source: the D-Bus Specification, "Server Addresses".

use std::fmt;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::SystemdError;

/// A service manager, and the bus that it listens on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bus {
    /// Whose manager it is.
    pub manager: ServiceManager,
    /// The addresses of the bus, as `DBUS_SESSION_BUS_ADDRESS` gives them.
    pub addresses: String,
}

/// Whose units a systemd manages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceManager {
    /// The system's.
    System,
    /// One user's.
    User,
}

impl ServiceManager {
    /// The one that makes scopes for this process: the system's for root. Who is root in a user
    /// namespace only is an ordinary user to the system's.
    ///
    /// # Errors
    /// Where it cannot be told whether the user namespace is the host's.
    pub fn of_caller() -> io::Result<Self> {
        let is_root = rustix::process::geteuid().is_root();
        Ok(if is_root && coffer_sys::userns::is_first()? { Self::System } else { Self::User })
    }
}

impl Bus {
    /// The bus whose socket is the file `path`.
    pub fn at(manager: ServiceManager, path: &Path) -> Self {
        let mut addresses = "unix:path=".to_owned();
        for byte in path.as_os_str().as_bytes() {
            match byte {
                b'-' | b'_' | b'/' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                    addresses.push(char::from(*byte));
                }
                other => addresses.push_str(&format!("%{other:02x}")),
            }
        }
        Self { manager, addresses }
    }

    /// Connects to the first address that answers.
    pub(super) fn connect(&self) -> Result<UnixStream, SystemdError> {
        let mut failed = None;
        for address in self.addresses.split(';').filter_map(parse) {
            let tried = address.and_then(|address| UnixStream::connect_addr(&address));
            match tried {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(match failed {
            Some(source) => SystemdError::Connect { bus: self.to_string(), source },
            None => SystemdError::Address { bus: self.to_string() },
        })
    }
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.manager {
            ServiceManager::System => "the system bus",
            ServiceManager::User => "the user's bus",
        };
        write!(f, "{whose} at {}", self.addresses)
    }
}

/// The socket of one address; `None` where it is of another kind. A name too long is an error.
fn parse(address: &str) -> Option<io::Result<SocketAddr>> {
    address.strip_prefix("unix:")?.split(',').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let value = unescape(value)?;
        match key {
            "path" => Some(SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(&value))),
            "abstract" => Some(SocketAddr::from_abstract_name(value)),
            _ => None,
        }
    })
}

/// Undoes `%` and two hexadecimal digits.
fn unescape(value: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let (byte, after) = match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).ok()?;
                (u8::from_str_radix(digits, 16).ok()?, after)
            }
            (b'%', _) => return None,
            _ => (*first, tail),
        };
        bytes.push(byte);
        rest = after;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(address: &str) -> Option<std::path::PathBuf> {
        parse(address)?.ok()?.as_pathname().map(Path::to_owned)
    }

    #[test]
    fn addresses_are_read() {
        assert_eq!(path("unix:path=/run/user/1000/bus").unwrap(), Path::new("/run/user/1000/bus"));
        assert_eq!(path("unix:guid=00,path=/a%20b").unwrap(), Path::new("/a b"));
        let named = parse("unix:abstract=/tmp/x").unwrap().unwrap();
        assert_eq!(named.as_abstract_name(), Some(&b"/tmp/x"[..]));
        for other in ["tcp:host=localhost", "unix:runtime=yes", "unix:path=%2", ""] {
            assert!(parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_bus_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let bus = Bus::at(ServiceManager::User, &folder.path().join("bus"));
        let error = bus.connect().unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with("the user's bus at unix:path=/") && said.ends_with("be reached"));
        assert!(error.help().is_some());
        let bus = Bus { addresses: "tcp:host=a;;".to_owned(), ..bus };
        assert!(matches!(bus.connect(), Err(SystemdError::Address { .. })));
    }

    proptest! {
        #[test]
        fn what_is_escaped_is_read(name in "/[ -~é]{1,40}") {
            let bus = Bus::at(ServiceManager::User, Path::new(&name));
            prop_assert_eq!(path(&bus.addresses), Some(name.into()));
        }

        #[test]
        fn any_address_is_read_or_refused(text in "(unix:)?[a-z=,%/]{0,40}") {
            let _ = parse(&text);
        }
    }
}
