//! From an admitted image to a running process.

pub mod bundle;
pub mod cgroup;
pub mod container;
pub mod criu;
pub mod disk;
pub mod files;
pub mod gate;
pub mod hosts;
mod init;
pub mod label;
pub mod launch;
pub mod log;
pub mod monitor;
pub mod plan;
pub mod rdt;
pub mod signal;
mod soon;
pub mod spec;
pub mod state;
pub mod volume;
