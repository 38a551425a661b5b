//! A bundle: the folder that containerd makes for a container, and what the shim reads of it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use coffer_sys::dir::{self, Durability};
use rustix::fs::Mode;
use serde::Deserialize;
use thiserror::Error;

/// The file with the container's address, which containerd reads when it comes back.
const ADDRESS: &str = "address";
/// More than the largest config.json that anybody makes, in bytes.
const CONFIG_LIMIT: u64 = 16 << 20;
/// Annotations that name the group of containers which share a shim: what others use, and the pod
/// of Kubernetes. The first that is there counts.
const GROUPS: [&str; 2] = ["io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id"];

/// Why a bundle cannot be used.
#[derive(Debug, Error)]
pub enum BundleError {
    /// The folder, or a file in it.
    #[error("bundle {bundle}: {name}")]
    File {
        /// The folder.
        bundle: String,
        /// The file in it.
        name: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// config.json cannot be read.
    #[error("bundle {bundle}: config.json")]
    Config {
        /// The folder.
        bundle: String,
        /// Where it is wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// An open bundle.
#[derive(Debug)]
pub struct Bundle {
    path: String,
    folder: OwnedFd,
}

/// What of config.json concerns the shim; the rest is the runtime's.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Config {
    /// Free words.
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    linux: Linux,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Linux {
    #[serde(default)]
    namespaces: Vec<Namespace>,
    #[serde(default)]
    cgroups_path: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
struct Namespace {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    path: String,
}

/// Whose pid namespace a container lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PidNamespace {
    /// Its own: the kernel ends all of it with the first process.
    Own,
    /// Somebody else's: what the first process leaves behind has to be killed.
    Shared,
}

impl Bundle {
    /// Opens the folder at `path`.
    ///
    /// # Errors
    /// It is not there.
    pub fn open(path: &str) -> Result<Self, BundleError> {
        let folder = dir::open(Path::new(path)).map_err(|source| BundleError::File {
            bundle: path.to_owned(),
            name: ".".to_owned(),
            source,
        })?;
        Ok(Self { path: path.to_owned(), folder })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Reads config.json.
    ///
    /// # Errors
    /// It is not there, or is no JSON of that shape.
    pub fn config(&self) -> Result<Config, BundleError> {
        let bytes = self.read("config.json", CONFIG_LIMIT)?.unwrap_or_default();
        serde_json::from_slice(&bytes)
            .map_err(|source| BundleError::Config { bundle: self.path.clone(), source })
    }

    /// Reads the small file `name`; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is longer than `limit` bytes.
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, BundleError> {
        dir::read(self.folder.as_fd(), name, limit).map_err(|source| self.failed(name, source))
    }

    /// Writes the file `name` whole.
    ///
    /// # Errors
    /// The disk says no.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
        dir::write_whole(
            self.folder.as_fd(),
            name,
            bytes,
            Mode::from_raw_mode(0o600),
            Durability::Process,
        )
        .map_err(|source| self.failed(name, source))
    }

    /// Removes the file `name` if it is there.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), BundleError> {
        dir::remove_file(self.folder.as_fd(), name)
            .map(drop)
            .map_err(|source| self.failed(name, source))
    }

    /// Writes down where the container's shim is.
    ///
    /// # Errors
    /// The disk says no.
    pub fn write_address(&self, address: &str) -> Result<(), BundleError> {
        self.write(ADDRESS, address.as_bytes())
    }

    /// Where the container's shim is, or was.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn address(&self) -> Result<Option<String>, BundleError> {
        let bytes = self.read(ADDRESS, 4096)?;
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    fn failed(&self, name: &str, source: io::Error) -> BundleError {
        BundleError::File { bundle: self.path.clone(), name: name.to_owned(), source }
    }
}

impl AsFd for Bundle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }
}

impl Config {
    /// The group of containers that share a shim, if it names one.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        GROUPS.iter().find_map(|key| self.annotations.get(*key)).map(String::as_str)
    }

    /// Whose pid namespace the container lives in.
    #[must_use]
    pub fn pid_namespace(&self) -> PidNamespace {
        let own = |ns: &Namespace| ns.kind == "pid" && ns.path.is_empty();
        match self.linux.namespaces.iter().any(own) {
            true => PidNamespace::Own,
            false => PidNamespace::Shared,
        }
    }

    /// Whether `cgroupsPath` is of the form `slice:prefix:name`, which only systemd's driver reads
    /// (runc, docs/systemd.md). CRI cannot give a shim that it does not know any options, and
    /// writes this form exactly where the kubelet uses systemd's driver.
    #[must_use]
    pub fn names_a_slice(&self) -> bool {
        let parts: Vec<&str> = self.linux.cgroups_path.split(':').collect();
        matches!(parts.as_slice(), [slice, _, name] if slice.ends_with(".slice") && !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_pod_names_the_group() {
        let pod = config(r#"{"annotations": {"io.kubernetes.cri.sandbox-id": "pod", "x": "y"}}"#);
        assert_eq!(pod.group(), Some("pod"));
        assert_eq!(config("{}").group(), None);
    }

    #[test]
    fn a_pid_namespace_with_a_path_is_shared() {
        let own = r#"{"linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}]}}"#;
        let joined = r#"{"linux": {"namespaces": [{"type": "pid", "path": "/proc/1/ns/pid"}]}}"#;
        assert_eq!(config(own).pid_namespace(), PidNamespace::Own);
        assert_eq!(config(joined).pid_namespace(), PidNamespace::Shared);
        assert_eq!(config("{}").pid_namespace(), PidNamespace::Shared);
    }

    #[test]
    fn a_slice_is_told_from_a_path() {
        let path = |path: &str| {
            config(&format!(r#"{{"linux": {{"cgroupsPath": "{path}"}}}}"#)).names_a_slice()
        };
        assert!(path("kubepods-pod1.slice:cri-containerd:abc"));
        assert!(!path("/kubepods/pod1/abc"));
        assert!(!path("/default/a:b:c"));
        assert!(!path(""));
    }
}
