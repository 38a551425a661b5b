//! What the reader of archives gives for each kind of entry, and what it refuses.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "common/mod.rs"]
mod common;

use coffer_oci::{Algorithm, Compression, Digest};
use coffer_rootfs::limits::{Budget, Limits};
use coffer_rootfs::{Source, SourceError};
use coffer_tar::{Entry, Extent, Kind, Reader, Time};
use common::{Item, archive, file, folder, hard_link, seal, symlink};

type TarError = coffer_tar::TarError<SourceError>;
type Read = (Vec<(Entry, Vec<u8>)>, Digest);

fn read(bytes: &[u8]) -> Result<Read, TarError> {
    let budget = Budget::new(Limits::default());
    let size = bytes.len() as u64;
    let source = Source::new(bytes, Compression::None, size, Algorithm::Sha256, &budget)?;
    let mut reader = Reader::new(source);
    let (mut all, mut entry) = (Vec::new(), Entry::default());
    while reader.next(&mut entry)? {
        let mut data = Vec::new();
        loop {
            let chunk = reader.chunk()?;
            if chunk.is_empty() {
                break;
            }
            data.extend_from_slice(chunk);
            let count = chunk.len();
            reader.advance(count);
        }
        all.push((entry.clone(), data));
    }
    Ok((all, reader.into_inner().finish()?))
}

fn one(item: &Item) -> Result<(Entry, Vec<u8>), TarError> {
    read(&archive(std::slice::from_ref(item))).map(|(mut all, _)| all.remove(0))
}

#[test]
fn entries_of_each_kind() {
    let items = [
        folder("a/").mode(0o40755),
        file("a/f", "hello").owner(7, 8).mode(0o104_755).mtime(-5),
        symlink("a/s", "/etc/passwd"),
        hard_link("a/h", "a/f").size(5),
        Item::new(b'3', "a/c").device(1, 3),
        Item::new(b'6', "a/p"),
    ];
    let (all, digest) = read(&archive(&items)).unwrap();
    assert_eq!(digest, Digest::of(&archive(&items)));
    let kinds: Vec<Kind> = all.iter().map(|(entry, _)| entry.kind).collect();
    let expected =
        [Kind::Folder, Kind::File, Kind::Symlink, Kind::HardLink, Kind::CharDevice, Kind::Fifo];
    assert_eq!(kinds, expected);
    let (entry, data) = &all[1];
    assert_eq!((entry.mode, entry.uid, entry.gid, entry.mtime.seconds), (0o4755, 7, 8, -5));
    assert_eq!(data, b"hello");
    assert_eq!(all[2].0.link, b"/etc/passwd");
    assert_eq!(all[4].0.device, (1, 3));
}

#[test]
fn a_pax_size_beats_the_header() {
    // CVE-2025-62518: a reader that takes the header's size reads the data as entries.
    let inner = archive(&[file("smuggled", "")]);
    let outer = file("outer", &inner).size(0).pax("size", inner.len().to_string());
    let (all, _) = read(&archive(&[outer, file("after", "")])).unwrap();
    let paths: Vec<&[u8]> = all.iter().map(|(entry, _)| entry.path.as_slice()).collect();
    assert_eq!(paths, [b"outer".as_slice(), b"after"]);
    assert_eq!(all[0].1, inner);
}

#[test]
fn gnu_long_names_beat_pax() {
    let long = "x/".repeat(200) + "end";
    let link = "y/".repeat(200) + "end";
    let mut bytes = Item::new(b'L', "././@LongLink").data(format!("{long}\0")).bytes();
    bytes.extend(Item::new(b'K', "././@LongLink").data(format!("{link}\0")).bytes());
    bytes.extend(symlink("cut", "cut").pax("path", "no").pax("mtime", "12.5").bytes());
    bytes.extend([0; 1024]);
    let (all, _) = read(&bytes).unwrap();
    assert_eq!(all[0].0.path, long.as_bytes());
    assert_eq!(all[0].0.link, link.as_bytes());
    assert_eq!(all[0].0.mtime, Time { seconds: 12, nanoseconds: 500_000_000 });
}

