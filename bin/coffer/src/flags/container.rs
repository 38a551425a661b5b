//! The flags of `run` and `create`: docker's words with docker's meaning.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use coffer_runtime::spec::{DeviceRequest, MountRequest};
use coffer_runtime::state::Name;

use super::choice::{HostLine, IpcWord, NetworkWord, PidWord, UsernsWord};
use super::common::{Common, PullFlags, RunImageFlags, UnpackFlags};
use super::device::device;
use super::form;
use super::limit::{Limit, List, MemorySize, Room, Shares};
use super::mount::{mount, tmpfs, volume};
use super::security::SecurityOption;
use super::{CgroupNs, Cpus, Label, Restart, Seconds, Size, SwapSize, Sysctl, Ulimit};

/// What `run` and `create` make a container from.
#[derive(Debug, clap::Args)]
pub(crate) struct ContainerArgs {
    #[command(flatten)]
    pub(crate) flags: ContainerFlags,
    /// The image: a registry name, oci:DIR, oci-archive:FILE or docker-archive:FILE
    pub(crate) image: String,
    /// The command, instead of the image's
    #[arg(last = true)]
    pub(crate) command: Vec<OsString>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What a new container is asked to be.
#[derive(Debug, clap::Args)]
pub(crate) struct ContainerFlags {
    #[command(flatten)]
    pub(crate) process: ProcessFlags,
    #[command(flatten)]
    pub(crate) files: FileFlags,
    #[command(flatten)]
    pub(crate) limits: LimitFlags,
    #[command(flatten)]
    pub(crate) fence: FenceFlags,
    #[command(flatten)]
    pub(crate) network: NetworkFlags,
    #[command(flatten)]
    pub(crate) run_image: RunImageFlags,
    #[command(flatten)]
    pub(crate) image: PullFlags,
    #[command(flatten)]
    pub(crate) unpack: UnpackFlags,
}

/// The process and its terminal.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Process")]
pub(crate) struct ProcessFlags {
    /// Name the container
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<Name>,
    /// Keep stdin open
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Set a variable; NAME alone passes coffer's own on
    #[arg(short, long, value_name = "NAME[=VALUE]", value_parser = form::variable)]
    pub(crate) env: Vec<String>,
    /// Set the variables that FILE lists
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// Run this instead of the image's entrypoint
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) entrypoint: Option<String>,
    /// Start in DIR
    #[arg(short, long, value_name = "DIR", value_parser = form::folder)]
    pub(crate) workdir: Option<String>,
    /// Run as a user and group of the image's, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]", value_parser = form::user)]
    pub(crate) user: Option<String>,
    /// Add the user to a group of the image's, by name or number
    #[arg(long, value_name = "GROUP", value_parser = form::group)]
    pub(crate) group_add: Vec<String>,
    /// Remove the container when it has ended
    #[arg(long)]
    pub(crate) rm: bool,
    /// Docker's word for what happens when it has ended: no, nothing
    #[arg(long, value_name = "POLICY", default_value = "no")]
    restart: Restart,
    /// Docker's flag against health checks, which coffer does not make
    #[arg(long)]
    no_healthcheck: bool,
    /// Have a small init reap children and pass signals on
    #[arg(long)]
    pub(crate) init: bool,
    /// Attach words to the container
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub(crate) label: Vec<Label>,
    /// Attach the words that FILE lists
    #[arg(long, value_name = "FILE")]
    pub(crate) label_file: Vec<PathBuf>,
    /// The signal that asks it to stop
    #[arg(long, value_name = "SIGNAL", value_parser = form::stop_signal)]
    pub(crate) stop_signal: Option<String>,
    /// Kill it when stopping takes more seconds than this; otherwise 10
    #[arg(long, value_name = "SECONDS")]
    pub(crate) stop_timeout: Option<Seconds>,
    /// Write the container's id to FILE, which must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) cidfile: Option<PathBuf>,
}

/// Files and mounts.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Files")]
pub(crate) struct FileFlags {
    /// Share a folder of the host, or a volume by its name; always nosuid and nodev
    #[arg(short, long, value_name = "DIR|NAME:PATH[:ro]", value_parser = volume)]
    pub(crate) volume: Vec<MountRequest>,
    /// Mount a folder, a volume or memory, as type=bind,source=DIR,target=PATH,
    /// type=volume,source=NAME,target=PATH or type=tmpfs,target=PATH
    #[arg(long, value_name = "OPTIONS", value_parser = mount)]
    pub(crate) mount: Vec<MountRequest>,
    /// Mount memory
    #[arg(long, value_name = "PATH[:size=SIZE]", value_parser = tmpfs)]
    pub(crate) tmpfs: Vec<MountRequest>,
    /// Let the container write to nothing but its mounts
    #[arg(long)]
    pub(crate) read_only: bool,
}

