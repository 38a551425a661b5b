//! What a container wrote, kept on disk.
//!
//! One line of text for each line that the container wrote, in the form that Kubernetes' container
//! runtime interface uses, so that log shippers know it (kubernetes, `design-proposals-archive`,
//! "CRI: Log management"):
//!
//! ```text
//! 2026-11-23T20:04:21.123456789Z stdout F a whole line
//! 2026-11-23T20:04:21.223456789Z stderr P the beginning of one that has no end yet
//! ```
//!
//! What follows the third blank is what was written, byte by byte, without its newline; no byte
//! needs an escape. The time is always UTC with nine digits, so that the beginning of every line
//! has the same width. `log` is the newest file; when it would grow beyond its limit it becomes
//! `log.1`, that one `log.2`, and the oldest is dropped. Files are not fsynced.

mod line;
mod reader;
mod writer;

use std::io;

pub use line::{Line, LineError, Stream, Tag};
pub use reader::{Follow, Query, read};
pub use writer::{Rotation, Writer};

/// The name of the newest file.
const NEWEST: &str = "log";

/// What can go wrong with a container's log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file of it cannot be opened or read.
    #[error("the log cannot be read")]
    Read(#[source] io::Error),
    /// A line does not have the log's form.
    #[error("the log holds a line that is none of ours")]
    Line(#[from] LineError),
    /// What was read could not be passed on.
    #[error("the log's lines cannot be passed on")]
    Sink(#[source] io::Error),
    /// The container's monitor is gone, and there can be no other.
    #[error("nobody writes the log any more")]
    Monitor(#[source] io::Error),
    /// The container's record cannot be read.
    #[error(transparent)]
    State(#[from] crate::state::StateError),
}
