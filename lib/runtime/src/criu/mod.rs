//! Checkpoint and restore, by the program `criu`. Source: criu(8), criu's images/rpc.proto.
//!
//! CRIU is started as `criu swrk FD` and spoken to over that socket, as runc does it. What it
//! cannot know is told: mounts and descriptors whose source is outside the container. Beside
//! CRIU's images lies a file of ours, [`Manifest`], with the names by which the images call them.
//!
//! **Images are trusted like the runtime itself**: who writes them says what every process
//! restored from them may do.

mod ask;
mod manifest;
mod message;
mod service;
mod strangers;

use std::io;
use std::path::{Path, PathBuf};

use coffer_oci::runtime::{NamespaceKind, Spec};

use crate::cgroup::Place;

pub(crate) use ask::{Dump, Restoring, dump, restore};
pub(crate) use manifest::{Manifest, ManifestError};
pub(crate) use service::{Listener, Restored};

/// What CRIU is told beside what it dumps or restores.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// TCP connections are kept.
    pub tcp_established: bool,
    /// Those that are not established yet are left out.
    pub tcp_skip_in_flight: bool,
    /// Those in the images are closed at the restore.
    pub tcp_close: bool,
    /// How packets are held back meanwhile; CRIU's own choice where it is not said.
    pub network_lock: Option<NetworkLock>,
    /// Files that were removed while they are open get a name for as long as it takes.
    pub link_remap: bool,
    /// Unix sockets may have their other end outside.
    pub ext_unix_sk: bool,
    /// The terminal may be one from outside.
    pub shell_job: bool,
    /// Locks of files are kept.
    pub file_locks: bool,
    /// Memory that a parent image has is freed there.
    pub auto_dedup: bool,
    /// Memory follows when it is wanted, by userfaultfd: the dump serves it, and the restore asks
    /// the `criu lazy-pages` that works in its folder.
    pub lazy_pages: bool,
    /// Whom memory is sent to, or, where it follows lazily, who may ask for it.
    pub page_server: Option<PageServer>,
    /// The profile of AppArmor or label of SELinux to be restored in place of the dumped one:
    /// `apparmor:NAME` or `selinux:LABEL`.
    pub lsm_profile: Option<String>,
    /// SELinux's label for mounts that have one.
    pub lsm_mount_context: Option<String>,
    /// What happens to control groups.
    pub groups: Groups,
}

/// How packets of what is dumped or restored are held back. Source: criu's images/rpc.proto,
/// `criu_network_lock_method`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkLock {
    /// By rules of iptables.
    Iptables,
    /// By rules of nftables.
    Nftables,
    /// Not at all.
    Skip,
}

impl NetworkLock {
    fn number(self) -> i32 {
        match self {
            Self::Iptables => 1,
            Self::Nftables => 2,
            Self::Skip => 3,
        }
    }
}

/// Where memory goes instead of into a file. Source: criu(8), `page-server`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageServer {
    /// A name or number of a host.
    pub address: String,
    /// A port of TCP.
    pub port: u16,
}

/// What CRIU does to control groups. Source: `criu_cg_mode`; criu(8), `--manage-cgroups`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Groups {
    /// They are left alone.
    Ignore,
    /// Those that are missing are made, with their settings.
    #[default]
    Soft,
    /// All settings are restored.
    Full,
    /// None of them may be there.
    Strict,
}

impl Groups {
    fn number(self) -> i32 {
        match self {
            Self::Ignore => 0,
            Self::Soft => 3,
            Self::Full => 4,
            Self::Strict => 5,
        }
    }
}

/// Where images are, and where CRIU writes its log.
#[derive(Clone, Copy, Debug)]
pub struct Folders<'a> {
    /// The images.
    pub images: &'a Path,
    /// The log, where it does not lie beside the images.
    pub work: Option<&'a Path>,
}

impl Folders<'_> {
    fn log(&self) -> &Path {
        self.work.unwrap_or(self.images)
    }
}

/// Why a container was not checkpointed or restored.
#[derive(Debug, thiserror::Error)]
pub enum CriuError {
    /// A folder of images or logs cannot be used.
    #[error("cannot use the folder {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The program cannot be started.
    #[error("cannot run CRIU as {}", program.display())]
    Start {
        /// Which program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It ended, or said what is no answer.
    #[error("CRIU broke off{}", told(log))]
    Broken {
        /// The first fault in its log.
        log: Option<String>,
    },
    /// It failed.
    #[error("CRIU failed with errno {errno}{}", told(log))]
    Failed {
        /// What it gives as the errno.
        errno: i32,
        /// The first fault in its log.
        log: Option<String>,
    },
    /// It cannot be spoken to.
    #[error("cannot speak to CRIU")]
    Channel(#[source] io::Error),
    /// The kernel, or CRIU on it, lacks what it takes.
    #[error("this kernel or this CRIU cannot {what}")]
    Kernel {
        /// What.
        what: &'static str,
    },
    /// The container's root cannot be shown to it.
    #[error("cannot prepare the container's root for CRIU")]
    Root(#[source] io::Error),
    /// What was to be done meanwhile failed.
    #[error("while CRIU waited")]
    Meanwhile(#[source] io::Error),
    /// The control groups cannot be managed so.
    #[error("--manage-cgroups-mode {mode}: {why}; soft leaves them as the bundle says")]
    Groups {
        /// How.
        mode: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// What the bundle asks for is lost between checkpoint and restore.
    #[error("{at} cannot be checkpointed: CRIU does not restore it")]
    Lost {
        /// Where: a JSON path.
        at: String,
    },
    /// The file beside the images.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

fn told(log: &Option<String>) -> String {
    log.as_ref().map_or_else(String::new, |line| format!(": {line}"))
}

/// What of `spec` CRIU would lose without a word, or not find again, where the container's groups
/// are at `place`. Source: criu.org, "What cannot be checkpointed".
pub(crate) fn lost(spec: &Spec, place: &Place) -> Option<String> {
    let linux = spec.linux.as_ref()?;
    let process = spec.process.as_ref();
    let seccomp = linux.seccomp.as_ref();
    let mapped = |options: &[String]| options.iter().any(|o| o == "idmap" || o == "ridmap");
    let mount = spec.mounts.iter().position(|mount| {
        !mount.uid_mappings.is_empty() || !mount.gid_mappings.is_empty() || mapped(&mount.options)
    });
    let joined = linux.namespaces.iter().position(|namespace| {
        use NamespaceKind::{Cgroup, Mount, Time, User};
        matches!(namespace.kind, Cgroup | Mount | Time | User) && !namespace.path.is_empty()
    });
    // The root of such a namespace is a group of whoever made the container.
    let borrowed = linux.namespaces.iter().position(|namespace| {
        namespace.kind == NamespaceKind::Cgroup && place.groups.is_empty() && place.unit.is_none()
    });
    let found = [
        (linux.memory_policy.is_some(), "linux.memoryPolicy"),
        (!linux.net_devices.is_empty(), "linux.netDevices"),
        (seccomp.is_some_and(|s| !s.listener_path.is_empty()), "linux.seccomp.listenerPath"),
        (process.is_some_and(|process| process.io_priority.is_some()), "process.ioPriority"),
    ];
    let plain = found.into_iter().find(|(is, _)| *is).map(|(_, at)| at.to_owned());
    plain
        .or_else(|| mount.map(|place| format!("mounts[{place}].uidMappings")))
        .or_else(|| joined.map(|place| format!("linux.namespaces[{place}].path")))
        .or_else(|| borrowed.map(|place| format!("linux.namespaces[{place}] without own groups")))
}
