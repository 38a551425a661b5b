//! Host system calls behind safe types.
//!
//! The one crate of the native path that may say `unsafe`; each block argues why it is sound.
//! What rustix already wraps is used from there and not wrapped again. Things this crate does not
//! do: no policy, no parsing of anybody's files, no retrying, no fall-back from fd to path.

pub mod dir;
pub mod tree;
