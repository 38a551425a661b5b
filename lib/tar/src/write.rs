//! Headers for archives of our own, in which nothing depends on when, where and by whom they are
//! written: owner 0, time 0.
//!
//! Sources: POSIX pax, "ustar Interchange Format"; "pax Extended Header".

use crate::Kind;
use crate::header::BLOCK;

/// The widths of the fields `name` and `linkname`.
const NAME: usize = 100;

/// The largest size that eleven octal digits hold.
const MAX_OCTAL: u64 = (1 << 33) - 1;

/// The header of an entry whose `size` bytes of data follow it, filled up with zeros to a multiple
/// of 512. What the fields cannot hold stands in an extended header in front.
#[must_use]
pub fn header(kind: Kind, path: &[u8], link: &[u8], size: u64) -> Vec<u8> {
    let mut records = Vec::new();
    if path.len() > NAME {
        records.extend(record(b"path", path));
    }
    if link.len() > NAME {
        records.extend(record(b"linkpath", link));
    }
    if size > MAX_OCTAL {
        records.extend(record(b"size", size.to_string().as_bytes()));
    }
    let mut bytes = Vec::new();
    if !records.is_empty() {
        bytes.extend(block(b'x', b"pax", b"", records.len() as u64));
        bytes.extend(&records);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }
    bytes.extend(block(flag(kind), path, link, size));
    bytes
}

/// The two blocks of zeros after the last entry.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

fn flag(kind: Kind) -> u8 {
    match kind {
        Kind::File => b'0',
        Kind::HardLink => b'1',
        Kind::Symlink => b'2',
        Kind::CharDevice => b'3',
        Kind::BlockDevice => b'4',
        Kind::Folder => b'5',
        Kind::Fifo => b'6',
    }
}

fn block(flag: u8, path: &[u8], link: &[u8], size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    put(&mut block, 0, &path[..path.len().min(NAME)]);
    let mode: &[u8] = if flag == b'5' { b"0000755" } else { b"0000644" };
    put(&mut block, 100, mode);
    put(&mut block, 108, b"0000000");
    put(&mut block, 116, b"0000000");
    put(&mut block, 124, format!("{:011o}", size.min(MAX_OCTAL)).as_bytes());
    put(&mut block, 136, b"00000000000");
    block[156] = flag;
    put(&mut block, 157, &link[..link.len().min(NAME)]);
    put(&mut block, 257, b"ustar\x0000");
    // The checksum is of the block with spaces in its own place.
    put(&mut block, 148, b"        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    put(&mut block, 148, format!("{sum:06o}\0 ").as_bytes());
    block
}

fn put(block: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A pax record: its own length in decimal, which counts its own digits, key and value.
fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    [format!("{length} ").as_bytes(), key, b"=", value, b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, Reader, records};

    fn read(bytes: &[u8]) -> Entry {
        let mut entry = Entry::default();
        assert!(Reader::new(bytes).next(&mut entry).unwrap());
        entry
    }

    #[test]
    fn sizes_beyond_the_field_stand_in_a_record() {
        for size in [0, 1, MAX_OCTAL, MAX_OCTAL + 1, u64::MAX >> 1] {
            assert_eq!(read(&header(Kind::File, b"f", b"", size)).size, size);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(path in "[^\0]{1,300}", link in "[^\0]{1,300}", size in 0_u64..9) {
            let file = read(&header(Kind::File, path.as_bytes(), b"", size));
            proptest::prop_assert_eq!((file.kind, file.size), (Kind::File, size));
            proptest::prop_assert_eq!(&file.path, path.as_bytes());
            let symlink = read(&header(Kind::Symlink, path.as_bytes(), link.as_bytes(), 0));
            proptest::prop_assert_eq!((symlink.kind, symlink.link), (Kind::Symlink, link.into_bytes()));
        }

        #[test]
        fn a_written_record_is_read_back(key in "[a-zA-Z.]{1,40}", value: Vec<u8>) {
            let bytes = record(key.as_bytes(), &value);
            let found = records(&bytes).next().unwrap().unwrap();
            proptest::prop_assert_eq!((found.key, found.value), (key.as_bytes(), value.as_slice()));
        }
    }
}
