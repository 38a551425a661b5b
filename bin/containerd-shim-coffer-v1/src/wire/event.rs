//! What the shim tells containerd unasked.
//!
//! Source: containerd api/events/task.proto, api/services/ttrpc/events/v1/events.proto,
//! api/types/event.proto; the topics are those of runtime/events.go.

use prost::Message;

use super::common::{Any, Mount, Timestamp};

/// The service that takes events.
pub const SERVICE: &str = "containerd.services.events.ttrpc.v1.Events";
/// Its method.
pub const METHOD: &str = "Forward";

/// What that method takes.
#[derive(Clone, PartialEq, Message)]
pub struct ForwardRequest {
    /// The event.
    #[prost(message, optional, tag = "1")]
    pub envelope: Option<Envelope>,
}

/// An event with what all of them have.
#[derive(Clone, PartialEq, Message)]
pub struct Envelope {
    /// When it happened.
    #[prost(message, optional, tag = "1")]
    pub timestamp: Option<Timestamp>,
    /// containerd's namespace.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// What kind it is, as a path.
    #[prost(string, tag = "3")]
    pub topic: String,
    /// The event.
    #[prost(message, optional, tag = "4")]
    pub event: Option<Any>,
}

/// A message that is an event.
pub trait Event: Message {
    /// Its topic.
    const TOPIC: &'static str;
    /// Its type's full name.
    const TYPE: &'static str;
}

macro_rules! events {
    ($($message:ident $topic:literal)*) => {$(
        impl Event for $message {
            const TOPIC: &'static str = $topic;
            const TYPE: &'static str = concat!("containerd.events.", stringify!($message));
        }
    )*};
}

events! {
    TaskCreate "/tasks/create"
    TaskStart "/tasks/start"
    TaskDelete "/tasks/delete"
    TaskExit "/tasks/exit"
    TaskOOM "/tasks/oom"
    TaskExecAdded "/tasks/exec-added"
    TaskExecStarted "/tasks/exec-started"
    TaskPaused "/tasks/paused"
    TaskResumed "/tasks/resumed"
    TaskCheckpointed "/tasks/checkpointed"
}

/// Where a task's input and output are.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TaskIo {
    /// Path of a fifo, or empty.
    #[prost(string, tag = "1")]
    pub stdin: String,
    /// Path of a fifo, a URI, or empty.
    #[prost(string, tag = "2")]
    pub stdout: String,
    /// Path of a fifo, a URI, or empty.
    #[prost(string, tag = "3")]
    pub stderr: String,
    /// Whether it has a terminal.
    #[prost(bool, tag = "4")]
    pub terminal: bool,
}

/// A container was created.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TaskCreate {
    /// The container.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Its bundle's path.
    #[prost(string, tag = "2")]
    pub bundle: String,
    /// The mounts of its root.
    #[prost(message, repeated, tag = "3")]
    pub rootfs: Vec<Mount>,
    /// Its input and output.
    #[prost(message, optional, tag = "4")]
    pub io: Option<TaskIo>,
    /// What it was restored from.
    #[prost(string, tag = "5")]
    pub checkpoint: String,
    /// Its first process.
    #[prost(uint32, tag = "6")]
    pub pid: u32,
}

/// A container's program was started.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TaskStart {
    /// The container.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Its first process.
    #[prost(uint32, tag = "2")]
    pub pid: u32,
}

/// A container was removed.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TaskDelete {
    /// The container.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// Its first process.
    #[prost(uint32, tag = "2")]
    pub pid: u32,
    /// How that ended.
    #[prost(uint32, tag = "3")]
    pub exit_status: u32,
    /// When that ended.
    #[prost(message, optional, tag = "4")]
    pub exited_at: Option<Timestamp>,
    /// Empty: of a container.
    #[prost(string, tag = "5")]
    pub id: String,
}

/// A process ended.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TaskExit {
    /// The container.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// The exec's id; the container's for its first process.
    #[prost(string, tag = "2")]
    pub id: String,
    /// The process.
    #[prost(uint32, tag = "3")]
    pub pid: u32,
    /// Its status; 128 and the signal's number where one ended it.
    #[prost(uint32, tag = "4")]
    pub exit_status: u32,
    /// When.
    #[prost(message, optional, tag = "5")]
    pub exited_at: Option<Timestamp>,
}

/// The kernel killed a process for want of memory.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TaskOOM {
    /// The container.
    #[prost(string, tag = "1")]
    pub container_id: String,
}

/// A further process is described.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TaskExecAdded {
    /// The container.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// The exec.
    #[prost(string, tag = "2")]
    pub exec_id: String,
}

/// A further process runs.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TaskExecStarted {
    /// The container.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// The exec.
    #[prost(string, tag = "2")]
    pub exec_id: String,
    /// The process.
    #[prost(uint32, tag = "3")]
    pub pid: u32,
}

/// A container was frozen.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TaskPaused {
    /// The container.
    #[prost(string, tag = "1")]
    pub container_id: String,
}

/// A container goes on.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TaskResumed {
    /// The container.
    #[prost(string, tag = "1")]
    pub container_id: String,
}

/// Images of what a container was doing are written.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TaskCheckpointed {
    /// The container.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// The folder of the images.
    #[prost(string, tag = "2")]
    pub checkpoint: String,
}
