//! Sparse maps: where the stored bytes of a file with holes belong.
//!
//! Source: GNU tar manual, "Storing Sparse Files": the old GNU format and PAX 1.0. PAX 0.0 and 0.1,
//! which GNU tar wrote before 2006, are refused.

use super::number;

/// The most extents that one file may have: 4 MiB of map.
const EXTENTS: usize = 1 << 18;

/// A run of bytes that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where in the file it belongs, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub length: u64,
}

/// The form of a map that is still being read.
#[derive(Debug, Default)]
pub(super) struct Map(Vec<Extent>);

impl Map {
    /// Takes the pairs of an old GNU header or extension block, up to the first empty pair.
    pub(super) fn take_gnu(&mut self, pairs: &[u8]) -> Option<()> {
        for pair in pairs.chunks_exact(24) {
            let (offset, length) = pair.split_at(12);
            if offset[0] == 0 {
                break;
            }
            let number = |field| number::parse(field).and_then(|value| u64::try_from(value).ok());
            self.push(number(offset)?, number(length)?)?;
        }
        Some(())
    }

    pub(super) fn push(&mut self, offset: u64, length: u64) -> Option<()> {
        (self.0.len() < EXTENTS).then(|| self.0.push(Extent { offset, length }))
    }

    /// The extents, where they are in order, do not overlap, end within `real` and are `stored`
    /// bytes together.
    pub(super) fn checked(self, real: u64, stored: u64) -> Option<Vec<Extent>> {
        let (mut end, mut sum) = (0_u64, 0_u64);
        for extent in &self.0 {
            if extent.offset < end {
                return None;
            }
            end = extent.offset.checked_add(extent.length)?;
            sum = sum.checked_add(extent.length)?;
        }
        (end <= real && sum == stored).then_some(self.0)
    }
}

/// The numbers of a PAX 1.0 map, fed block by block.
#[derive(Debug, Default)]
pub(super) struct Text {
    count: Option<u64>,
    offset: Option<u64>,
    digits: Vec<u8>,
    map: Map,
}

/// Whether a PAX 1.0 map goes on in the next block.
#[derive(Debug)]
pub(super) enum Progress {
    More(Text),
    Done(Map),
}

impl Text {
    /// Takes one block; what follows the last number in it is padding.
    pub(super) fn take(mut self, block: &[u8]) -> Option<Progress> {
        for byte in block {
            if *byte != b'\n' {
                if self.digits.len() == 20 {
                    return None;
                }
                self.digits.push(*byte);
                continue;
            }
            let value = number::decimal(&self.digits)?;
            self.digits.clear();
            if self.number(value)? {
                return Some(Progress::Done(self.map));
            }
        }
        Some(Progress::More(self))
    }

    /// Takes one number, and says whether it was the last.
    fn number(&mut self, value: u64) -> Option<bool> {
        match (self.count, self.offset.take()) {
            (None, _) => {
                self.count = Some(value);
                return Some(value == 0);
            }
            (Some(_), None) => self.offset = Some(value),
            (Some(_), Some(offset)) => self.map.push(offset, value)?,
        }
        let complete = self.offset.is_none();
        Some(complete && self.count == Some(self.map.0.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(blocks: &[&[u8]]) -> Option<Map> {
        let mut text = Text::default();
        for block in blocks {
            match text.take(block)? {
                Progress::More(next) => text = next,
                Progress::Done(map) => return Some(map),
            }
        }
        None
    }

    #[test]
    fn a_map_over_two_blocks() {
        let map = text(&[b"2\n0\n10\n1", b"00\n5\n\0\0\0"]).unwrap();
        let extents = map.checked(105, 15).unwrap();
        assert_eq!(extents[1], Extent { offset: 100, length: 5 });
    }

    #[test]
    fn a_map_that_lies_is_refused() {
        let two = |a: (u64, u64), b: (u64, u64)| {
            let mut map = Map::default();
            map.push(a.0, a.1).unwrap();
            map.push(b.0, b.1).unwrap();
            map
        };
        assert!(two((0, 10), (5, 5)).checked(100, 15).is_none());
        assert!(two((10, 10), (0, 5)).checked(100, 15).is_none());
        assert!(two((0, 10), (95, 10)).checked(100, 20).is_none());
        assert!(two((0, 10), (50, 10)).checked(100, 19).is_none());
        assert!(two((0, 10), (u64::MAX, 10)).checked(u64::MAX, 20).is_none());
        assert!(text(&[b"1\n-5\n5\n"]).is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_taken_or_refused(block: Vec<u8>) {
            if let Some(Progress::Done(map)) = Text::default().take(&block) {
                proptest::prop_assert!(map.0.len() <= block.len());
            }
        }
    }
}
