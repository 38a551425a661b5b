//! What a frame holds: a call and its answer.
//!
//! Source: containerd/ttrpc, request.proto; google/rpc/status.proto and code.proto.

use prost::Message;

/// A call of a method.
#[derive(Clone, PartialEq, Message)]
pub struct Request {
    /// The service's full name, such as `containerd.task.v2.Task`.
    #[prost(string, tag = "1")]
    pub service: String,
    /// The method's name in it.
    #[prost(string, tag = "2")]
    pub method: String,
    /// The message that it takes, encoded.
    #[prost(bytes = "vec", tag = "3")]
    pub payload: Vec<u8>,
    /// How long the caller waits, in nanoseconds; it gives up by itself.
    #[prost(int64, tag = "4")]
    pub timeout_nano: i64,
}

/// The answer.
#[derive(Clone, PartialEq, Message)]
pub struct Response {
    /// Absent where all went well.
    #[prost(message, optional, tag = "1")]
    pub status: Option<Status>,
    /// The message that the method gives, encoded.
    #[prost(bytes = "vec", tag = "2")]
    pub payload: Vec<u8>,
}

/// What went wrong.
#[derive(Clone, PartialEq, Message)]
pub struct Status {
    /// A number of [`Code`].
    #[prost(enumeration = "Code", tag = "1")]
    pub code: i32,
    /// For a person.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// The kinds of failure that the shim knows. containerd makes its own errors of them
/// (errdefs/grpc.go), and clients act on those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Code {
    /// Nothing went wrong.
    Ok = 0,
    /// Something that has no code of its own.
    Unknown = 2,
    /// The request makes no sense.
    InvalidArgument = 3,
    /// There is no such container, exec or process.
    NotFound = 5,
    /// There is one already.
    AlreadyExists = 6,
    /// It is in a state in which this cannot be done.
    FailedPrecondition = 9,
    /// The shim does not do this.
    Unimplemented = 12,
}
