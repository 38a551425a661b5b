//! Where a process is: in a container, or still on the host.
#![expect(clippy::disallowed_methods, reason = "a process looks at its own root and namespaces")]

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

/// What no container has in common with its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The mount namespace, as `/proc/self/ns/mnt` names it; a kernel of its own may not.
    pub mounts: Option<String>,
    /// The device and number of the root folder.
    pub root: (u64, u64),
}

impl Place {
    /// Where this process is.
    ///
    /// # Errors
    /// Its root cannot be looked at.
    pub fn here() -> io::Result<Self> {
        let root = fs::metadata("/")?;
        let mounts = fs::read_link("/proc/self/ns/mnt").ok();
        let mounts = mounts.map(|link| link.display().to_string());
        Ok(Self { mounts, root: (root.dev(), root.ino()) })
    }

    /// Why this is no container's place, seen from `host`; `None` where it is one's.
    #[must_use]
    pub fn shared_with(&self, host: &Self) -> Option<&'static str> {
        if self.root == host.root {
            return Some("its root is the host's own");
        }
        let is_shared = self.mounts.is_some() && self.mounts == host.mounts;
        is_shared.then_some("its mount namespace is the host's own")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mounts: Option<&str>, root: u64) -> Place {
        Place { mounts: mounts.map(str::to_owned), root: (1, root) }
    }

    #[test]
    fn a_shared_root_or_mount_namespace_is_the_host() {
        let host = at(Some("mnt:[1]"), 2);
        assert!(host.shared_with(&host).is_some());
        assert!(at(Some("mnt:[1]"), 3).shared_with(&host).is_some());
        assert!(at(Some("mnt:[9]"), 2).shared_with(&host).is_some());
        assert!(at(None, 2).shared_with(&host).is_some());
        assert_eq!(at(Some("mnt:[9]"), 3).shared_with(&host), None);
        // gVisor has no such file.
        assert_eq!(at(None, 3).shared_with(&host), None);
    }

    #[test]
    fn who_is_here_is_here() {
        let here = Place::here().unwrap();
        assert!(here.shared_with(&here).is_some());
    }
}
