//! Messages that several services share.
//!
//! Source: google/protobuf any.proto, timestamp.proto, empty.proto; containerd api/types/mount.proto.

use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

/// A message with the name of its type.
#[derive(Clone, PartialEq, Message)]
pub struct Any {
    /// The type, as containerd/typeurl writes it: its full name, without a host.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The message, encoded as the type says: protobuf, or JSON for the types of runtime-spec.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

impl Any {
    /// `message` as one of `type_url`.
    pub fn new(type_url: &str, message: &impl Message) -> Self {
        Self { type_url: type_url.to_owned(), value: message.encode_to_vec() }
    }
}

/// A moment.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Timestamp {
    /// Seconds since 1970-01-01 UTC.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds after that, below 10^9.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Timestamp {
    /// Now, by the host's clock.
    #[must_use]
    pub fn now() -> Self {
        // A clock before 1970 is a broken one; its containers ended at the epoch then.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
        }
    }
}

/// What a method gives that has nothing to say.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Empty {}

/// A mount that a snapshotter asks for.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Mount {
    /// A file system type, or `bind`.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// The device or folder.
    #[prost(string, tag = "2")]
    pub source: String,
    /// A folder below the container's root; newer snapshotters only.
    #[prost(string, tag = "3")]
    pub target: String,
    /// As in fstab.
    #[prost(string, repeated, tag = "4")]
    pub options: Vec<String>,
}
