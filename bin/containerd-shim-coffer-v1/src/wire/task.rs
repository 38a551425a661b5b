//! The service that a shim offers.
//!
//! Source: containerd runtime/v2/task/shim.proto, api/types/task/task.proto.

use prost::Message;

use super::common::{Any, Mount, Timestamp};

/// The service's full name.
pub const SERVICE: &str = "containerd.task.v2.Task";

/// How a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Status {
    /// Never said by this shim.
    Unknown = 0,
    /// There, and not yet its own program.
    Created = 1,
    /// At work.
    Running = 2,
    /// Over.
    Stopped = 3,
    /// Frozen.
    Paused = 4,
}

/// Which process of which container. Methods that concern a container only, or a process only,
/// have no further fields: `State`, `Start`, `Delete`, `Wait`, `Pids`, `Pause`, `Resume`, `Stats`,
/// `Connect`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Which {
    /// The container.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The exec; empty for the container's first process.
    #[prost(string, tag = "2")]
    pub exec_id: String,
}

/// A container to be made.
#[derive(Clone, PartialEq, Message)]
pub struct CreateTaskRequest {
    /// Its id.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its bundle's path.
    #[prost(string, tag = "2")]
    pub bundle: String,
    /// What to mount on the bundle's `rootfs`, in order.
    #[prost(message, repeated, tag = "3")]
    pub rootfs: Vec<Mount>,
    /// Whether it gets a terminal.
    #[prost(bool, tag = "4")]
    pub terminal: bool,
    /// Path of a fifo, or empty.
    #[prost(string, tag = "5")]
    pub stdin: String,
    /// Path of a fifo, a URI, or empty.
    #[prost(string, tag = "6")]
    pub stdout: String,
    /// Path of a fifo, a URI, or empty.
    #[prost(string, tag = "7")]
    pub stderr: String,
    /// What to restore it from.
    #[prost(string, tag = "8")]
    pub checkpoint: String,
    /// What that builds upon.
    #[prost(string, tag = "9")]
    pub parent_checkpoint: String,
    /// [`super::options::Options`].
    #[prost(message, optional, tag = "10")]
    pub options: Option<Any>,
}

/// A process, by its number: `Create` and `Start`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PidResponse {
    /// The number, as containerd sees it.
    #[prost(uint32, tag = "1")]
    pub pid: u32,
}

/// How a process ended, as `Delete` says it.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DeleteResponse {
    /// The process.
    #[prost(uint32, tag = "1")]
    pub pid: u32,
    /// Its status; 128 and the signal's number where one ended it.
    #[prost(uint32, tag = "2")]
    pub exit_status: u32,
    /// When.
    #[prost(message, optional, tag = "3")]
    pub exited_at: Option<Timestamp>,
}

/// A further process to be described.
#[derive(Clone, PartialEq, Message)]
pub struct ExecProcessRequest {
    /// The container.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The exec's id.
    #[prost(string, tag = "2")]
    pub exec_id: String,
    /// Whether it gets a terminal.
    #[prost(bool, tag = "3")]
    pub terminal: bool,
    /// Path of a fifo, or empty.
    #[prost(string, tag = "4")]
    pub stdin: String,
    /// Path of a fifo, a URI, or empty.
    #[prost(string, tag = "5")]
    pub stdout: String,
    /// Path of a fifo, a URI, or empty.
    #[prost(string, tag = "6")]
    pub stderr: String,
    /// runtime-spec's `Process`, as JSON.
    #[prost(message, optional, tag = "7")]
    pub spec: Option<Any>,
}

/// A terminal's new size.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ResizePtyRequest {
    /// The container.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The exec.
    #[prost(string, tag = "2")]
    pub exec_id: String,
    /// Columns.
    #[prost(uint32, tag = "3")]
    pub width: u32,
    /// Rows.
    #[prost(uint32, tag = "4")]
    pub height: u32,
}

