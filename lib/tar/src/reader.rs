//! Pulls entries out of a stream of blocks.

use super::header::{BLOCK, Header, until_nul};
use super::pax::{self, Record, records};
use super::sparse::{Map, Progress, Text};
use super::{Entry, Kind, TarError, number};
use crate::Window;

/// The most bytes of an extended header or a GNU long name, as in Go's archive/tar.
const EXTENDED: u64 = 1 << 20;

const XATTR: &[u8] = b"SCHILY.xattr.";

/// Reads an archive entry by entry.
pub struct Reader<W> {
    source: W,
    /// Bytes passed so far.
    at: u64,
    /// Where the current entry's header starts.
    header_at: u64,
    /// Data of the current entry that was not passed yet.
    data: u64,
    /// Zeros that fill up its last block.
    padding: u64,
    ended: bool,
}

/// What the headers in front of an entry's own say about it.
#[derive(Default)]
struct Extended {
    pax: Vec<u8>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

/// The PAX 1.0 sparse records of an entry.
#[derive(Default)]
struct SparseRecords {
    major: Option<u64>,
    minor: Option<u64>,
    real: Option<u64>,
    /// The path: the entry's own is one that old readers do not take for the file.
    name: Option<Vec<u8>>,
    /// A record of format 0.0 or 0.1.
    old: bool,
}

impl<W: Window> Reader<W> {
    /// A reader at the beginning of `source`.
    pub fn new(source: W) -> Self {
        Self { source, at: 0, header_at: 0, data: 0, padding: 0, ended: false }
    }

    /// Reads the next entry into `entry`, and says whether there was one. What is left of the
    /// previous entry's data is passed over.
    pub fn next(&mut self, entry: &mut Entry) -> Result<bool, TarError<W::Error>> {
        entry.clear();
        self.skip_data()?;
        let mut extended = Extended::default();
        loop {
            let Some(block) = self.header()? else { return Ok(false) };
            let header = Header(&block);
            match header.type_flag() {
                b'x' => extended.pax = self.extended(&header)?,
                b'L' => extended.long_name = Some(self.extended(&header)?),
                b'K' => extended.long_link = Some(self.extended(&header)?),
                b'g' => drop(self.extended(&header)?),
                _ => return self.entry(&header, &extended, entry).map(|()| true),
            }
        }
    }

    /// The next bytes of the current entry's data; none at its end.
    pub fn chunk(&mut self) -> Result<&[u8], TarError<W::Error>> {
        if self.data == 0 {
            return Ok(&[]);
        }
        let bytes = self.source.fill(1)?;
        if bytes.is_empty() {
            return Err(TarError::Truncated { at: self.header_at });
        }
        let most = usize::try_from(self.data).unwrap_or(usize::MAX).min(bytes.len());
        Ok(&bytes[..most])
    }

    /// Passes over `count` bytes that [`Reader::chunk`] gave.
    pub fn advance(&mut self, count: usize) {
        self.source.consume(count);
        self.at += count as u64;
        self.data -= count as u64;
    }

    /// What the archive was read from, with the bytes that were not read.
    pub fn into_inner(self) -> W {
        self.source
    }

    fn skip_data(&mut self) -> Result<(), TarError<W::Error>> {
        self.data += std::mem::take(&mut self.padding);
        loop {
            let count = self.chunk()?.len();
            if count == 0 {
                return Ok(());
            }
            self.advance(count);
        }
    }

    /// The next header, or `None` at the end: two zero blocks, or no more bytes.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, TarError<W::Error>> {
        self.header_at = self.at;
        if self.ended || self.source.fill(1)?.is_empty() {
            return Ok(None);
        }
        let block = self.block()?;
        if Header(&block).is_end() {
            self.ended = true;
            let second = self.source.fill(BLOCK)?;
            let single = second.iter().take(BLOCK).any(|byte| *byte != 0);
            return if single { Err(TarError::Checksum { at: self.at }) } else { Ok(None) };
        }
        if !Header(&block).checksum_holds() {
            return Err(TarError::Checksum { at: self.header_at });
        }
        Ok(Some(block))
    }

