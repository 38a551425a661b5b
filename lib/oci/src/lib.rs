//! The words of the OCI specifications: digests, references, manifests, image configurations.
//!
//! Types and their parsers, nothing else. Parsers take bytes or strings and are pure; what reads
//! and writes stands in the crates that use these words. Things this crate does not do: no I/O,
//! no resolving of names, no choice of policy.

mod config;
mod descriptor;
mod digest;
mod image_name;
mod manifest;
mod media_type;
mod null;
mod platform;
mod reference;
pub mod runtime;

pub use config::{Config, Empty, History, ImageConfig, RootFs};
pub use descriptor::{Descriptor, REF_NAME};
pub use digest::{Algorithm, Digest, DigestError, Hasher};
pub use image_name::{ImageName, ImageNameError};
pub use manifest::{Document, DocumentError, Index, Manifest};
pub use media_type::{Compression, Kind, MediaType};
pub use platform::{Platform, PlatformError};
pub use reference::{Reference, ReferenceError};