#[test]
fn prefixes_and_old_headers() {
    let mut block = file("name", "").header();
    block[345..351].copy_from_slice(b"prefix");
    seal(&mut block);
    assert_eq!(read(&block).unwrap().0[0].0.path, b"prefix/name");
    block[257..265].copy_from_slice(b"ustar  \0");
    seal(&mut block);
    assert_eq!(read(&block).unwrap().0[0].0.path, b"name");
    let mut block = Item::new(0, "old/").header();
    block[257..512].fill(0);
    seal(&mut block);
    assert_eq!(read(&block).unwrap().0[0].0.kind, Kind::Folder);
}

#[test]
fn ids_are_what_chown_can_take() {
    let (entry, _) = one(&file("f", "").owner(4_294_967_294, 0o7_777_777)).unwrap();
    assert_eq!((entry.uid, entry.gid), (4_294_967_294, 0o7_777_777));
    for id in [4_294_967_295_u64, 4_294_967_296, 1 << 40] {
        assert!(matches!(one(&file("f", "").owner(id, 0)), Err(TarError::Id { .. })), "{id}");
        let pax = file("f", "").pax("gid", id.to_string());
        assert!(matches!(one(&pax), Err(TarError::Id { .. })), "{id}");
    }
    assert!(one(&file("f", "").pax("uid", "-1")).is_err());
    assert!(one(&file("f", "").pax("uid", "99999999999999999999")).is_err());
}

#[test]
fn global_headers_change_nothing() {
    let global = Item::new(b'g', "pax_global_header").data("14 path=other\n");
    let (all, _) = read(&archive(&[global, file("f", "1")])).unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].0.path, b"f");
}

#[test]
fn attributes_are_any_bytes_and_the_last_wins() {
    let item = file("f", "").xattr("user.a", b"1").xattr("user.b", b"\0\n=").xattr("user.a", b"2");
    let (entry, _) = one(&item).unwrap();
    let expected = [(b"user.b".to_vec(), b"\0\n=".to_vec()), (b"user.a".to_vec(), b"2".to_vec())];
    assert_eq!(entry.xattrs, expected);
    // An empty one is none, as in Go: docker and podman give the same file.
    let (entry, _) = one(&item.xattr("user.a", b"")).unwrap();
    assert_eq!(entry.xattrs, expected[..1]);
}

#[test]
fn names_without_nul() {
    assert!(matches!(one(&file("", "")), Err(TarError::Name { .. })));
    assert!(matches!(one(&file("f", "").pax("path", b"a\0b")), Err(TarError::Name { .. })));
    assert!(matches!(one(&symlink("f", "")), Err(TarError::Name { .. })));
    assert_eq!(one(&file(b"\xff\n", "")).unwrap().0.path, b"\xff\n");
}

#[test]
fn what_is_no_file_is_refused() {
    for flag in [b'V', b'M', b'D', b'N', b'X', b'A', 0xff] {
        assert!(matches!(one(&Item::new(flag, "f")), Err(TarError::Type { .. })));
    }
}

#[test]
fn pax_1_0_sparse_files() {
    let map = b"2\n0\n3\n1000\n4\n";
    let mut data = map.to_vec();
    data.resize(512, 0);
    data.extend(b"abcdefg");
    let item = file("GNUSparseFile.1/f", &data)
        .pax("GNU.sparse.major", "1")
        .pax("GNU.sparse.minor", "0")
        .pax("GNU.sparse.name", "f")
        .pax("GNU.sparse.realsize", "5000");
    let (entry, data) = one(&item).unwrap();
    assert_eq!((entry.path.as_slice(), entry.size), (b"f".as_slice(), 5000));
    assert_eq!(entry.sparse.unwrap()[1], Extent { offset: 1000, length: 4 });
    assert_eq!(data, b"abcdefg");
    let lies = Item { pax: vec![(b"GNU.sparse.map".to_vec(), b"0,3".to_vec())], ..item.clone() };
    assert!(matches!(one(&lies), Err(TarError::Sparse { .. })));
    let short = Item { data: map.to_vec(), ..item };
    assert!(matches!(one(&short), Err(TarError::Sparse { .. })));
}

