//! From an admitted image to a running process.

pub mod spec;
pub mod state;
