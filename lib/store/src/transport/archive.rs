//! Tar archives of images, entry by entry.

use std::io::{self, Read};

use tar_core::EntryType;
use tar_core::parse::{Limits, ParseEvent, ParsedEntry, Parser};

use super::TransportError;

/// The most bytes of the headers of one entry that are held.
const MAX_HEADERS: usize = 256 << 10;

/// Names of files in image archives are short; this is Linux's own limit.
const MAX_PATH: u32 = 4096;

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
pub(super) struct Archive<R> {
    input: R,
    parser: Parser,
    /// Bytes read and not yet used: `buffer[start..]`.
    buffer: Vec<u8>,
    start: usize,
    /// Bytes of the current entry's content that were not read yet.
    content: u64,
    /// Zeros after it, up to a whole block.
    padding: u64,
}

impl<R: Read> Archive<R> {
    pub(super) fn new(input: R) -> Self {
        let limits = Limits {
            max_metadata_size: 64 << 10,
            max_path_len: Some(MAX_PATH),
            max_sparse_entries: 0,
            ..Limits::default()
        };
        let parser = Parser::new(limits);
        Self { input, parser, buffer: Vec::new(), start: 0, content: 0, padding: 0 }
    }

    /// The next entry, or `None` at the end. What is left of the last one is passed over.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, TransportError> {
        self.pass().map_err(TransportError::Read)?;
        loop {
            let held = self.buffer.get(self.start..).unwrap_or_default();
            let (consumed, entry) = match self.parser.parse(held).map_err(TransportError::Tar)? {
                ParseEvent::NeedData { min_bytes } => {
                    if !self.fill(min_bytes)? {
                        return Ok(None);
                    }
                    continue;
                }
                ParseEvent::GlobalExtensions { consumed, .. } => (consumed, None),
                ParseEvent::End { .. } => return Ok(None),
                ParseEvent::SparseEntry { entry, .. } => {
                    return Err(refused(&entry.path, "with holes"));
                }
                ParseEvent::Entry { consumed, entry } => (consumed, Some(owned(&entry)?)),
            };
            self.start += consumed;
            let Some(entry) = entry else { continue };
            if let Kind::File { size } = entry.kind {
                let padded = size.checked_next_multiple_of(512);
                let padded = padded.ok_or_else(|| refused(&entry.path, "that has no end"))?;
                (self.content, self.padding) = (size, padded - size);
            }
            return Ok(Some(entry));
        }
    }

    /// Holds at least `wanted` bytes. Says `false` where the archive ends before its next entry.
    fn fill(&mut self, wanted: usize) -> Result<bool, TransportError> {
        self.buffer.drain(..self.start);
        self.start = 0;
        if wanted > MAX_HEADERS {
            return Err(refused(b"", "with headers of more than 256 KiB"));
        }
        let missing = wanted.saturating_sub(self.buffer.len()) as u64;
        let got = (&mut self.input).take(missing).read_to_end(&mut self.buffer);
        if got.map_err(TransportError::Read)? as u64 == missing {
            return Ok(true);
        }
        // Two zero blocks should end an archive; one, or none, does for every other reader too.
        if self.buffer.iter().all(|byte| *byte == 0) {
            return Ok(false);
        }
        Err(TransportError::Read(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Passes over what is left of the current entry.
    fn pass(&mut self) -> io::Result<()> {
        let mut left = self.content + self.padding;
        (self.content, self.padding) = (0, 0);
        let held = self.buffer.len() - self.start;
        let from_held = usize::try_from(left).map_or(held, |left| left.min(held));
        self.start += from_held;
        left -= from_held as u64;
        if io::copy(&mut (&mut self.input).take(left), &mut io::sink())? == left {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

impl<R: Read> Read for Archive<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.content).map_or(bytes.len(), |c| c.min(bytes.len()));
        let Some(bytes @ [_, ..]) = bytes.get_mut(..most) else { return Ok(0) };
        let count = match self.buffer.get(self.start..) {
            Some(mut held @ [_, ..]) => {
                let count = held.read(bytes)?;
                self.start += count;
                count
            }
            _ => self.input.read(bytes)?,
        };
        self.content -= count as u64;
        if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(count) }
    }
}

fn owned(entry: &ParsedEntry<'_>) -> Result<Entry, TransportError> {
    let path = clean(&[], &entry.path)
        .ok_or_else(|| refused(&entry.path, "whose path leads out of the archive"))?;
    let target = entry.link_target.as_deref().unwrap_or_default();
    let folder = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash);
    let link = |from: &[u8]| {
        clean(from, target)
            .map(|target| Kind::Link { target })
            .ok_or_else(|| refused(&entry.path, "that links out of the archive"))
    };
    let kind = match entry.entry_type {
        EntryType::Regular | EntryType::Continuous => Kind::File { size: entry.size },
        // Readers disagree on whether anything else has content; these have none.
        _ if entry.size != 0 => {
            return Err(refused(&entry.path, "that is no file and has content"));
        }
        EntryType::Directory => Kind::Folder,
        EntryType::Link => link(&[])?,
        EntryType::Symlink => link(path.get(..folder).unwrap_or_default())?,
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
            let mut entry = tar_core::EntryBuilder::new_gnu();
            entry.path(path).entry_type(EntryType::Regular);
            entry.mode(0o644).unwrap().size(content.len() as u64).unwrap();
            bytes.extend(entry.finish_bytes());
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
