//! Where something is mounted: a path below the container's root, made ready to be walked by fd.

use std::ffi::{CString, NulError};
use std::fmt;

/// A path below the container's root, and what has to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The path, absolute and without `.`, `..` or doubled slashes.
    pub(crate) path: CString,
    /// Each folder on the way, from the first below the root to the last component: the folder
    /// that it is in, and its name. Walked only where the path does not exist.
    pub(crate) levels: Vec<Level>,
    /// What has to be there.
    pub(crate) kind: TargetKind,
}

/// One component of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    /// The path of the folder that it is in.
    pub(crate) parent: CString,
    /// Its name.
    pub(crate) name: CString,
}

/// What has to be at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetKind {
    /// A folder on a way without links; the kernel's file systems are mounted there.
    Plain,
    /// A folder. Links on the way are followed inside the root, and `/proc` and `/sys` refused.
    Folder,
    /// A file, likewise.
    File,
    /// A file on a way without links, in the kernel's own file systems: it is there already.
    Kernel,
}

/// Files of `/proc` that a bundle may cover: those that programs like lxcfs make up for a
/// container. Source: as runc has them.
const COVERED: [&str; 10] = [
    "cpuinfo",
    "diskstats",
    "meminfo",
    "stat",
    "swaps",
    "uptime",
    "loadavg",
    "slabinfo",
    "sys/kernel/ns_last_pid",
    "sys/crypto/fips_enabled",
];

/// Why a path cannot be a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It does not start with a slash.
    #[error("{0} is not an absolute path")]
    Relative(String),
    /// It is the root itself.
    #[error("{0} is the root of the container")]
    Root(String),
    /// It goes up: where that leads depends on links.
    #[error("{0} contains \"..\"")]
    Upward(String),
    /// It is below `/proc` or `/sys`, where only the kernel's own files may be.
    #[error("{0} is inside /proc or /sys")]
    Kernel(String),
    /// It cannot be passed to the kernel.
    #[error("{0:?} contains a null byte")]
    Null(String, #[source] NulError),
}

impl Target {
    /// Where the container's `path` is.
    ///
    /// # Errors
    /// A [`TargetError`] where nothing can be mounted there.
    pub(crate) fn new(path: &str, kind: TargetKind) -> Result<Self, TargetError> {
        let parts = components(path)?;
        if parts.is_empty() {
            return Err(TargetError::Root(path.to_owned()));
        }
        if kind != TargetKind::Plain && matches!(parts[0], "proc" | "sys") {
            return Err(TargetError::Kernel(path.to_owned()));
        }
        Self::of(path, &parts, kind)
    }

    /// Where `path` of a bundle's mount is. The kernel's file systems may be covered whole, `/sys`
    /// in parts, and of `/proc` the files that say how large the machine is.
    ///
    /// # Errors
    /// A [`TargetError`] where nothing can be mounted there.
    pub(crate) fn of_bundle(path: &str, kind: TargetKind) -> Result<Self, TargetError> {
        // As runc does it: a path that does not start at the root starts there.
        let rooted = format!("/{path}");
        let parts = components(&rooted)?;
        let kind = match (parts.split_first(), kind) {
            (None, _) => return Err(TargetError::Root(path.to_owned())),
            (Some((&"proc", [])), TargetKind::Folder) => TargetKind::Plain,
            (Some((&"proc", rest)), TargetKind::File) if COVERED.contains(&&*rest.join("/")) => {
                TargetKind::Kernel
            }
            (Some((&"proc", [_, ..])), _) => return Err(TargetError::Kernel(path.to_owned())),
            (Some((&"sys", _)), TargetKind::Folder) => TargetKind::Plain,
            (Some((&"sys", _)), TargetKind::File) => TargetKind::Kernel,
            (_, kind) => kind,
        };
        Self::of(path, &parts, kind)
    }

    /// The kernel's own file at `path`, to be covered by a file that coffer makes up.
    ///
    /// # Errors
    /// A [`TargetError`] where it is no such path.
    pub(crate) fn of_kernel(path: &str) -> Result<Self, TargetError> {
        Self::of(path, &components(path)?, TargetKind::Kernel)
    }

    /// The folder `path`, which may be the root, to be started in.
    ///
    /// # Errors
    /// A [`TargetError`] where `path` is relative or goes up.
    pub(crate) fn folder(path: &str) -> Result<Self, TargetError> {
        Self::of(path, &components(path)?, TargetKind::Folder)
    }

    fn of(path: &str, parts: &[&str], kind: TargetKind) -> Result<Self, TargetError> {
        let text = |text: String| {
            CString::new(text).map_err(|source| TargetError::Null(path.to_owned(), source))
        };
        let mut levels = Vec::with_capacity(parts.len());
        for (depth, name) in parts.iter().enumerate() {
            let parent = text(format!("/{}", parts[..depth].join("/")))?;
            levels.push(Level { parent, name: text((*name).to_owned())? });
        }
        Ok(Self { path: text(format!("/{}", parts.join("/")))?, levels, kind })
    }
}

/// The components of an absolute path, without `.` and empty ones.
fn components(path: &str) -> Result<Vec<&str>, TargetError> {
    let rest = path.strip_prefix('/').ok_or_else(|| TargetError::Relative(path.to_owned()))?;
    let parts: Vec<&str> = rest.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err(TargetError::Upward(path.to_owned()));
    }
    Ok(parts)
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path.to_string_lossy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_lead_to_the_path() {
        let target = Target::new("//a/./b/", TargetKind::Folder).unwrap();
        assert_eq!(target.path.as_c_str(), c"/a/b");
        let levels: Vec<_> = target
            .levels
            .iter()
            .map(|level| (level.parent.to_str(), level.name.to_str()))
            .collect();
        assert_eq!(levels, [(Ok("/"), Ok("a")), (Ok("/a"), Ok("b"))]);
    }

    #[test]
    fn what_is_no_target_says_why() {
        let refused = |path: &str| Target::new(path, TargetKind::Folder).unwrap_err().to_string();
        assert_eq!(refused("a"), "a is not an absolute path");
        assert_eq!(refused("/./"), "/./ is the root of the container");
        assert_eq!(refused("/a/../proc"), "/a/../proc contains \"..\"");
        assert_eq!(refused("//proc/1"), "//proc/1 is inside /proc or /sys");
        assert!(refused("/a\0").contains("null byte"));
        assert!(Target::new("/proc", TargetKind::Plain).is_ok());
        assert!(Target::folder("/").is_ok());
    }

    proptest::proptest! {
        #[test]
        fn never_leaves_the_root(path in "[/.a]{0,12}") {
            if let Ok(target) = Target::folder(&path) {
                let text = target.path.to_str().unwrap();
                proptest::prop_assert!(text.starts_with('/'));
                proptest::prop_assert!(!text.split('/').any(|part| part == ".."));
            }
        }
    }
}
