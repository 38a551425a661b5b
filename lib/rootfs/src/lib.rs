//! Layers to one tree of files.
//!
//! [`Layers::ensure`] unpacks what is missing of an image, several layers at once, each into a
//! folder of its own with overlay's marks; [`Stack`] is what an image is made of then, and can be
//! read without a mount; [`OverlayPlan`] mounts it, under a container's own [`Upper`].
//!
//! A layer is written by somebody else. Its archive is read by [`coffer_tar`], within [`limits`], and its
//! tree is made through directory fds alone: no path of an archive is ever resolved by string, no
//! link in a tree is followed by the kernel, and what cannot be represented is an error.
//!
//! Things this crate does not do: no network, no choice of an image, no namespaces of its own (an
//! ordinary user's caller enters one first), no diff back to a layer.

mod flavour;
mod layers;
pub mod limits;
mod overlay;
mod path;
mod source;
mod stack;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod testing;
mod unpack;

pub use flavour::Flavour;
pub use layers::{Event, Layers, LayersError};
pub use overlay::{LaterUpper, OverlayPlan, PlanError, Upper, UpperError};
pub use path::{EntryPath, PathFault};
pub use source::{Source, SourceError};
pub use stack::merged::{Folder, LastLink, Leaf, LookupError, Node};
pub use stack::{Layer, Stack};
pub use unpack::{LinkFault, Report, UnpackError};
