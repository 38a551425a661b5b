//! Archives and blobs for the tests, hostile ones included. Nothing here checks what it writes.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

use std::io::Write;

/// One entry to write.
#[derive(Clone, Debug)]
pub struct Item {
    pub path: Vec<u8>,
    pub flag: u8,
    pub link: Vec<u8>,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub mtime: i64,
    pub data: Vec<u8>,
    pub device: (u32, u32),
    pub pax: Vec<(Vec<u8>, Vec<u8>)>,
    /// What the size field says, where it is not the length of the data.
    pub size: Option<u64>,
}

impl Item {
    pub fn new(flag: u8, path: impl AsRef<[u8]>) -> Self {
        Self {
            path: path.as_ref().to_vec(),
            flag,
            link: Vec::new(),
            mode: if flag == b'5' { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            mtime: 1_000_000_000,
            data: Vec::new(),
            device: (0, 0),
            pax: Vec::new(),
            size: None,
        }
    }

    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    pub fn owner(mut self, uid: u64, gid: u64) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    pub fn mtime(mut self, mtime: i64) -> Self {
        self.mtime = mtime;
        self
    }

    pub fn data(mut self, data: impl AsRef<[u8]>) -> Self {
        self.data = data.as_ref().to_vec();
        self
    }

    pub fn link(mut self, link: impl AsRef<[u8]>) -> Self {
        self.link = link.as_ref().to_vec();
        self
    }

    pub fn device(mut self, major: u32, minor: u32) -> Self {
        self.device = (major, minor);
        self
    }

    pub fn size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    pub fn pax(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.pax.push((key.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    pub fn xattr(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.pax(format!("SCHILY.xattr.{name}"), value)
    }

    /// The header block. Numbers that do not fit are written in base 256.
    pub fn header(&self) -> [u8; 512] {
        let mut block = [0_u8; 512];
        put(&mut block[0..100], &self.path);
        number(&mut block[100..108], i128::from(self.mode));
        number(&mut block[108..116], i128::from(self.uid));
        number(&mut block[116..124], i128::from(self.gid));
        let size = self.size.unwrap_or(self.data.len() as u64);
        number(&mut block[124..136], i128::from(size));
        number(&mut block[136..148], i128::from(self.mtime));
        block[156] = self.flag;
        put(&mut block[157..257], &self.link);
        block[257..265].copy_from_slice(b"ustar\x0000");
        number(&mut block[329..337], i128::from(self.device.0));
        number(&mut block[337..345], i128::from(self.device.1));
        seal(&mut block);
        block
    }

    /// The whole entry. Long names and targets go into pax records.
    pub fn bytes(&self) -> Vec<u8> {
        let mut item = self.clone();
        if self.path.len() > 100 {
            item = item.pax("path", &self.path);
        }
        if self.link.len() > 100 {
            item = item.pax("linkpath", &self.link);
        }
        let mut bytes = Vec::new();
        if !item.pax.is_empty() {
            let records: Vec<u8> =
                item.pax.iter().flat_map(|(key, value)| pax_record(key, value)).collect();
            bytes.extend(Self::new(b'x', "PaxHeaders/x").data(records).bytes());
        }
        bytes.extend(item.header());
        bytes.extend(&item.data);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

pub fn file(path: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> Item {
    Item::new(b'0', path).data(data)
}

pub fn folder(path: impl AsRef<[u8]>) -> Item {
    Item::new(b'5', path)
}

pub fn symlink(path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Item {
    Item::new(b'2', path).link(target).mode(0o777)
}

pub fn hard_link(path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Item {
    Item::new(b'1', path).link(target)
}

/// The entries and the two zero blocks at the end.
pub fn archive(items: &[Item]) -> Vec<u8> {
    let mut bytes: Vec<u8> = items.iter().flat_map(Item::bytes).collect();
    bytes.extend([0; 1024]);
    bytes
}

pub fn pax_record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let body = key.len() + value.len() + 3;
    let mut length = body + 1;
    while body + length.to_string().len() != length {
        length = body + length.to_string().len();
    }
    [format!("{length} ").as_bytes(), key, b"=", value, b"\n"].concat()
}

/// Writes the checksum.
pub fn seal(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    put(&mut block[148..156], format!("{sum:06o}\0 ").as_bytes());
}

fn put(field: &mut [u8], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

fn number(field: &mut [u8], value: i128) {
    let width = field.len() - 1;
    let octal = format!("{value:0width$o}");
    if value >= 0 && octal.len() == width {
        put(field, octal.as_bytes());
        return;
    }
    let bytes = value.to_be_bytes();
    let length = field.len();
    field.copy_from_slice(&bytes[16 - length..]);
    field[0] |= 0x80;
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 1).unwrap()
}
