//! From an admitted image to a running process.

pub mod cgroup;
pub mod log;
pub mod spec;
pub mod state;
