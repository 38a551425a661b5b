//! Kernel parameters (`--sysctl`): only those that a namespace of the container separates.
//!
//! Source: docker's `--sysctl`; man 7 ipc_namespaces, network_namespaces, uts_namespaces.

use std::collections::BTreeMap;

use coffer_oci::runtime::NamespaceKind;
use serde::{Deserialize, Serialize};

use crate::confinement::SetBy;

/// One parameter, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctl {
    /// Its name, with dots.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Who asked for it.
    pub by: SetBy,
}

/// Why a parameter cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SysctlError {
    /// The name has not the form of one.
    #[error("sysctl {0:?} should look like net.ipv4.ip_forward")]
    Name(String),
    /// The value has a line break or a zero byte, or is too long.
    #[error("the value of sysctl {0} has a line break or a zero byte, or more than 4096 bytes")]
    Value(String),
    /// No namespace separates it: it would be set on the host.
    #[error("sysctl {0} is the whole host's, and no namespace separates it")]
    Host(String),
    /// The host name, which is said elsewhere.
    #[error("sysctl kernel.hostname would contradict the container's host name")]
    Hostname,
    /// The container shares the namespace that it belongs to.
    #[error("sysctl {name} belongs to the {kind:?} namespace, which this container shares")]
    Shared {
        /// The parameter.
        name: String,
        /// The namespace.
        kind: NamespaceKind,
    },
}

/// Parameters of the IPC namespace below `kernel`.
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shm_rmid_forced",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
];

/// Set in a network namespace of the container's own, so that nobody needs root for port 80.
const DEFAULT: (&str, &str) = ("net.ipv4.ip_unprivileged_port_start", "0");

impl Sysctl {
    /// Its file below `/proc/sys`. As in man 8 sysctl, a `/` in the name stands for a dot in a
    /// component (the interface `eth0.100`).
    pub fn path(&self) -> String {
        let swapped = |c| match c {
            '.' => '/',
            '/' => '.',
            other => other,
        };
        self.name.chars().map(swapped).collect()
    }
}

/// Checks what was asked for and adds the default. `own` are the kinds of namespace that the
/// container does not share.
///
/// # Errors
/// A [`SysctlError`] for the first that cannot be set.
pub fn choose(
    asked: &BTreeMap<String, String>,
    own: &[NamespaceKind],
) -> Result<Vec<Sysctl>, SysctlError> {
    let mut chosen = Vec::with_capacity(asked.len() + 1);
    let (name, value) = DEFAULT;
    if own.contains(&NamespaceKind::Network) && !asked.contains_key(name) {
        chosen.push(Sysctl { name: name.to_owned(), value: value.to_owned(), by: SetBy::Default });
    }
    for (name, value) in asked {
        check(name, value, own)?;
        chosen.push(Sysctl { name: name.clone(), value: value.clone(), by: SetBy::Caller });
    }
    Ok(chosen)
}

/// Checks one parameter.
///
/// # Errors
/// A [`SysctlError`].
pub fn check(name: &str, value: &str, own: &[NamespaceKind]) -> Result<(), SysctlError> {
    if !well_formed(name) {
        return Err(SysctlError::Name(name.to_owned()));
    }
    if value.len() > 4096 || value.contains(['\n', '\0']) {
        return Err(SysctlError::Value(name.to_owned()));
    }
    if name == "kernel.hostname" {
        return Err(SysctlError::Hostname);
    }
    let kind = namespace(name).ok_or_else(|| SysctlError::Host(name.to_owned()))?;
    if !own.contains(&kind) {
        return Err(SysctlError::Shared { name: name.to_owned(), kind });
    }
    Ok(())
}

/// Dots between plain words; none is empty, so none becomes `.` or `..` in a path.
fn well_formed(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/');
    let word = |word: &str| {
        !word.is_empty()
            && word.chars().all(plain)
            && word.chars().any(|c| c.is_ascii_alphanumeric())
    };
    name.len() <= 256 && name.contains('.') && name.split('.').all(word)
}

/// The namespace that separates a parameter.
fn namespace(name: &str) -> Option<NamespaceKind> {
    if name.starts_with("net.") {
        return Some(NamespaceKind::Network);
    }
    if name.starts_with("fs.mqueue.") || IPC.contains(&name) {
        return Some(NamespaceKind::Ipc);
    }
    (name == "kernel.domainname").then_some(NamespaceKind::Uts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: &[NamespaceKind] = &[NamespaceKind::Network, NamespaceKind::Ipc, NamespaceKind::Uts];

    #[test]
    fn namespaced_ones_are_taken() {
        for name in [
            "net.ipv4.ip_forward",
            "kernel.shmmax",
            "fs.mqueue.msg_max",
            "kernel.domainname",
            "net.ipv4.conf.eth0/100.rp_filter",
        ] {
            assert_eq!(check(name, "1", ALL), Ok(()), "{name}");
        }
    }

    #[test]
    fn the_hosts_are_refused() {
        for name in [
            "kernel.core_pattern",
            "vm.swappiness",
            "fs.file-max",
            "kernel.shm",
            "kernel.modprobe",
            "fs.mqueue",
            "user.max_user_namespaces",
        ] {
            assert_eq!(check(name, "1", ALL), Err(SysctlError::Host(name.to_owned())));
        }
        assert_eq!(check("kernel.hostname", "x", ALL), Err(SysctlError::Hostname));
        let shared = check("net.ipv4.ip_forward", "1", &[NamespaceKind::Ipc]);
        assert!(matches!(shared, Err(SysctlError::Shared { kind: NamespaceKind::Network, .. })));
    }

    #[test]
    fn names_cannot_leave_their_folder() {
        for name in
            ["net", "net.", "net..x", "net./.x", "net.//.kernel.x", ".net", "net.ipv4 x", "net.\n"]
        {
            assert_eq!(check(name, "1", ALL), Err(SysctlError::Name(name.to_owned())), "{name:?}");
        }
        assert!(matches!(check("net.a.b", "1\n2", ALL), Err(SysctlError::Value(_))));
    }

    #[test]
    fn port_80_is_open_to_all_by_default() {
        let none = BTreeMap::new();
        assert_eq!(choose(&none, ALL).unwrap()[0].path(), "net/ipv4/ip_unprivileged_port_start");
        assert!(choose(&none, &[]).unwrap().is_empty());
        let asked = BTreeMap::from([(DEFAULT.0.to_owned(), "1024".to_owned())]);
        let chosen = choose(&asked, ALL).unwrap();
        assert_eq!((chosen.len(), chosen[0].value.as_str()), (1, "1024"));
    }

    proptest! {
        #[test]
        fn a_path_stays_below_its_root(name in "(net|kernel|fs)[a-z./\\\\-_]{0,30}") {
            if check(&name, "1", ALL).is_ok() {
                let sysctl = Sysctl { name, value: String::new(), by: SetBy::Caller };
                prop_assert!(sysctl.path().split('/').all(|part| !["", ".", ".."].contains(&part)));
            }
        }
    }
}
