//! The floor under `coffer pull`: fetch, hash, keep, inflate and write out, and nothing else.
//!
//! Plain HTTP/1.0 to a registry on loopback, layers side by side, entries written by path. No
//! check of any kind: it is a yardstick, never to be aimed at an image that is not our own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs as unix;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, bail};
use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid};
use sha2::{Digest, Sha256};

/// `floor-pull HOST:PORT REPOSITORY TAG FOLDER`: the image's layers, each below its own folder.
///
/// # Errors
/// Whatever goes wrong first.
pub(crate) fn run(host: &str, repository: &str, tag: &str, folder: &Path) -> Result<()> {
    let mut manifest = String::new();
    get(host, &format!("/v2/{repository}/manifests/{tag}"))?.read_to_string(&mut manifest)?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest)?;
    let layers = manifest["layers"].as_array().context("a manifest without layers")?;
    let digests = layers.iter().filter_map(|layer| layer["digest"].as_str());
    thread::scope(|scope| {
        let threads: Vec<_> = digests
            .enumerate()
            .map(|(place, digest)| {
                let (path, blob) = (
                    format!("/v2/{repository}/blobs/{digest}"),
                    folder.join(format!("blob-{place}")),
                );
                let tree = folder.join(place.to_string());
                scope.spawn(move || layer(get(host, &path)?, &blob, &tree))
            })
            .collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result,
            Err(_) => bail!("a thread panicked"),
        })
    })
}

/// The body of a successful answer.
fn get(host: &str, path: &str) -> Result<impl Read + use<>> {
    let mut stream = TcpStream::connect(host).with_context(|| format!("connect to {host}"))?;
    let accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n")?;
    let mut answer = BufReader::with_capacity(1 << 17, stream);
    let mut line = String::new();
    answer.read_line(&mut line)?;
    if !line.contains(" 200 ") {
        bail!("GET {path}: {line}");
    }
    while line.trim() != "" {
        line.clear();
        answer.read_line(&mut line)?;
    }
    Ok(answer)
}

fn layer(body: impl Read, blob: &Path, tree: &Path) -> Result<()> {
    fs::create_dir(tree)?;
    let kept = Kept { body, hash: Sha256::new(), file: File::create(blob)? };
    let inflated = flate2::read::GzDecoder::new(BufReader::with_capacity(1 << 17, kept));
    let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 17, inflated));
    for entry in archive.entries()? {
        write_entry(&mut entry?, tree)?;
    }
    let mut rest = archive.into_inner().into_inner().into_inner();
    std::io::copy(&mut rest, &mut std::io::sink())?;
    let kept = rest.into_inner();
    kept.hash.finalize();
    kept.file.sync_all()?;
    Ok(())
}

/// Hashes and writes down what passes.
struct Kept<R> {
    body: R,
    hash: Sha256,
    file: File,
}

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.body.read(buffer)?;
        self.hash.update(&buffer[..n]);
        self.file.write_all(&buffer[..n])?;
        Ok(n)
    }
}

fn write_entry(entry: &mut tar::Entry<'_, impl Read>, tree: &Path) -> Result<()> {
    let path = tree.join(entry.path()?.strip_prefix("/").unwrap_or(&entry.path()?));
    let header = entry.header();
    let (mode, time) = (header.mode()?, i64::try_from(header.mtime()?)?);
    let ids = (
        Uid::from_raw(u32::try_from(header.uid()?)?),
        Gid::from_raw(u32::try_from(header.gid()?)?),
    );
    match header.entry_type() {
        tar::EntryType::Directory => fs::create_dir_all(&path)?,
        tar::EntryType::Symlink => unix::symlink(entry.link_name()?.context("no target")?, &path)?,
        tar::EntryType::Link => {
            return Ok(fs::hard_link(tree.join(entry.link_name()?.context("no target")?), &path)?);
        }
        _ => {
            let mut file = BufWriter::with_capacity(1 << 17, File::create(&path)?);
            std::io::copy(entry, &mut file)?;
            file.flush()?;
        }
    }
    rustix::fs::chownat(CWD, &path, Some(ids.0), Some(ids.1), AtFlags::SYMLINK_NOFOLLOW)?;
    if !entry.header().entry_type().is_symlink() {
        rustix::fs::chmod(&path, Mode::from_raw_mode(mode))?;
    }
    let time = Timespec { tv_sec: time, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(CWD, &path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
