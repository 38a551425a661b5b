//! Layers to one tree of files.
pub mod limits;
mod source;
pub mod tar;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod testing;

pub use source::{Source, SourceError};
