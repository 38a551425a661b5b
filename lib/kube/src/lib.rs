//! What a Kubernetes manifest asks for, as a fence: the containers of its pods with what holds
//! each, what does not, and the [`Posture`](coffer_confine::posture::Posture) that it is scored by.
//!
//! It takes bytes, and does no I/O. What it does not know is an error that names the place: a field
//! that was mistyped would be a wall that is not there. Source: Kubernetes API reference, v1.35.

mod container;
mod controls;
mod error;
mod fence;
mod fields;
mod gaps;
mod manifest;
mod pod;
mod quantity;
mod security;
mod volume;
mod yaml;

pub use error::ManifestError;
pub use fence::Fence;
pub use manifest::{Manifest, read};
