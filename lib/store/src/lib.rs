//! Content-addressed blobs and the index of images on disk.
//!
//! The form of everything on disk is in `docs/store.md`; this crate is what holds it. Locks are
//! taken in this order and never against it: the store's own (shared from [`Store::open`] to its
//! drop, exclusive for [`Exclusive`]), one part in `ingest/`, the index's.
//!
//! Things this crate does not do: no network, no unpacking of layers, no policy. It never waits
//! for anything but its locks, and never trusts a byte that it did not hash.

mod check;
mod error;
mod image;
mod index;
mod layout;
mod prune;
mod reach;
mod store;
mod transport;
mod unnamed;
mod writer;

pub use check::{Checked, Finding, Repair};
pub use error::StoreError;
pub use image::{Image, ImageError};
pub use index::{Entry, IndexError};
pub use prune::{Collected, Exclusive, PruneError, Pruned};
pub use store::Store;
pub use transport::{Format, Found, TransportError};
pub use writer::{BlobWriter, WriteError};

/// The longest index or manifest that is read. Source: distribution-spec, "Pushing Manifests",
/// asks registries to take 4 MiB; nothing larger is in use.
pub const MAX_MANIFEST: u64 = 4 << 20;

/// The longest image configuration that is read. Large ones hold long histories.
pub const MAX_CONFIG: u64 = 8 << 20;

/// The most layers of one image. docker stops at 127.
pub const MAX_LAYERS: usize = 1000;
