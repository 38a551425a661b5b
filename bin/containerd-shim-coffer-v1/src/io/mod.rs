//! Input and output of one process: what containerd names, and what the process gets.
//!
//! The process never sees containerd's fifos: it has a pipe or a terminal of its own, and the shim
//! carries. So it cannot block, reopen or change what belongs to the host.

pub mod console;
pub mod pump;
pub mod source;
pub mod stdio;
pub mod target;

use std::io;

use thiserror::Error;

/// Why input or output could not be set up.
#[derive(Debug, Error)]
pub enum IoError {
    /// A fifo or file cannot be opened.
    #[error("{path}: cannot be opened")]
    Open {
        /// As containerd named it.
        path: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A URI of a kind that the shim does not know.
    #[error("{0}: not a fifo's path and not a file:// URI")]
    Scheme(String),
    /// A pipe cannot be made.
    #[error("a pipe for standard {stream} cannot be made")]
    Pipe {
        /// `input`, `output` or `error`.
        stream: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The terminal's socket cannot be used.
    #[error("{path}: the socket over which the terminal comes")]
    Console {
        /// The socket.
        path: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The runtime has made no terminal.
    #[error("{0}: no terminal came over it")]
    NoTerminal(String),
}