/// How much it may use.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitFlags {
    /// At most so much memory, such as 512m; -1 for no limit
    #[arg(short, long, value_name = "SIZE")]
    pub(crate) memory: Option<MemorySize>,
    /// At most so much memory and swap together; -1 for no limit of swap
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory_swap: Option<SwapSize>,
    /// Give memory above this back first when the host is short of it
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory_reservation: Option<Size>,
    /// The size of /dev/shm
    #[arg(long, value_name = "SIZE")]
    pub(crate) shm_size: Option<Room>,
    /// At most so many CPUs, such as 1.5
    #[arg(long, value_name = "NUMBER")]
    pub(crate) cpus: Option<Cpus>,
    /// Its share of the CPUs when they are short; 1024 is usual
    #[arg(short = 'c', long, value_name = "NUMBER")]
    pub(crate) cpu_shares: Option<Shares>,
    /// Run on these CPUs only, such as 0-3,7
    #[arg(long, value_name = "LIST")]
    pub(crate) cpuset_cpus: Option<List>,
    /// Take memory from these nodes only
    #[arg(long, value_name = "LIST")]
    pub(crate) cpuset_mems: Option<List>,
    /// Be killed sooner (up to 1000) or later (down to -1000) when memory is short
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    pub(crate) oom_score_adj: Option<i32>,
    /// At most so many processes and threads; -1 for no limit
    #[arg(long, value_name = "NUMBER")]
    pub(crate) pids_limit: Option<Limit>,
    /// Limit a resource of each process
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub(crate) ulimit: Vec<Ulimit>,
}

/// What it may do.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fence")]
pub(crate) struct FenceFlags {
    /// Give a capability, or all of them
    #[arg(long, value_name = "NAME", value_parser = form::capability)]
    pub(crate) cap_add: Vec<String>,
    /// Take a capability, or all of them
    #[arg(long, value_name = "NAME", value_parser = form::capability)]
    pub(crate) cap_drop: Vec<String>,
    /// seccomp=FILE, seccomp=unconfined, apparmor=PROFILE, apparmor=unconfined, label=type:TYPE,
    /// label=level:LEVEL, label=user:USER, label=role:ROLE, label=disable, landlock=FILE,
    /// systempaths=unconfined or no-new-privileges
    #[arg(long, value_name = "OPTION")]
    pub(crate) security_opt: Vec<SecurityOption>,
    /// Whose ids it has: auto (a range of its own), host or container:NAME
    #[arg(long, value_name = "MODE")]
    pub(crate) userns: Option<UsernsWord>,
    /// Whose processes it sees: private, host or container:NAME, with that one's ids
    #[arg(long, value_name = "MODE")]
    pub(crate) pid: Option<PidWord>,
    /// Whose shared memory it reaches: private, none, shareable, host or container:NAME
    #[arg(long, value_name = "MODE")]
    pub(crate) ipc: Option<IpcWord>,
    /// Docker's word for whose control groups it sees: private, its own
    #[arg(long, value_name = "MODE", default_value = "private")]
    cgroupns: CgroupNs,
    /// Give it a device of the host
    #[arg(long, value_name = "PATH[:PATH][:rwm]", value_parser = device)]
    pub(crate) device: Vec<DeviceRequest>,
    /// Let set-user-id programs work, within the container's own ids
    #[arg(long)]
    pub(crate) allow_setuid: bool,
    /// Take the fence down but for the namespaces; needs --yes-really
    #[arg(long)]
    pub(crate) privileged: bool,
    /// With --privileged: know that the container can then take over its host
    #[arg(long, requires = "privileged")]
    pub(crate) yes_really: bool,
    /// Set a kernel parameter of the container's own
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) sysctl: Vec<Sysctl>,
}

/// What it can reach.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkFlags {
    /// none (its own, with loopback alone) or host
    #[arg(long, value_name = "MODE", alias = "net")]
    pub(crate) network: Option<NetworkWord>,
    /// The name of its host
    #[arg(short = 'h', long, value_name = "NAME", value_parser = form::host)]
    pub(crate) hostname: Option<String>,
    /// The domain of its host
    #[arg(long, value_name = "NAME", value_parser = form::domain)]
    pub(crate) domainname: Option<String>,
    /// Ask this name server
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) dns: Vec<IpAddr>,
    /// Look short names up in this domain
    #[arg(long, value_name = "DOMAIN", value_parser = form::word)]
    pub(crate) dns_search: Vec<String>,
    /// Set an option of the resolver
    #[arg(long, value_name = "OPTION", alias = "dns-opt", value_parser = form::word)]
    pub(crate) dns_option: Vec<String>,
    /// Add a line to /etc/hosts
    #[arg(long, value_name = "NAME:ADDRESS")]
    pub(crate) add_host: Vec<HostLine>,
}
