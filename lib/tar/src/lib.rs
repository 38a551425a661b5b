//! Tar archives: bytes to entries.
//!
//! Reads POSIX ustar and pax, GNU and pre-POSIX archives as Go's archive/tar does, so that coffer,
//! docker and podman see the same entries in the same bytes: a pax record beats the header field,
//! a GNU long name beats both, links and folders have no data whatever their size says, and global
//! pax headers change nothing. What cannot be represented is an error, never skipped.
//!
//! Paths and targets are given as they stand in the archive. Nothing here makes them safe.
//!
//! There is one reader for all archives, layers and images alike: two readers that disagree are two
//! contents for one digest. Nothing here does I/O of its own; bytes come through a [`Window`].

mod header;
mod number;
mod pax;
mod reader;
mod sparse;
mod window;
mod write;

use std::error::Error;

pub use pax::{Record, records};
pub use reader::Reader;
pub use sparse::Extent;
pub use window::{Buffered, Window};
pub use write::{END, header, header_of};

/// What an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// An ordinary file; its bytes follow.
    #[default]
    File,
    /// Another name of a file, whose path is the entry's `link`.
    HardLink,
    /// A symbolic link to the entry's `link`.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A folder.
    Folder,
    /// A named pipe.
    Fifo,
}

/// A point in time as inodes hold it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970, signed.
    pub seconds: i64,
    /// Nanoseconds after it: 0 to 999,999,999.
    pub nanoseconds: u32,
}

/// Extended attributes: names and values.
pub type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// One entry of an archive, without its data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its path, any bytes but NUL.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// The target of a hard or symbolic link, any bytes but NUL.
    pub link: Vec<u8>,
    /// Permission bits with setuid, setgid and sticky: 0 to 0o7777.
    pub mode: u32,
    /// Owner; never 4294967295, which means "leave it" to chown(2).
    pub uid: u32,
    /// Group; never 4294967295.
    pub gid: u32,
    /// Modification time.
    pub mtime: Time,
    /// Length in bytes, with holes.
    pub size: u64,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes: names and values in the order of the archive.
    pub xattrs: Xattrs,
    /// Where the data belongs, for a file with holes; the data are these extents end to end.
    pub sparse: Option<Vec<Extent>>,
}

impl Entry {
    /// Makes it empty and keeps its memory.
    fn clear(&mut self) {
        let Self { path, link, xattrs, .. } = std::mem::take(self);
        (self.path, self.link, self.xattrs) = (path, link, xattrs);
        self.path.clear();
        self.link.clear();
        self.xattrs.clear();
    }
}

/// Why bytes are not an archive. `at` is where the header starts, in bytes from the beginning.
#[derive(Debug, thiserror::Error)]
pub enum TarError<E: Error + 'static> {
    /// The header's checksum is wrong: this is no tar archive, or not here.
    #[error("no tar header at byte {at}: the checksum is wrong")]
    Checksum {
        /// Where.
        at: u64,
    },
    /// A field or a pax record holds no number, or one that is out of range.
    #[error("tar header at byte {at}: {field} is not a number that it can be")]
    Number {
        /// Which field.
        field: &'static str,
        /// Where.
        at: u64,
    },
    /// A uid or gid that Linux cannot hold (CVE-2024-40635).
    #[error("tar header at byte {at}: {field} {id} is not below 4294967295")]
    Id {
        /// Which.
        field: &'static str,
        /// What it says.
        id: i64,
        /// Where.
        at: u64,
    },
    /// An extended header is malformed.
    #[error("tar header at byte {at}: malformed pax records")]
    Pax {
        /// Where.
        at: u64,
    },
    /// An extended header or long name is longer than 1 MiB.
    #[error("tar header at byte {at}: an extended header of {size} bytes; 1 MiB is the most")]
    ExtendedSize {
        /// How long it is.
        size: u64,
        /// Where.
        at: u64,
    },
    /// A path or target is empty or holds a NUL byte.
    #[error("tar header at byte {at}: {field} is empty or holds a NUL")]
    Name {
        /// Which.
        field: &'static str,
        /// Where.
        at: u64,
    },
    /// A type that is not a file's: a volume label, part of a multi-volume archive, and so on.
    #[error("tar header at byte {at}: entry type {:?} is not supported", char::from(*flag))]
    Type {
        /// The type flag.
        flag: u8,
        /// Where.
        at: u64,
    },
    /// A sparse map that is malformed, or of a format before PAX 1.0.
    #[error("tar header at byte {at}: a sparse map that is malformed or of PAX format 0")]
    Sparse {
        /// Where.
        at: u64,
    },
    /// The archive ends inside an entry.
    #[error("the archive ends inside the entry at byte {at}")]
    Truncated {
        /// Where the entry starts.
        at: u64,
    },
    /// The bytes themselves cannot be had.
    #[error(transparent)]
    Source(#[from] E),
}
