//! From an admitted image to a running process.

pub mod cgroup;
pub mod spec;
pub mod state;
