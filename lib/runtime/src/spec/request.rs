//! The flags of `run` and `create`, typed. Source: docker's `run` reference.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use coffer_confine::confinement::{NewPrivileges, Privilege};
use coffer_confine::landlock::Landlock;
use coffer_confine::selinux::Changes;
use coffer_oci::runtime::{ConsoleSize, Rlimit, Seccomp};
use serde::{Deserialize, Serialize};

use super::{DeviceRequest, Making, MountRequest};

/// What the caller asks for beside the image. The default is `run IMAGE` without a flag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The words after the image; they replace the image's `Cmd`.
    pub command: Vec<String>,
    /// `--entrypoint`.
    pub entrypoint: Entrypoint,
    /// `--env-file`, then `-e`, in their order; a later one wins. Those without a value are
    /// looked up by the CLI in its own environment before.
    pub env: Vec<(String, String)>,
    /// `--user`, as the caller wrote it: resolved strictly from the image's own files.
    pub user: Option<String>,
    /// `--group-add`: names or numbers of groups, resolved likewise.
    pub group_add: Vec<String>,
    /// `--workdir`.
    pub workdir: Option<String>,
    /// `--hostname`.
    pub hostname: Option<String>,
    /// `--domainname`.
    pub domainname: Option<String>,
    /// `-v`, `--mount` and `--tmpfs`, in their order.
    pub mounts: Vec<MountRequest>,
    /// Whether volumes that are not there are made.
    pub volumes: Making,
    /// `--read-only`.
    pub root: RootAccess,
    /// `--cap-add`, as docker names them: `CHOWN`, `CAP_CHOWN` or `ALL`.
    pub cap_add: Vec<String>,
    /// `--cap-drop`, likewise.
    pub cap_drop: Vec<String>,
    /// `--security-opt seccomp=`.
    pub seccomp: SeccompChoice,
    /// `--security-opt apparmor=`.
    pub apparmor: AppArmor,
    /// `--security-opt label=`.
    pub selinux: SeLinux,
    /// `--security-opt landlock=`.
    pub landlock: Option<Landlock>,
    /// `--security-opt systempaths=`.
    pub system_paths: SystemPaths,
    /// `--network`.
    pub network: Network,
    /// `--pid`.
    pub pid: Pids,
    /// `--ipc`.
    pub ipc: Ipc,
    /// `--device`.
    pub devices: Vec<DeviceRequest>,
    /// `--allow-setuid`.
    pub privileges: NewPrivileges,
    /// `--privileged`.
    pub privilege: Privilege,
    /// `--memory`, `--cpus`, `--pids-limit` and their like.
    pub limits: Limits,
    /// `--ulimit`, with the kind as runtime-spec names it (`RLIMIT_NOFILE`).
    pub ulimits: Vec<Rlimit>,
    /// `--sysctl`; those that no namespace separates are refused.
    pub sysctls: BTreeMap<String, String>,
    /// `--dns`.
    pub dns: Vec<IpAddr>,
    /// `--dns-search`.
    pub dns_search: Vec<String>,
    /// `--dns-option`.
    pub dns_options: Vec<String>,
    /// `--add-host`.
    pub add_hosts: Vec<(String, IpAddr)>,
    /// `--label` and `--label-file`; they win over the image's.
    pub labels: BTreeMap<String, String>,
    /// `--init`.
    pub init: Init,
    /// `-t`.
    pub terminal: Terminal,
    /// `--userns`.
    pub userns: Userns,
    /// `--oom-score-adj`, -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// `--stop-signal`, as the caller wrote it; otherwise the image's, otherwise `TERM`.
    pub stop_signal: Option<String>,
    /// `--stop-timeout`: how long it may take to stop before it is killed.
    pub stop_timeout: Option<Duration>,
}

/// What comes before the command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Entrypoint {
    /// The image's own, followed by the command, or by the image's `Cmd` where none is given.
    #[default]
    OfImage,
    /// These words, or none at all; the image's `Cmd` is not used either.
    Replace(Vec<String>),
}

