//! Which compression a stream has, by its first bytes.

use std::io::{self, BufRead, BufReader, Read};

use coffer_oci::Compression;

use super::TransportError;

/// RFC 1952, 2.3.1.
const GZIP: &[u8] = &[0x1f, 0x8b];
/// RFC 8878, 3.1.1.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// The .xz file format, 2.1.1.1.
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
/// What bzip2 writes.
const BZIP2: &[u8] = b"BZh";

/// The compression of content that starts with `head`.
pub(super) fn sniff(head: &[u8]) -> Result<Compression, TransportError> {
    match head {
        _ if head.starts_with(GZIP) => Ok(Compression::Gzip),
        _ if head.starts_with(ZSTD) => Ok(Compression::Zstd),
        _ if head.starts_with(XZ) => Err(TransportError::Compression("xz")),
        _ if head.starts_with(BZIP2) => Err(TransportError::Compression("bzip2")),
        _ => Ok(Compression::None),
    }
}

/// The plain bytes of a stream in whatever compression.
pub(super) fn plain<'a>(input: impl Read + 'a) -> Result<Box<dyn Read + 'a>, TransportError> {
    let mut input = Ahead::new(BufReader::with_capacity(64 << 10, input))?;
    match sniff(input.fill_buf().map_err(TransportError::Read)?)? {
        Compression::None => Ok(Box::new(input)),
        Compression::Gzip => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(input))),
        Compression::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(input);
            Ok(Box::new(decoder.map_err(TransportError::Read)?))
        }
    }
}

/// A reader whose first bytes were read together, however a pipe cut them.
struct Ahead<R> {
    head: [u8; XZ.len()],
    length: usize,
    passed: usize,
    rest: R,
}

impl<R: BufRead> Ahead<R> {
    fn new(mut rest: R) -> Result<Self, TransportError> {
        let mut head = [0; XZ.len()];
        let mut length = 0;
        while let Some(free @ [_, ..]) = head.get_mut(length..) {
            match rest.read(free) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(TransportError::Read(error)),
            }
        }
        Ok(Self { head, length, passed: 0, rest })
    }
}

impl<R: BufRead> Read for Ahead<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(bytes)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Ahead<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.head.get(self.passed..self.length) {
            Some(ahead @ [_, ..]) => Ok(ahead),
            _ => self.rest.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        if self.passed < self.length {
            self.passed += count;
        } else {
            self.rest.consume(count);
        }
    }
}
