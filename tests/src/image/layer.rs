//! A tree of files → a compressed layer and its two digests.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use super::Compression;

/// A layer on disk.
pub(super) struct Packed {
    /// Digest of the uncompressed tar, in hexadecimal (image-spec config.md, `diff_ids`).
    pub(super) diff_id: String,
    /// Digest of the file.
    pub(super) digest: String,
    /// Bytes of the file.
    pub(super) size: u64,
}

/// Packs all of `root` except `left_out` into `target`.
pub(super) fn pack(
    root: &Path,
    left_out: &[&str],
    compression: Compression,
    target: &Path,
) -> Packed {
    let mut tar = Command::new("tar")
        .args(["--create", "--format=pax", "--sort=name", "--numeric-owner"])
        .args(["--xattrs", "--xattrs-include=*", "--pax-option=delete=atime,delete=ctime"])
        .args(["--mtime=@1700000000", "--clamp-mtime"])
        .args(left_out.iter().map(|name| format!("--exclude=./{name}")))
        .arg("--directory")
        .arg(root)
        .arg(".")
        .stdout(Stdio::piped())
        .spawn()
        .expect("tar");
    let plain = Hashing::new(tar.stdout.take().unwrap());
    let file = Hashing::new(File::create(target).unwrap());
    let packed = match compression {
        Compression::Gzip => gzip(plain, file),
        Compression::Zstd => zstd(plain, file),
    };
    assert!(tar.wait().unwrap().success(), "tar of {}", root.display());
    packed.unwrap()
}

fn gzip(mut plain: Hashing<impl Read>, file: Hashing<File>) -> io::Result<Packed> {
    let mut encoder = GzEncoder::new(file, flate2::Compression::new(4));
    io::copy(&mut plain, &mut encoder)?;
    Ok(finished(plain, encoder.finish()?))
}

fn zstd(mut plain: Hashing<impl Read>, file: Hashing<File>) -> io::Result<Packed> {
    let mut encoder = zstd::Encoder::new(file, 3)?;
    io::copy(&mut plain, &mut encoder)?;
    Ok(finished(plain, encoder.finish()?))
}

fn finished<R>(plain: Hashing<R>, file: Hashing<File>) -> Packed {
    Packed { diff_id: plain.hex(), size: file.bytes, digest: file.hex() }
}

/// Hashes and counts what passes.
struct Hashing<T> {
    inner: T,
    hasher: Sha256,
    bytes: u64,
}

impl<T> Hashing<T> {
    fn new(inner: T) -> Self {
        Self { inner, hasher: Sha256::new(), bytes: 0 }
    }

    fn count(&mut self, passed: &[u8]) {
        self.hasher.update(passed);
        self.bytes += passed.len() as u64;
    }

    fn hex(self) -> String {
        hex(&self.hasher.finalize())
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.count(&buffer[..n]);
        Ok(n)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(buffer)?;
        self.count(&buffer[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
