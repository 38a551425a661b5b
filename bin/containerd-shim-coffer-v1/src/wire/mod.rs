//! What is said between containerd and the shim.
//!
//! Bytes in, values out: nothing here does any I/O. The messages are declared by hand, field
//! numbers from containerd's .proto files, so that no protoc is needed to build.

pub mod call;
pub mod common;
pub mod event;
pub mod frame;
pub mod metrics;
pub mod metrics_v1;
pub mod metrics_v2;
pub mod options;
pub mod task;
