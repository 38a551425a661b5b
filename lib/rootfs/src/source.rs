//! The uncompressed bytes of a layer, hashed and counted as they pass.

use std::io::{self, BufRead, BufReader, Read};

use coffer_oci::{Algorithm, Compression, Digest, Hasher};
use coffer_tar::Window;
use flate2::bufread::GzDecoder;

use crate::limits::{Budget, Limit, LimitError};

/// Bytes of a window: enough for few, large writes, small enough to stay in the second-level cache
/// between decompressing, hashing and writing.
const WINDOW: usize = 256 << 10;

/// Bytes of compressed input that are read at once.
const INPUT: usize = 128 << 10;

/// Why there are no more bytes.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The blob cannot be read, or is not what its media type says.
    #[error("cannot read the compressed layer")]
    Read(#[source] io::Error),
    /// The layer is too large.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// A window onto the uncompressed bytes of one layer.
pub struct Source<'a> {
    decoder: Box<dyn Read + Send + 'a>,
    window: Box<[u8]>,
    start: usize,
    end: usize,
    ended: bool,
    hasher: Hasher,
    budget: &'a Budget,
    /// Bytes that this layer may still unpack to, by its compression ratio.
    allowance: u64,
}

impl<'a> Source<'a> {
    /// The bytes of `blob`, which is `size` bytes long and compressed as said, hashed with
    /// `algorithm`.
    ///
    /// # Errors
    /// Where the decompressor cannot be made.
    pub fn new(
        blob: impl Read + Send + 'a,
        compression: Compression,
        size: u64,
        algorithm: Algorithm,
        budget: &'a Budget,
    ) -> Result<Self, SourceError> {
        let decoder: Box<dyn Read + Send + 'a> = match compression {
            Compression::None => Box::new(blob),
            Compression::Gzip => Box::new(Gzip::new(BufReader::with_capacity(INPUT, blob))),
            Compression::Zstd => {
                let input = BufReader::with_capacity(INPUT, blob);
                let decoder = zstd::stream::read::Decoder::with_buffer(input);
                Box::new(decoder.map_err(SourceError::Read)?)
            }
        };
        let allowance = match compression {
            Compression::None => u64::MAX,
            Compression::Gzip | Compression::Zstd => budget.allowance(size),
        };
        let window = vec![0; WINDOW].into_boxed_slice();
        let hasher = Hasher::new(algorithm);
        Ok(Self { decoder, window, start: 0, end: 0, ended: false, hasher, budget, allowance })
    }

    /// Reads to the end, and gives the digest of everything: the layer's diff id.
    ///
    /// # Errors
    /// The bytes cannot be had, or are too many.
    pub fn finish(mut self) -> Result<Digest, SourceError> {
        while !self.fill(1)?.is_empty() {
            self.start = self.end;
        }
        Ok(self.hasher.finish())
    }

    fn read(&mut self) -> Result<(), SourceError> {
        let count = match self.decoder.read(&mut self.window[self.end..]) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(SourceError::Read(error)),
        };
        self.ended = count == 0;
        self.hasher.update(&self.window[self.end..self.end + count]);
        self.end += count;
        self.budget.take_bytes(count as u64)?;
        let most = self.budget.limits().ratio;
        let left = self.allowance.checked_sub(count as u64);
        self.allowance = left.ok_or(LimitError { limit: Limit::Ratio, most })?;
        Ok(())
    }
}

impl Window for Source<'_> {
    type Error = SourceError;

    fn fill(&mut self, least: usize) -> Result<&[u8], SourceError> {
        if self.end - self.start < least {
            self.window.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end - self.start < least && !self.ended {
            self.read()?;
        }
        Ok(&self.window[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.end - self.start);
        self.start += count;
    }
}

/// The members of a gzip file one after another, then nothing or zeros (RFC 1952, 2.2).
///
/// gzip itself ignores zeros after the last member; other bytes there are an error.
struct Gzip<R> {
    /// `None` after the last member.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gzip<R> {
    fn new(input: R) -> Self {
        Self { member: Some(GzDecoder::new(input)) }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.member = match self.member.take() {
                Some(ended) => next_member(ended.into_inner())?,
                None => None,
            };
        }
        Ok(0)
    }
}

fn next_member<R: BufRead>(mut input: R) -> io::Result<Option<GzDecoder<R>>> {
    match input.fill_buf()?.first() {
        None => Ok(None),
        Some(0) => padding(input).map(|()| None),
        Some(_) => Ok(Some(GzDecoder::new(input))),
    }
}

fn padding(mut input: impl BufRead) -> io::Result<()> {
    loop {
        let bytes = input.fill_buf()?;
        if bytes.iter().any(|byte| *byte != 0) {
            let why = "bytes after the end of the gzip stream";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let count = bytes.len();
        if count == 0 {
            return Ok(());
        }
        input.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::testing::{gzip, zstd};

    fn read(blob: &[u8], compression: Compression, limits: Limits) -> Result<Digest, SourceError> {
        let budget = Budget::new(limits);
        Source::new(blob, compression, blob.len() as u64, Algorithm::Sha256, &budget)?.finish()
    }

    fn digest(blob: &[u8], compression: Compression) -> Digest {
        read(blob, compression, Limits::default()).unwrap()
    }

    #[test]
    fn every_compression_gives_the_same_bytes() {
        let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let expected = Digest::of(&bytes);
        assert_eq!(digest(&bytes, Compression::None), expected);
        assert_eq!(digest(&gzip(&bytes), Compression::Gzip), expected);
        assert_eq!(digest(&zstd(&bytes), Compression::Zstd), expected);
    }

    #[test]
    fn gzip_members_and_padding() {
        let mut blob = gzip(b"one");
        blob.extend(gzip(b"two"));
        assert_eq!(digest(&blob, Compression::Gzip), Digest::of(b"onetwo"));
        blob.extend([0; 1000]);
        assert_eq!(digest(&blob, Compression::Gzip), Digest::of(b"onetwo"));
        blob.push(1);
        assert!(read(&blob, Compression::Gzip, Limits::default()).is_err());
    }

    #[test]
    fn zstd_frames_follow_each_other() {
        let blob = [zstd(b"one"), zstd(b"two")].concat();
        assert_eq!(digest(&blob, Compression::Zstd), Digest::of(b"onetwo"));
    }

    #[test]
    fn what_is_cut_short_or_mislabelled_is_refused() {
        let bytes = vec![7; 100_000];
        for (blob, compression) in
            [(gzip(&bytes), Compression::Gzip), (zstd(&bytes), Compression::Zstd)]
        {
            for end in [0, 1, 10, blob.len() / 2, blob.len() - 1] {
                let cut = read(&blob[..end], compression, Limits::default());
                // zstd takes no frames at all as an empty stream; the diff id refuses it.
                assert!(cut.is_err() || end == 0, "{compression:?} {end}");
            }
            assert!(read(&bytes, compression, Limits::default()).is_err());
        }
    }

    #[test]
    fn a_bomb_is_refused_by_its_ratio() {
        let zeros = vec![0; Limits::RATIO_FLOOR as usize + 1];
        let error = read(&zstd(&zeros), Compression::Zstd, Limits::default()).unwrap_err();
        assert!(error.to_string().contains("--max-image-ratio"), "{error}");
        let small = Limits { image_size: 1000, ..Limits::default() };
        let error = read(&zeros[..1001], Compression::None, small).unwrap_err();
        assert!(error.to_string().contains("--max-image-size"), "{error}");
    }
}