#[test]
fn old_gnu_sparse_files() {
    let mut block = Item::new(b'S', "f").size(6).header();
    block[257..265].copy_from_slice(b"ustar  \0");
    block[345..500].fill(0);
    for (at, number) in [(386, "0"), (398, "2"), (483, "4000")] {
        block[at..at + number.len()].copy_from_slice(number.as_bytes());
    }
    block[482] = 1;
    seal(&mut block);
    let mut more = [0_u8; 512];
    more[..3].copy_from_slice(b"100");
    more[12..13].copy_from_slice(b"4");
    let mut bytes = [block, more].concat();
    bytes.extend(b"abcdef");
    bytes.resize(3 * 512, 0);
    let (all, _) = read(&bytes).unwrap();
    assert_eq!((all[0].0.size, all[0].1.as_slice()), (0o4000, b"abcdef".as_slice()));
    let expected = [Extent { offset: 0, length: 2 }, Extent { offset: 0o100, length: 4 }];
    assert_eq!(all[0].0.sparse.as_deref(), Some(expected.as_slice()));
}

#[test]
fn damage_is_found() {
    let good = archive(&[file("f", vec![1; 1000])]);
    assert!(matches!(read(&good[..600]), Err(TarError::Truncated { at: 0 })));
    assert!(matches!(read(&good[..100]), Err(TarError::Truncated { .. })));
    let mut bad = good.clone();
    bad[0] = b'g';
    assert!(matches!(read(&bad), Err(TarError::Checksum { at: 0 })));
    let mut single = good[..1536].to_vec();
    single.extend([0; 512]);
    single.extend(file("hidden", "").bytes());
    assert!(matches!(read(&single), Err(TarError::Checksum { at: 2048 })));
    assert!(read(&good[..1536]).is_ok(), "an archive may lack its end");
    assert!(read(b"").unwrap().0.is_empty());
}

#[test]
fn extended_headers_are_bounded() {
    let item = Item::new(b'x', "x").size(1 << 30);
    let error = read(&item.header()).unwrap_err();
    assert!(matches!(error, TarError::ExtendedSize { .. }), "{error}");
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused(bytes: Vec<u8>, flag: u8, size in 0_u64..5000) {
        let mut block = Item::new(flag, "f").size(size).header();
        for (at, byte) in bytes.iter().enumerate().take(512) {
            block[(at * 7) % 512] ^= byte;
        }
        seal(&mut block);
        let whole = [block.as_slice(), &bytes].concat();
        if let Ok((all, _)) = read(&whole) {
            let data: usize = all.iter().map(|(_, data)| data.len()).sum();
            proptest::prop_assert!(data <= whole.len());
        }
    }

    #[test]
    fn what_was_written_is_read(
        path in "[^\0]{1,300}",
        data: Vec<u8>,
        mode in 0_u32..0o10000,
        uid in 0_u64..u64::from(u32::MAX),
        mtime in -(1_i64 << 40)..(1 << 40),
    ) {
        let item = file(&path, &data).mode(mode).owner(uid, 5).mtime(mtime);
        let (entry, read) = one(&item).unwrap();
        proptest::prop_assert_eq!(entry.path, path.as_bytes());
        proptest::prop_assert_eq!((entry.mode, u64::from(entry.uid)), (mode, uid));
        proptest::prop_assert_eq!(entry.mtime.seconds, mtime);
        proptest::prop_assert_eq!(read, data);
    }
}
