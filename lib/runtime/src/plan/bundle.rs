//! What a bundle of the OCI runtime adds to a plan.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use coffer_oci::runtime::{NamespaceKind, Spec};
use coffer_sys::mount::{Reach, Travel};
use rustix::mount::MountAttrFlags;
use serde::{Deserialize, Serialize};

use super::{Look, PlanError, options};

/// A bundle whose `config.json` somebody else has written: podman, containerd, docker.
///
/// Its mounts are taken as they are, without the care that coffer takes of its own: owners are
/// mapped only where an option says so, and mounts travel as their options say.
#[derive(Clone, Copy, Debug)]
pub struct Bundle<'a> {
    /// The container's id.
    pub id: &'a str,
    /// The bundle's folder, absolute: sources of bind mounts are relative to it.
    pub folder: &'a Path,
    /// How the host's root is left.
    pub root_change: RootChange,
    /// Which session keyring the process has.
    pub keyring: Keyring,
    /// How many descriptors after the standard three stay open.
    pub preserved: u32,
    /// The `HOME` of a process whose environment has none, or an empty one.
    pub home: Option<&'a str>,
    /// How the lines end that its terminal writes.
    pub lines: Lines,
}

/// How the lines end that a terminal writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lines {
    /// As a terminal does it: whoever has the other side shows them on one, or changes that.
    #[default]
    ForScreens,
    /// As the program writes them: they are carried to what is no terminal.
    Plain,
}

/// How the host's root is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RootChange {
    /// By `pivot_root`.
    #[default]
    Pivot,
    /// By moving the new root over the old one (`--no-pivot`), which an initial ramdisk needs.
    Move,
}

/// Which session keyring a process has. Source: man 7 session-keyring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keyring {
    /// One of the container's own.
    #[default]
    Own,
    /// The caller's (`--no-new-keyring`).
    Callers,
}

impl Bundle<'_> {
    /// What `source` of a bind mount means. Source: runtime-spec config.md, "Mounts".
    pub(super) fn source(&self, source: &str) -> PathBuf {
        self.folder.join(source)
    }
}

/// The place on the host that is mounted.
pub(super) fn source<'a>(bundle: Option<&Bundle<'_>>, source: &'a str) -> Cow<'a, Path> {
    match bundle {
        Some(bundle) => Cow::Owned(bundle.source(source)),
        None => Cow::Borrowed(Path::new(source)),
    }
}

/// Whether the configuration asks for a namespace of this kind.
pub(super) fn has_own(spec: &Spec, kind: NamespaceKind) -> bool {
    let linux = spec.linux.as_ref();
    linux.is_some_and(|linux| linux.namespaces.iter().any(|namespace| namespace.kind == kind))
}

/// How mounts travel below the root, and whether the whole tree.
pub(super) fn root_travel(spec: &Spec) -> Result<(Travel, Reach), PlanError> {
    let Some(linux) = spec.linux.as_ref().filter(|linux| !linux.rootfs_propagation.is_empty())
    else {
        return Ok((Travel::Private, Reach::Tree));
    };
    let asked = linux.rootfs_propagation.as_str();
    let (name, reach) = match asked.strip_prefix('r') {
        Some(name) => (name, Reach::Tree),
        None => (asked, Reach::One),
    };
    match options::travel(name) {
        Some(travel) => Ok((travel, reach)),
        None => Err(PlanError::field("linux.rootfsPropagation", "is none of those of the kernel")),
    }
}

/// How the root is mounted: what is mounted on the host below its folder appears in a slave. To be
/// shared is a matter of the container's inside, and comes after the pivot.
pub(super) fn root_look(spec: &Spec) -> Result<Look, PlanError> {
    let travel = match root_travel(spec)?.0 {
        Travel::Slave => Travel::Slave,
        _ => Travel::Private,
    };
    let look = Look::of_ours(MountAttrFlags::empty(), Reach::Tree);
    Ok(Look { travel: (travel, Reach::Tree), idmap: None, ..look })
}

/// Whether the running kernel is at least of this version.
pub(super) fn kernel_is_at_least(major: u32, minor: u32) -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let mut next = || parts.next().and_then(Result::ok).unwrap_or(0);
    (next(), next()) >= (major, minor)
}
