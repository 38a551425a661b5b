//! Tar archives of images, entry by entry.

use std::io::{self, Read};

use coffer_tar::{Buffered, Reader, TarError};

use super::TransportError;

/// The most bytes of a path: names of files in image archives are short; this is Linux's own limit.
const MAX_PATH: usize = 4096;

/// What an entry is, and what an image archive uses it for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file: a blob, or a document that describes images.
    File {
        /// Its length in bytes.
        size: u64,
    },
    /// Another name for the file at this path, from the archive's root (hard link) or from the
    /// entry's folder (symbolic link). `docker save` writes them for layers that images share.
    Link {
        /// Where it leads, without `.` and `..`.
        target: Vec<u8>,
    },
    /// A folder, which means nothing here.
    Folder,
}

/// An entry of an archive: its path without `.`, `..` and leading `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
}

/// Reads a tar stream; [`Read`] gives the current entry's content.
pub(super) struct Archive<R: Read> {
    reader: Reader<Buffered<R>>,
    entry: coffer_tar::Entry,
}

impl<R: Read> Archive<R> {
    pub(super) fn new(input: R) -> Self {
        let reader = Reader::new(Buffered::new(input));
        Self { reader, entry: coffer_tar::Entry::default() }
    }

    /// The next entry, or `None` at the end. What is left of the last one is passed over.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, TransportError> {
        if !self.reader.next(&mut self.entry).map_err(failed)? {
            return Ok(None);
        }
        owned(&self.entry).map(Some)
    }
}

impl<R: Read> Read for Archive<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut chunk = self.reader.chunk().map_err(|error| match error {
            TarError::Source(error) => error,
            other => io::Error::new(io::ErrorKind::UnexpectedEof, other),
        })?;
        let count = chunk.read(bytes)?;
        self.reader.advance(count);
        Ok(count)
    }
}

/// Bytes that cannot be had are no fault of the archive's.
fn failed(error: TarError<io::Error>) -> TransportError {
    match error {
        TarError::Source(error) => TransportError::Read(error),
        other => TransportError::Tar(other),
    }
}

fn owned(entry: &coffer_tar::Entry) -> Result<Entry, TransportError> {
    if entry.path.len() > MAX_PATH {
        return Err(refused(&entry.path, "whose path is longer than Linux's own limit"));
    }
    if entry.sparse.is_some() {
        return Err(refused(&entry.path, "with holes"));
    }
    let path = clean(&[], &entry.path)
        .ok_or_else(|| refused(&entry.path, "whose path leads out of the archive"))?;
    let folder = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let link = |from: &[u8]| {
        clean(from, &entry.link)
            .map(|target| Kind::Link { target })
            .ok_or_else(|| refused(&entry.path, "that links out of the archive"))
    };
    let kind = match entry.kind {
        coffer_tar::Kind::File => Kind::File { size: entry.size },
        coffer_tar::Kind::Folder => Kind::Folder,
        coffer_tar::Kind::HardLink => link(&[])?,
        coffer_tar::Kind::Symlink => link(path.get(..folder).unwrap_or_default())?,
        _ => return Err(refused(&entry.path, "that is no file, folder or link")),
    };
    Ok(Entry { path, kind })
}

/// `path` as seen from the folder `from`, without `.` and `..`; `None` where it leads out.
fn clean(from: &[u8], path: &[u8]) -> Option<Vec<u8>> {
    let from = if path.starts_with(b"/") { &[] } else { from };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in from.split(|b| *b == b'/').chain(path.split(|b| *b == b'/')) {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

fn refused(path: &[u8], what: &'static str) -> TransportError {
    TransportError::Entry { path: String::from_utf8_lossy(path).into_owned(), what }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads all entries; whatever comes, it ends.
    fn walk(bytes: &[u8]) -> Result<Vec<(Entry, u64)>, TransportError> {
        let mut archive = Archive::new(bytes);
        let mut found = Vec::new();
        while let Some(entry) = archive.next()? {
            // Some contents are read, some passed over.
            let mut length = 0;
            if found.len() % 2 == 0 {
                let read = io::copy(&mut archive, &mut io::sink());
                length = read.map_err(TransportError::Read)?;
            }
            found.push((entry, length));
        }
        Ok(found)
    }

    fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (path, content) in files {
            let size = content.len() as u64;
            bytes.extend(coffer_tar::header(coffer_tar::Kind::File, path.as_bytes(), b"", size));
            bytes.extend(content);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    }

    proptest! {
        #[test]
        fn whatever_comes_it_ends(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            walk(&bytes).ok();
        }

        #[test]
        fn files_come_back_and_damage_ends(
            files in prop::collection::vec(("[a-z]{1,200}(/[a-z]{1,9}){0,3}",
                prop::collection::vec(any::<u8>(), 0..1500)), 0..6),
            at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut bytes = archive(&files);
            let found = walk(&bytes).unwrap();
            prop_assert_eq!(found.len(), files.len());
            for (number, ((entry, length), (path, content))) in found.iter().zip(&files).enumerate() {
                prop_assert_eq!(&entry.path, path.as_bytes());
                prop_assert_eq!(&entry.kind, &Kind::File { size: content.len() as u64 });
                prop_assert!(number % 2 == 1 || *length == content.len() as u64);
            }
            let at = at.index(bytes.len());
            bytes[at] = byte;
            walk(&bytes).ok();
            walk(&bytes[..at]).ok();
        }

        #[test]
        fn clean_paths_stay_inside(from in "[a./]{0,9}", path in "[a-b./]{0,20}") {
            let from = clean(&[], from.as_bytes()).unwrap_or_default();
            if let Some(clean) = clean(&from, path.as_bytes()) {
                let dots = |part: &[u8]| matches!(part, b"." | b"..");
                prop_assert!(!clean.starts_with(b"/"));
                prop_assert!(!clean.split(|b| *b == b'/').any(dots));
            }
        }
    }
}
