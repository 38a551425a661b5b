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
    /// Where CRIU's images are.
    #[prost(string, tag = "10")]
    pub criu_image_path: String,
    /// Where CRIU works.
    #[prost(string, tag = "11")]
    pub criu_work_path: String,
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
