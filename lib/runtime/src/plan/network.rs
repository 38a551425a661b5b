//! Interfaces of the host that become the container's. Source: runtime-spec config-linux.md,
//! "Network Devices".

use std::os::fd::OwnedFd;

use coffer_confine::confinement::Confinement;
use coffer_oci::runtime::{NamespaceKind, Spec};
use rustix::fs::{Mode, OFlags};
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::{Authority, Plan, PlanError};

const FIELD: &str = "linux.netDevices";
/// The longest name. Source: `IFNAMSIZ`, linux/if.h, with a byte for its end.
const LONGEST: usize = 15;

/// The interfaces that are moved.
#[derive(Debug, Default)]
pub(crate) struct Interfaces {
    /// Which.
    pub(crate) moved: Vec<Interface>,
    /// The network namespace that they go to, where it is one that exists.
    pub(crate) into: Option<OwnedFd>,
}

/// An interface of the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    /// Its number on the host.
    pub(crate) index: u32,
    /// Its name there.
    pub(crate) from: String,
    /// Its name in the container.
    pub(crate) to: String,
}

impl Plan {
    /// Looks for the interfaces of the bundle.
    pub(super) fn find_interfaces(
        &mut self,
        spec: &Spec,
        confinement: &Confinement,
    ) -> Result<(), PlanError> {
        let Some(linux) = spec.linux.as_ref().filter(|linux| !linux.net_devices.is_empty()) else {
            return Ok(());
        };
        if self.authority == Authority::User {
            return Err(PlanError::field(FIELD, "only root can move interfaces"));
        }
        let mut namespaces = confinement.namespaces.iter();
        let network = namespaces.find(|namespace| namespace.kind == NamespaceKind::Network);
        let network = network.ok_or_else(|| {
            PlanError::field(FIELD, "needs a network namespace that is not the host's")
        })?;
        if !network.path.is_empty() {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let opened = rustix::fs::open(network.path.as_str(), flags, Mode::empty());
            let path = network.path.clone();
            self.interfaces.into =
                Some(opened.map_err(|source| PlanError::Namespace { path, source })?);
        }
        for (from, device) in &linux.net_devices {
            let to = if device.name.is_empty() { from } else { &device.name };
            let found = find(from, to).map_err(|why| PlanError::field(&at(from), why))?;
            if self.interfaces.moved.iter().any(|other| other.to == found.to) {
                return Err(PlanError::field(&at(from), "has the name of another one inside"));
            }
            self.interfaces.moved.push(found);
        }
        Ok(())
    }
}

fn at(name: &str) -> String {
    format!("{FIELD}.{name}")
}

fn find(from: &str, to: &str) -> Result<Interface, &'static str> {
    if !is_name(from) || !is_name(to) {
        return Err("is no name of an interface");
    }
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
    let index = socket.and_then(|socket| name_to_index(socket, from));
    let index = index.map_err(|_| "there is no such interface on the host")?;
    Ok(Interface { index, from: from.to_owned(), to: to.to_owned() })
}

/// Whether the kernel takes it. Source: linux net/core/dev.c, `dev_valid_name`; a `%` would have
/// it choose a number.
fn is_name(name: &str) -> bool {
    let odd = |c: char| matches!(c, '/' | ':' | '%') || c.is_whitespace() || c == '\0';
    !name.is_empty() && name.len() <= LONGEST && !matches!(name, "." | "..") && !name.contains(odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_kernel_takes() {
        for good in ["eth0", "a-b.c", "0123456789abcde"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "a:1", "eth%d", "0123456789abcdef", "a\0"] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
