//! A running process as its files in `/proc` describe it, under whatever runtime it runs.
//!
//! Parsers take text and are pure; [`Process::read`] does the reading, below one open folder, so
//! that a number which is given to another process in between is noticed and not mixed up.
//! Sources: man 5 proc; linux/Documentation/filesystems/proc.rst.

mod maps;
mod mounts;
mod status;

use std::io::Read;
use std::os::fd::OwnedFd;

use coffer_oci::runtime::NamespaceKind;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;

pub use maps::{MapRange, map};
pub use mounts::{Mounts, mounts};
pub use status::{FilterMode, Status, status};

/// How much of a file is read: a table of mounts may be long.
const LONGEST: u64 = 4 << 20;

/// A running process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// What `status` says.
    pub status: Status,
    /// Its namespaces.
    pub namespaces: Vec<NamespaceOf>,
    /// Its user ids.
    pub uid_map: Vec<MapRange>,
    /// Its group ids.
    pub gid_map: Vec<MapRange>,
    /// Its control groups, as `cgroup` lists them.
    pub cgroups: Vec<String>,
    /// What a security module calls it.
    pub label: Option<String>,
    /// Whether something is mounted over files of its `/proc`.
    pub covers: bool,
    /// Paths that it can write and that are no file system of the kernel's or an overlay: where
    /// they are inside.
    pub host_paths: Vec<String>,
}

/// A namespace of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NamespaceOf {
    /// Which kind.
    pub kind: NamespaceKind,
    /// Its number.
    pub inode: u64,
    /// Whose it is.
    pub own: Own,
}

/// Whose a namespace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Own {
    /// One of its own, or one that it shares with others than the host.
    Own,
    /// The host's.
    Host,
}

/// Why a process cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is none of this number.
    #[error("there is no process {0}")]
    Gone(u32),
    /// A file of it cannot be read.
    #[error("{file} of process {pid} cannot be read")]
    Read {
        /// Whose.
        pid: u32,
        /// Which.
        file: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file of it makes no sense.
    #[error("{file} of process {pid} makes no sense")]
    Parse {
        /// Whose.
        pid: u32,
        /// Which.
        file: &'static str,
    },
}

/// The kinds, by the names that `/proc/PID/ns` has for them.
const KINDS: [(&str, NamespaceKind); 8] = [
    ("user", NamespaceKind::User),
    ("pid", NamespaceKind::Pid),
    ("mnt", NamespaceKind::Mount),
    ("net", NamespaceKind::Network),
    ("ipc", NamespaceKind::Ipc),
    ("uts", NamespaceKind::Uts),
    ("cgroup", NamespaceKind::Cgroup),
    ("time", NamespaceKind::Time),
];

impl Process {
    /// Reads a process.
    ///
    /// # Errors
    /// A [`ProcessError`]: it has gone, or it belongs to somebody else.
    pub fn read(pid: u32) -> Result<Self, ProcessError> {
        let folder = Folder::open(pid)?;
        let status = status(&folder.text("status")?).ok_or(folder.nonsense("status"))?;
        let ids = |file| map(&folder.text(file)?).ok_or(folder.nonsense(file));
        let mounts = mounts(&folder.text("mountinfo")?);
        Ok(Self {
            pid,
            status,
            namespaces: folder.namespaces()?,
            uid_map: ids("uid_map")?,
            gid_map: ids("gid_map")?,
            cgroups: folder.text("cgroup")?.lines().map(str::to_owned).collect(),
            label: folder.label(),
            covers: mounts.covers,
            host_paths: mounts.writable,
        })
    }

    /// The kinds of namespaces that it does not share with the host.
    pub fn own_namespaces(&self) -> Vec<NamespaceKind> {
        let own = self.namespaces.iter().filter(|namespace| namespace.own == Own::Own);
        own.map(|namespace| namespace.kind).collect()
    }
}

/// The folder of a process in `/proc`. It keeps to that process: when the number is given to
/// another one, nothing can be read by it any more.
struct Folder {
    pid: u32,
    dir: OwnedFd,
}

impl Folder {
    fn open(pid: u32) -> Result<Self, ProcessError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::openat(CWD, format!("/proc/{pid}"), flags, Mode::empty()) {
            Ok(dir) => Ok(Self { pid, dir }),
            Err(_) => Err(ProcessError::Gone(pid)),
        }
    }

    fn text(&self, file: &'static str) -> Result<String, ProcessError> {
        let failed = |source| match source {
            Errno::SRCH | Errno::NOENT => ProcessError::Gone(self.pid),
            source => ProcessError::Read { pid: self.pid, file, source: source.into() },
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let open = rustix::fs::openat(&self.dir, file, flags, Mode::empty()).map_err(failed)?;
        let mut text = Vec::new();
        std::fs::File::from(open)
            .take(LONGEST)
            .read_to_end(&mut text)
            .map_err(|error| ProcessError::Read { pid: self.pid, file, source: error })?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn nonsense(&self, file: &'static str) -> ProcessError {
        ProcessError::Parse { pid: self.pid, file }
    }

    /// Its namespaces, held against the host's.
    fn namespaces(&self) -> Result<Vec<NamespaceOf>, ProcessError> {
        let mut found = Vec::with_capacity(KINDS.len());
        for (name, kind) in KINDS {
            let inode = match inode(&self.dir, name) {
                // A kernel without that kind.
                Err(Errno::NOENT) => continue,
                inode => inode.map_err(|source| ProcessError::Read {
                    pid: self.pid,
                    file: "ns",
                    source: source.into(),
                })?,
            };
            let own = if host_inode(name) == Some(inode) { Own::Host } else { Own::Own };
            found.push(NamespaceOf { kind, inode, own });
        }
        Ok(found)
    }

    /// What AppArmor or SELinux calls it; none where no module does.
    fn label(&self) -> Option<String> {
        let files = ["attr/apparmor/current", "attr/current"];
        let found = files.iter().find_map(|file| self.text(file).ok());
        let text = found?.trim_end_matches(['\n', '\0']).to_owned();
        (!text.is_empty()).then_some(text)
    }
}

/// The number of a namespace.
fn inode(dir: &OwnedFd, name: &str) -> Result<u64, Errno> {
    Ok(rustix::fs::statat(dir, format!("ns/{name}"), rustix::fs::AtFlags::empty())?.st_ino)
}

/// The number of the host's namespace: that of process 1, or, where that may not be looked at, of
/// this process.
fn host_inode(name: &str) -> Option<u64> {
    let of = |process: &str| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = format!("/proc/{process}");
        inode(&rustix::fs::openat(CWD, path, flags, Mode::empty()).ok()?, name).ok()
    };
    of("1").or_else(|| of("self"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_read() {
        let own = Process::read(std::process::id()).unwrap();
        assert_eq!(own.status.pid, std::process::id());
        assert!(own.namespaces.iter().any(|n| n.kind == NamespaceKind::User && n.inode > 0));
        assert!(!own.uid_map.is_empty() && !own.cgroups.is_empty());
    }

    #[test]
    fn nobody_has_this_number() {
        assert!(matches!(Process::read(u32::MAX), Err(ProcessError::Gone(u32::MAX))));
    }
}
