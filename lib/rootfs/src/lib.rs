//! Layers to one tree of files.

mod flavour;
mod layers;
pub mod limits;
mod overlay;
mod path;
mod source;
mod stack;
pub mod tar;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod testing;
mod unpack;

pub use flavour::Flavour;
pub use layers::{Event, Layers, LayersError};
pub use overlay::{OverlayPlan, PlanError, Upper, UpperError};
pub use path::{EntryPath, PathFault};
pub use source::{Source, SourceError};
pub use stack::merged::{Folder, LastLink, Leaf, LookupError, Node};
pub use stack::{Layer, Stack};
pub use unpack::{LinkFault, Report, UnpackError};