    fn block(&mut self) -> Result<[u8; BLOCK], TarError<W::Error>> {
        let bytes = self.source.fill(BLOCK)?;
        let Some(block) = bytes.first_chunk::<BLOCK>().copied() else {
            return Err(TarError::Truncated { at: self.header_at });
        };
        self.source.consume(BLOCK);
        self.at += BLOCK as u64;
        Ok(block)
    }

    /// The data of an extended header or a GNU long name.
    fn extended(&mut self, header: &Header<'_>) -> Result<Vec<u8>, TarError<W::Error>> {
        let size = header.size().ok_or_else(|| self.number("size"))?;
        if size > EXTENDED {
            return Err(TarError::ExtendedSize { size, at: self.header_at });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        self.expect(size);
        while self.data > 0 {
            let chunk = self.chunk()?;
            bytes.extend_from_slice(chunk);
            let count = chunk.len();
            self.advance(count);
        }
        self.skip_data()?;
        Ok(bytes)
    }

    fn expect(&mut self, size: u64) {
        self.data = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
    }

    fn entry(
        &mut self,
        header: &Header<'_>,
        extended: &Extended,
        entry: &mut Entry,
    ) -> Result<(), TarError<W::Error>> {
        self.header_fields(header, entry)?;
        let mut sparse = SparseRecords::default();
        for record in records(&extended.pax) {
            let record = record.ok_or(TarError::Pax { at: self.header_at })?;
            self.record(record, entry, &mut sparse)?;
        }
        if let Some(name) = &sparse.name {
            replace(&mut entry.path, name);
        }
        if let Some(name) = &extended.long_name {
            replace(&mut entry.path, until_nul(name));
        }
        if let Some(link) = &extended.long_link {
            replace(&mut entry.link, until_nul(link));
        }
        self.kind(header, entry)?;
        self.names(entry)?;
        self.open_data(header, &sparse, entry)
    }

    fn header_fields(
        &self,
        header: &Header<'_>,
        entry: &mut Entry,
    ) -> Result<(), TarError<W::Error>> {
        header.path_into(&mut entry.path);
        entry.link.extend_from_slice(header.link());
        let mode = header.mode().ok_or_else(|| self.number("mode"))?;
        entry.mode = u32::try_from(mode & 0o7777).map_err(|_| self.number("mode"))?;
        entry.uid = self.id("uid", header.uid())?;
        entry.gid = self.id("gid", header.gid())?;
        entry.mtime.seconds = header.mtime().ok_or_else(|| self.number("mtime"))?;
        entry.size = header.size().ok_or_else(|| self.number("size"))?;
        Ok(())
    }

    /// Applies one pax record. An empty value takes an earlier one back (POSIX pax, "pax Extended
    /// Header"), so that no attribute is empty; as in Go, the header's own fields stand.
    fn record(
        &self,
        Record { key, value }: Record<'_>,
        entry: &mut Entry,
        sparse: &mut SparseRecords,
    ) -> Result<(), TarError<W::Error>> {
        if let Some(name) = key.strip_prefix(XATTR) {
            entry.xattrs.retain(|(earlier, _)| earlier != name);
            if !value.is_empty() {
                entry.xattrs.push((name.to_vec(), value.to_vec()));
            }
            return Ok(());
        }
        if value.is_empty() {
            return Ok(());
        }
        let decimal = |field| number::decimal(value).ok_or_else(|| self.number(field));
        let id = |field| decimal(field).map(|id| i64::try_from(id).ok());
        match key {
            b"path" => replace(&mut entry.path, value),
            b"linkpath" => replace(&mut entry.link, value),
            b"size" => entry.size = decimal("size")?,
            b"uid" => entry.uid = self.id("uid", id("uid")?)?,
            b"gid" => entry.gid = self.id("gid", id("gid")?)?,
            b"mtime" => entry.mtime = pax::time(value).ok_or_else(|| self.number("mtime"))?,
            b"GNU.sparse.major" => sparse.major = Some(decimal("sparse format")?),
            b"GNU.sparse.minor" => sparse.minor = Some(decimal("sparse format")?),
            b"GNU.sparse.name" => sparse.name = Some(value.to_vec()),
            b"GNU.sparse.realsize" => sparse.real = Some(decimal("sparse size")?),
            _ => sparse.old |= key.starts_with(b"GNU.sparse."),
        }
        Ok(())
    }

    fn kind(&self, header: &Header<'_>, entry: &mut Entry) -> Result<(), TarError<W::Error>> {
        entry.kind = match header.type_flag() {
            // Before POSIX, a file whose name ends in a slash was a folder.
            0 if entry.path.ends_with(b"/") => Kind::Folder,
            0 | b'0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::CharDevice,
            b'4' => Kind::BlockDevice,
            b'5' => Kind::Folder,
            b'6' => Kind::Fifo,
            flag => return Err(TarError::Type { flag, at: self.header_at }),
        };
        if matches!(entry.kind, Kind::CharDevice | Kind::BlockDevice) {
            entry.device = header.device().ok_or_else(|| self.number("device"))?;
        }
        Ok(())
    }

    fn names(&self, entry: &mut Entry) -> Result<(), TarError<W::Error>> {
        let sound = |name: &[u8]| !name.is_empty() && !name.contains(&0);
        if !sound(&entry.path) {
            return Err(TarError::Name { field: "path", at: self.header_at });
        }
        if !matches!(entry.kind, Kind::HardLink | Kind::Symlink) {
            entry.link.clear();
        } else if !sound(&entry.link) {
            return Err(TarError::Name { field: "link target", at: self.header_at });
        }
        Ok(())
    }

    /// Sets how much data follows, and reads the sparse map in front of it.
    fn open_data(
        &mut self,
        header: &Header<'_>,
        sparse: &SparseRecords,
        entry: &mut Entry,
    ) -> Result<(), TarError<W::Error>> {
        if entry.kind != Kind::File {
            entry.size = 0;
        }
        self.expect(entry.size);
        let malformed = TarError::Sparse { at: self.header_at };
        let numbered = (sparse.major, sparse.minor);
        let (map, real) = match (header.type_flag(), numbered, sparse.real) {
            (_, _, None) if numbered != (None, None) => return Err(malformed),
            _ if sparse.old || entry.kind != Kind::File && numbered != (None, None) => {
                return Err(malformed);
            }
            (b'S', (None, None), None) => self.gnu_map(header)?,
            (_, (Some(1), Some(0)), Some(real)) => (self.text_map()?, real),
            (_, (None, None), None) => return Ok(()),
            _ => return Err(malformed),
        };
        let extents = map.checked(real, self.data).ok_or(malformed)?;
        (entry.size, entry.sparse) = (real, Some(extents));
        Ok(())
    }

    fn gnu_map(&mut self, header: &Header<'_>) -> Result<(Map, u64), TarError<W::Error>> {
        let malformed = || TarError::Sparse { at: self.header_at };
        let (pairs, mut more, real) = header.gnu_sparse();
        let real = real.ok_or_else(malformed)?;
        let mut map = Map::default();
        map.take_gnu(pairs).ok_or_else(malformed)?;
        while more {
            // 21 pairs, then whether another block follows.
            let block = self.block()?;
            map.take_gnu(&block[..504]).ok_or(TarError::Sparse { at: self.header_at })?;
            more = block[504] != 0;
        }
        Ok((map, real))
    }

    fn text_map(&mut self) -> Result<Map, TarError<W::Error>> {
        let malformed = TarError::Sparse { at: self.header_at };
        let mut text = Text::default();
        loop {
            let Some(left) = self.data.checked_sub(BLOCK as u64) else { return Err(malformed) };
            let block = self.block()?;
            self.data = left;
            match text.take(&block) {
                Some(Progress::More(next)) => text = next,
                Some(Progress::Done(map)) => return Ok(map),
                None => return Err(malformed),
            }
        }
    }

    fn id(&self, field: &'static str, id: Option<i64>) -> Result<u32, TarError<W::Error>> {
        let id = id.ok_or_else(|| self.number(field))?;
        let fits = u32::try_from(id).ok().filter(|id| *id != u32::MAX);
        fits.ok_or(TarError::Id { field, id, at: self.header_at })
    }

    fn number(&self, field: &'static str) -> TarError<W::Error> {
        TarError::Number { field, at: self.header_at }
    }
}

fn replace(old: &mut Vec<u8>, new: &[u8]) {
    old.clear();
    old.extend_from_slice(new);
}
