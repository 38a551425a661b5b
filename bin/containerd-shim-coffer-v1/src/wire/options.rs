//! Options of the container that the caller of containerd sets.
//!
//! Source: containerd runtime/v2/runc/options/oci.proto. They are runc's shim's, which CRI, ctr and
//! Docker already send; ours has none of its own.

use prost::Message;

/// The type's name in an `Any`.
pub const TYPE: &str = "containerd.runc.v1.Options";

/// What runc's shim can be told.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Options {
    /// Root by moving a mount rather than by pivot_root.
    #[prost(bool, tag = "1")]
    pub no_pivot_root: bool,
    /// Leave the caller's session keyring to the container.
    #[prost(bool, tag = "2")]
    pub no_new_keyring: bool,
    /// A control group for the shim itself.
    #[prost(string, tag = "3")]
    pub shim_cgroup: String,
    /// Owner of the pipes for input and output.
    #[prost(uint32, tag = "4")]
    pub io_uid: u32,
    /// Group of the pipes for input and output.
    #[prost(uint32, tag = "5")]
    pub io_gid: u32,
    /// The OCI runtime to call.
    #[prost(string, tag = "6")]
    pub binary_name: String,
    /// Where it keeps its state; the namespace is a folder below.
    #[prost(string, tag = "7")]
    pub root: String,
    /// CRIU's program.
    #[prost(string, tag = "8")]
    pub criu_path: String,
    /// Control groups through systemd.
    #[prost(bool, tag = "9")]
    pub systemd_cgroup: bool,
    /// The images to restore from, for a containerd that does not say it in the request itself.
    #[prost(string, tag = "10")]
    pub criu_image_path: String,
    /// Where CRIU works.
    #[prost(string, tag = "11")]
    pub criu_work_path: String,
}

/// The type's name in an `Any`.
pub const CHECKPOINT: &str = "containerd.runc.v1.CheckpointOptions";

/// What runc's shim can be told for a checkpoint.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CheckpointOptions {
    /// The container ends with it.
    #[prost(bool, tag = "1")]
    pub exit: bool,
    /// TCP connections are kept.
    #[prost(bool, tag = "2")]
    pub open_tcp: bool,
    /// Unix sockets may have their other end outside.
    #[prost(bool, tag = "3")]
    pub external_unix_sockets: bool,
    /// The terminal may be one from outside.
    #[prost(bool, tag = "4")]
    pub terminal: bool,
    /// Locks of files are kept.
    #[prost(bool, tag = "5")]
    pub file_locks: bool,
    /// Namespaces of which nothing but the namespace is kept.
    #[prost(string, repeated, tag = "6")]
    pub empty_namespaces: Vec<String>,
    /// What happens to control groups.
    #[prost(string, tag = "7")]
    pub cgroups_mode: String,
    /// Where containerd puts the images. It tells the shim so in the request's `path`.
    #[prost(string, tag = "8")]
    pub image_path: String,
    /// Where CRIU writes its log.
    #[prost(string, tag = "9")]
    pub work_path: String,
}

/// What `Pids` says of a process that an exec made.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ProcessDetails {
    /// The exec's id.
    #[prost(string, tag = "1")]
    pub exec_id: String,
}

/// The type's name in an `Any`.
pub const PROCESS_DETAILS: &str = "containerd.runc.v1.ProcessDetails";
