//! What happens while an image is on its way, for who shows it.

use coffer_oci::{Descriptor, Reference};

/// Something that happened. Events of different blobs come from different threads.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The name stands for this index or manifest.
    Resolved {
        /// What was asked for.
        name: &'a Reference,
        /// What it stands for.
        target: &'a Descriptor,
    },
    /// A blob need not travel: it is where it should be.
    Present(&'a Descriptor),
    /// A blob travels.
    Moving {
        /// Which blob.
        blob: &'a Descriptor,
        /// How many of its bytes are there; at first those that an earlier try left.
        done: u64,
    },
    /// A blob is there, and was checked.
    Done(&'a Descriptor),
}

/// Is told what happens. It should be quick: whoever reports waits for it.
pub trait Progress: Sync {
    /// Something happened.
    fn event(&self, event: Event<'_>);
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event<'_>) {}
}