/// Whether the root file system can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RootAccess {
    /// A writable layer of the container's own lies on top.
    #[default]
    Writable,
    /// `--read-only`: only volumes and tmpfs can be written.
    ReadOnly,
}

/// Which system call filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SeccompChoice {
    /// Coffer's own allowlist.
    #[default]
    Default,
    /// None: `seccomp=unconfined`.
    Unconfined,
    /// The caller's profile, already read.
    Profile(Box<Seccomp>),
}

/// Which AppArmor profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AppArmor {
    /// One of the container's own, where the host has AppArmor and coffer may load it.
    #[default]
    Own,
    /// None: `apparmor=unconfined`.
    Unconfined,
    /// One that is loaded.
    Named(String),
}

/// Which SELinux contexts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeLinux {
    /// Those of containers with categories of its own, with what the caller changes.
    Own(Changes),
    /// None: `label=disable`.
    Disabled,
}

impl Default for SeLinux {
    fn default() -> Self {
        Self::Own(Changes::default())
    }
}

/// Whether `/proc` and `/sys` have their masked and read-only paths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SystemPaths {
    /// Masked and read-only as confine lists them.
    #[default]
    Confined,
    /// `systempaths=unconfined`.
    Unconfined,
}

/// Which network the container sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// A network namespace of its own with nothing but `lo`.
    #[default]
    None,
    /// The host's network namespace.
    Host,
}

/// Whose processes the container sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pids {
    /// Its own.
    #[default]
    Own,
    /// The host's. A relaxation.
    Host,
    /// Those of the container of this name. A relaxation.
    Container(String),
}

/// Whose System V objects, message queues and `/dev/shm` the container has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ipc {
    /// Its own, which no other container may join.
    #[default]
    Own,
    /// Its own, without `/dev/shm`.
    NoMemory,
    /// Its own, which others may join.
    Shareable,
    /// The host's. A relaxation.
    Host,
    /// Those of the container of this name, which is [`Ipc::Shareable`]. A relaxation.
    Container(String),
}

/// Limits of the control group. `None` leaves the default: no limit, except for
/// [`DEFAULT_PIDS`](super::DEFAULT_PIDS) tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `--memory`, in bytes.
    pub memory: Option<i64>,
    /// `--memory-swap`: memory and swap together in bytes; -1 is without limit.
    pub memory_swap: Option<i64>,
    /// `--memory-reservation`, in bytes.
    pub memory_reservation: Option<i64>,
    /// `--cpus`, in thousandths of a processor.
    pub millicpus: Option<u64>,
    /// `--cpu-shares`, in v1's scale.
    pub cpu_shares: Option<u64>,
    /// `--cpuset-cpus`, a list such as `0-3,7`.
    pub cpuset_cpus: Option<String>,
    /// `--cpuset-mems`, likewise.
    pub cpuset_mems: Option<String>,
    /// `--pids-limit`; -1 is without limit.
    pub pids: Option<i64>,
    /// `--shm-size`, in bytes.
    pub shm_size: Option<u64>,
}

/// Who is process 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// The program itself.
    #[default]
    Program,
    /// `--init`: a tiny process of ours that reaps and passes signals on.
    Tiny,
}

/// Whether the program has a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Terminal {
    /// Its input and output are pipes or files.
    #[default]
    None,
    /// `-t`: a pty of its own, of this size where it is known.
    Pty(Option<ConsoleSize>),
}

/// Whose ids the container has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Userns {
    /// A range of its own; those of the container whose processes or memory it joins.
    #[default]
    Unsaid,
    /// `--userns auto`: a user namespace with a range of its own.
    Private,
    /// `--userns host`: root inside is root outside. A relaxation; only root can ask for it.
    Host,
    /// Those of the container of this name. A relaxation.
    Container(String),
}
