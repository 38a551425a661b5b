//! The face of the store: what other crates may count on.
#![expect(clippy::disallowed_methods, reason = "tests look at their own files by path")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says why")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod blobs;
mod common;
mod faults;
mod peers;
mod transport;
