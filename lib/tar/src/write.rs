//! Headers for archives of our own.
//!
//! Sources: POSIX pax, "ustar Interchange Format"; "pax Extended Header".

use crate::header::BLOCK;
use crate::{Entry, Kind, Time};

/// The widths of the fields `name` and `linkname`.
const NAME: usize = 100;

/// The largest size that eleven octal digits hold.
const MAX_OCTAL: u64 = (1 << 33) - 1;

/// The largest id that seven octal digits hold.
const MAX_ID: u32 = (1 << 21) - 1;

/// The header of a file, link or folder that does not depend on when, where and by whom it is
/// written: owner 0, time 0. As [`header_of`].
#[must_use]
pub fn header(kind: Kind, path: &[u8], link: &[u8], size: u64) -> Vec<u8> {
    let mode = if kind == Kind::Folder { 0o755 } else { 0o644 };
    let (path, link) = (path.to_vec(), link.to_vec());
    header_of(&Entry { path, kind, link, mode, size, ..Entry::default() })
}

/// The header of an entry whose `size` bytes of data follow it, filled up with zeros to a multiple
/// of 512. What the fields cannot hold stands in an extended header in front.
#[must_use]
pub fn header_of(entry: &Entry) -> Vec<u8> {
    let Entry { path, link, size, uid, gid, mtime, .. } = entry;
    let mut records = Vec::new();
    let mut number = |key: &[u8], fits: bool, text: String| {
        if !fits {
            records.extend(record(key, text.as_bytes()));
        }
    };
    number(b"size", *size <= MAX_OCTAL, size.to_string());
    number(b"uid", *uid <= MAX_ID, uid.to_string());
    number(b"gid", *gid <= MAX_ID, gid.to_string());
    let is_whole = mtime.nanoseconds == 0;
    let fits = u64::try_from(mtime.seconds).is_ok_and(|seconds| seconds <= MAX_OCTAL);
    number(b"mtime", is_whole && fits, time(*mtime));
    for (key, text) in [(&b"path"[..], path), (b"linkpath", link)] {
        if text.len() > NAME {
            records.extend(record(key, text));
        }
    }
    let mut bytes = Vec::new();
    if !records.is_empty() {
        let size = records.len() as u64;
        bytes.extend(block(
            b'x',
            &Entry { path: b"pax".to_vec(), mode: 0o644, size, ..Entry::default() },
        ));
        bytes.extend(&records);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }
    bytes.extend(block(flag(entry.kind), entry));
    bytes
}

/// Seconds since 1970 in decimal, with what follows the second. Source: POSIX pax, "mtime".
fn time(time: Time) -> String {
    // What follows counts upwards, and the sign is the whole number's.
    match (time.seconds, i64::from(time.nanoseconds)) {
        (seconds, 0) => seconds.to_string(),
        (seconds, rest) if seconds < 0 => {
            let whole = format!("{}.{:09}", -(seconds + 1), 1_000_000_000 - rest);
            format!("-{whole}")
        }
        (seconds, rest) => format!("{seconds}.{rest:09}"),
    }
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

fn block(flag: u8, entry: &Entry) -> [u8; BLOCK] {
    let Entry { path, link, .. } = entry;
    let mut block = [0; BLOCK];
    put(&mut block, 0, &path[..path.len().min(NAME)]);
    put(&mut block, 100, format!("{:07o}", entry.mode & 0o7777).as_bytes());
    put(&mut block, 108, format!("{:07o}", entry.uid.min(MAX_ID)).as_bytes());
    put(&mut block, 116, format!("{:07o}", entry.gid.min(MAX_ID)).as_bytes());
    put(&mut block, 124, format!("{:011o}", entry.size.min(MAX_OCTAL)).as_bytes());
    let seconds = u64::try_from(entry.mtime.seconds).unwrap_or(0).min(MAX_OCTAL);
    put(&mut block, 136, format!("{seconds:011o}").as_bytes());
    block[156] = flag;
    put(&mut block, 157, &link[..link.len().min(NAME)]);
    put(&mut block, 257, b"ustar\x0000");
    let (major, minor) = entry.device;
    put(&mut block, 329, format!("{:07o}", major.min(MAX_ID)).as_bytes());
    put(&mut block, 337, format!("{:07o}", minor.min(MAX_ID)).as_bytes());
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
    use crate::{Reader, records};

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
        fn what_an_entry_has_is_read_back(
            mode in 0_u32..0o10000, uid in 0..u32::MAX, gid in 0..u32::MAX,
            seconds in -9_000_000_000_i64..20_000_000_000, nanoseconds in 0_u32..1_000_000_000,
            device in (0_u32..4096, 0_u32..1 << 20),
        ) {
            for nanoseconds in [0, nanoseconds] {
                let (path, kind) = (b"d".to_vec(), Kind::CharDevice);
                let mtime = Time { seconds, nanoseconds };
                let entry = Entry { path, kind, mode, uid, gid, mtime, device, ..Entry::default() };
                proptest::prop_assert_eq!(read(&header_of(&entry)), entry);
            }
        }

        #[test]
        fn a_written_record_is_read_back(key in "[a-zA-Z.]{1,40}", value: Vec<u8>) {
            let bytes = record(key.as_bytes(), &value);
            let found = records(&bytes).next().unwrap().unwrap();
            proptest::prop_assert_eq!((found.key, found.value), (key.as_bytes(), value.as_slice()));
        }
    }
}
