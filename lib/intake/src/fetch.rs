//! One blob from a registry into the store.
//!
//! The store's writer hashes what it is given and knows how far an earlier try came; the
//! registry's reader rides out faults. What is left to do here is to join the two, and to begin
//! anew once where what lay in the store was no beginning of this blob.

use std::io::{self, Read};

use coffer_oci::{Descriptor, Reference};
use coffer_registry::Client;
use coffer_store::{BlobWriter, Store, WriteError};

use crate::{Event, Progress, PullError};

/// How much is read at once, in bytes. Each piece is hashed and written while it is in the cache.
const PIECE: usize = 128 << 10;
/// How many bytes come between two reports.
const REPORT: u64 = 256 << 10;

/// What one image needs to arrive.
pub(crate) struct Fetch<'a> {
    pub(crate) store: &'a Store,
    pub(crate) client: &'a Client,
    pub(crate) name: &'a Reference,
    pub(crate) progress: &'a dyn Progress,
}

/// How far a blob's writer came.
enum Outcome {
    /// All of it is in the store.
    Whole,
    /// The bytes that an earlier try left were not the beginning of this blob.
    BadStart,
}

impl Fetch<'_> {
    /// Fetches `blob` unless it is here. Returns how many bytes travelled.
    pub(crate) fn blob(&self, blob: &Descriptor) -> Result<u64, PullError> {
        let mut moved = 0;
        loop {
            let Some(writer) = self.store.writer(blob)? else {
                self.progress.event(Event::Present(blob));
                return Ok(moved);
            };
            let start = writer.offset();
            moved += blob.size - start;
            match self.fill(writer, blob)? {
                // It was removed with the part, so the next try begins at nothing.
                Outcome::BadStart => {}
                Outcome::Whole => {
                    self.progress.event(Event::Done(blob));
                    return Ok(moved);
                }
            }
        }
    }

    /// Reads the rest of the blob into `writer`, and lets the store check all of it.
    fn fill(&self, mut writer: BlobWriter, blob: &Descriptor) -> Result<Outcome, PullError> {
        let start = writer.offset();
        let mut source = self.client.blob(self.name, blob, start)?;
        let mut buffer = vec![0; PIECE];
        let mut reported = start;
        self.progress.event(Event::Moving { blob, done: start });
        loop {
            let piece = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => buffer.get(..read).unwrap_or_default(),
                Err(error) => return Err(of_source(error)),
            };
            io::Write::write_all(&mut writer, piece)
                .map_err(|error| self.unwritten(writer.failed(error)))?;
            if writer.offset() - reported >= REPORT {
                reported = writer.offset();
                self.progress.event(Event::Moving { blob, done: reported });
            }
        }
        match writer.commit() {
            Err(WriteError::Digest { .. }) if start > 0 => Ok(Outcome::BadStart),
            committed => committed.map(|()| Outcome::Whole).map_err(|error| self.unwritten(error)),
        }
    }

    /// The store's error, with the image that it is about.
    pub(crate) fn unwritten(&self, source: WriteError) -> PullError {
        PullError::Write { name: self.name.clone(), source }
    }
}

/// A blob's reader fails with the registry's own error inside.
fn of_source(error: io::Error) -> PullError {
    match error.downcast() {
        Ok(typed) => PullError::Registry(typed),
        Err(error) => PullError::Read(error),
    }
}
