//! Host system calls behind safe types.
//!
//! The one crate of the native path that may say `unsafe`; each block argues why it is sound.
//! What rustix already wraps is used from there and not wrapped again. Things this crate does not
//! do: no policy, no parsing of anybody's files, no retrying, no fall-back from fd to path.

#![expect(unsafe_code, reason = "the crate of the native path in which it is allowed")]

pub mod attempt;
pub mod bpf;
#[cfg(all(target_arch = "x86_64", any(test, target_env = "musl")))]
mod copy;
pub mod dir;
pub mod entry;
pub mod exec;
#[cfg(all(target_arch = "x86_64", target_env = "musl"))]
mod first;
#[cfg(any(test, target_env = "musl"))]
mod heap;
pub mod inherited;
pub mod landlock;
pub mod loopback;
pub mod memory;
pub mod mount;
pub mod mount_namespace;
pub mod namespace;
pub mod own;
pub mod owner;
pub mod pidfd;
pub mod process;
pub mod seccomp;
mod segment;
pub mod signal;
pub mod signalfd;
pub mod spawn;
pub mod thread;
pub mod tree;
pub mod usage;
pub mod userns;
