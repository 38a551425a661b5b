//! One header block of 512 bytes.
//!
//! Sources: POSIX pax, "ustar Interchange Format" (offsets and widths below); GNU tar manual,
//! "Basic Tar Format"; where readers differ, the choice is that of Go's archive/tar, with which
//! most images are written and read.

use super::number;

/// The unit of everything in an archive.
pub(super) const BLOCK: usize = 512;

/// A block that was read as a header.
pub(super) struct Header<'a>(pub(super) &'a [u8; BLOCK]);

/// Which rules the fields after `linkname` follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Before POSIX: there are no such fields.
    V7,
    /// `ustar`: 155 bytes of prefix.
    Ustar,
    /// `ustar` with star's trailer: 131 bytes of prefix.
    Star,
    /// GNU: no prefix; times and the sparse map stand there.
    Gnu,
}

impl<'a> Header<'a> {
    /// Whether the block is one of the two zero blocks that end an archive.
    pub(super) fn is_end(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// Whether the checksum is right, summed as unsigned or, as some old writers did, signed.
    pub(super) fn checksum_holds(&self) -> bool {
        let Some(said) = number::parse(self.field(148, 8)) else { return false };
        let spaced = |at: usize, byte: u8| if (148..156).contains(&at) { b' ' } else { byte };
        let bytes = || self.0.iter().enumerate().map(|(at, byte)| spaced(at, *byte));
        let unsigned: i64 = bytes().map(i64::from).sum();
        unsigned == said || bytes().map(|byte| i64::from(byte as i8)).sum::<i64>() == said
    }

    /// The type of the entry: one byte at 156.
    pub(super) fn type_flag(&self) -> u8 {
        self.0[156]
    }

    /// The path, with the prefix where there is one, appended to `path`.
    pub(super) fn path_into(&self, path: &mut Vec<u8>) {
        let prefix = match self.format() {
            Format::Ustar => self.text(345, 155),
            Format::Star => self.text(345, 131),
            Format::V7 | Format::Gnu => &[],
        };
        if !prefix.is_empty() {
            path.extend_from_slice(prefix);
            path.push(b'/');
        }
        path.extend_from_slice(self.text(0, 100));
    }

    /// The target of a link: 100 bytes at 157.
    pub(super) fn link(&self) -> &'a [u8] {
        self.text(157, 100)
    }

    /// Permission bits: 8 bytes at 100.
    pub(super) fn mode(&self) -> Option<i64> {
        number::parse(self.field(100, 8))
    }

    /// Owner: 8 bytes at 108.
    pub(super) fn uid(&self) -> Option<i64> {
        number::parse(self.field(108, 8))
    }

    /// Group: 8 bytes at 116.
    pub(super) fn gid(&self) -> Option<i64> {
        number::parse(self.field(116, 8))
    }

    /// Bytes of data that follow: 12 bytes at 124.
    pub(super) fn size(&self) -> Option<u64> {
        number::parse(self.field(124, 12)).and_then(|size| size.try_into().ok())
    }

    /// Modification time in seconds since 1970: 12 bytes at 136.
    pub(super) fn mtime(&self) -> Option<i64> {
        number::parse(self.field(136, 12))
    }

    /// Major and minor number of a device: 8 bytes each at 329 and 337.
    pub(super) fn device(&self) -> Option<(u32, u32)> {
        let number = |at| u32::try_from(number::parse(self.field(at, 8))?).ok();
        Some((number(329)?, number(337)?))
    }

    /// GNU's sparse map in the header: 4 pairs at 386, then whether more blocks follow, then the
    /// real size: 12 bytes at 483.
    pub(super) fn gnu_sparse(&self) -> (&'a [u8], bool, Option<u64>) {
        let real = number::parse(self.field(483, 12)).and_then(|size| size.try_into().ok());
        (self.field(386, 96), self.0[482] != 0, real)
    }

    fn format(&self) -> Format {
        match (self.field(257, 6), self.field(263, 2)) {
            (b"ustar\0", _) if self.field(508, 4) == b"tar\0" => Format::Star,
            (b"ustar\0", _) => Format::Ustar,
            (b"ustar ", b" \0") => Format::Gnu,
            _ => Format::V7,
        }
    }

    fn field(&self, at: usize, length: usize) -> &'a [u8] {
        &self.0[at..at + length]
    }

    /// A field up to its first NUL.
    fn text(&self, at: usize, length: usize) -> &'a [u8] {
        until_nul(self.field(at, length))
    }
}

/// The bytes before the first NUL.
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    &bytes[..end]
}