/// What is known of a process.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct StateResponse {
    /// The exec's id; the container's for its first process.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The container's bundle.
    #[prost(string, tag = "2")]
    pub bundle: String,
    /// The process.
    #[prost(uint32, tag = "3")]
    pub pid: u32,
    /// How it is.
    #[prost(enumeration = "Status", tag = "4")]
    pub status: i32,
    /// As it was asked for.
    #[prost(string, tag = "5")]
    pub stdin: String,
    /// As it was asked for.
    #[prost(string, tag = "6")]
    pub stdout: String,
    /// As it was asked for.
    #[prost(string, tag = "7")]
    pub stderr: String,
    /// Whether it has a terminal.
    #[prost(bool, tag = "8")]
    pub terminal: bool,
    /// How it ended.
    #[prost(uint32, tag = "9")]
    pub exit_status: u32,
    /// When it ended.
    #[prost(message, optional, tag = "10")]
    pub exited_at: Option<Timestamp>,
    /// The exec's id, empty for the first process.
    #[prost(string, tag = "11")]
    pub exec_id: String,
}

/// A signal to send.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct KillRequest {
    /// The container.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The exec.
    #[prost(string, tag = "2")]
    pub exec_id: String,
    /// The signal's number.
    #[prost(uint32, tag = "3")]
    pub signal: u32,
    /// To every process of the container.
    #[prost(bool, tag = "4")]
    pub all: bool,
}

/// An input that gets no more.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct CloseIoRequest {
    /// The container.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The exec.
    #[prost(string, tag = "2")]
    pub exec_id: String,
    /// Whether standard input is meant; there is nothing else to close.
    #[prost(bool, tag = "3")]
    pub stdin: bool,
}

/// The processes of a container.
#[derive(Clone, PartialEq, Message)]
pub struct PidsResponse {
    /// All of them.
    #[prost(message, repeated, tag = "1")]
    pub processes: Vec<ProcessInfo>,
}

/// One process of a container.
#[derive(Clone, PartialEq, Message)]
pub struct ProcessInfo {
    /// Its number, as containerd sees it.
    #[prost(uint32, tag = "1")]
    pub pid: u32,
    /// [`super::options::ProcessDetails`], where an exec made it.
    #[prost(message, optional, tag = "2")]
    pub info: Option<Any>,
}

/// New limits.
#[derive(Clone, PartialEq, Message)]
pub struct UpdateTaskRequest {
    /// The container.
    #[prost(string, tag = "1")]
    pub id: String,
    /// runtime-spec's `LinuxResources`, as JSON.
    #[prost(message, optional, tag = "2")]
    pub resources: Option<Any>,
}

/// Images of what a container is doing are to be written.
#[derive(Clone, PartialEq, Message)]
pub struct CheckpointTaskRequest {
    /// The container.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The folder that they go to.
    #[prost(string, tag = "2")]
    pub path: String,
    /// [`super::options::CheckpointOptions`].
    #[prost(message, optional, tag = "3")]
    pub options: Option<Any>,
}

/// How a process ended, as `Wait` says it.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct WaitResponse {
    /// Its status; 128 and the signal's number where one ended it.
    #[prost(uint32, tag = "1")]
    pub exit_status: u32,
    /// When.
    #[prost(message, optional, tag = "2")]
    pub exited_at: Option<Timestamp>,
}

/// What a container uses.
#[derive(Clone, PartialEq, Message)]
pub struct StatsResponse {
    /// The metrics of either version of control groups.
    #[prost(message, optional, tag = "1")]
    pub stats: Option<Any>,
}

/// Who answers.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ConnectResponse {
    /// The shim.
    #[prost(uint32, tag = "1")]
    pub shim_pid: u32,
    /// The container's first process.
    #[prost(uint32, tag = "2")]
    pub task_pid: u32,
    /// The shim's version.
    #[prost(string, tag = "3")]
    pub version: String,
}
