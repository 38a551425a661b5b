//! From an admitted image to a running process.

pub mod cgroup;
pub mod gate;
pub mod hosts;
mod init;
pub mod launch;
pub mod log;
pub mod plan;
pub mod monitor;
pub mod spec;
pub mod state;
