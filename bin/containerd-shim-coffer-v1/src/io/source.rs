//! Where input comes from: a fifo into which a client of containerd writes.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, open};

use super::IoError;

/// A process's standard input, as the shim sees it.
#[derive(Debug)]
pub struct Source {
    /// What is read.
    pub reader: OwnedFd,
    /// While this is open, a client that goes away does not end the input: another may come.
    /// `CloseIO` drops it.
    pub keeper: OwnedFd,
}

impl Source {
    /// Opens the fifo at `path`, whether or not anybody writes yet.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &str) -> Result<Self, IoError> {
        let end = |access: OFlags| {
            let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
            open(path, flags, Mode::empty())
                .map_err(|errno| IoError::Open { path: path.to_owned(), source: errno.into() })
        };
        // In this order: a fifo opens for writing only while it has a reader (man 7 fifo).
        Ok(Self { reader: end(OFlags::RDONLY)?, keeper: end(OFlags::WRONLY)? })
    }
}
