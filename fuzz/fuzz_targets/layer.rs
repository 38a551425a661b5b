//! Layers: the compressed stream, the archive in it, its extended headers and sparse maps.
#![no_main]

use coffer_oci::{Algorithm, Compression};
use coffer_rootfs::Source;
use coffer_rootfs::limits::{Budget, Limits};
use coffer_tar::{Entry, Reader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, blob)) = bytes.split_first() else { return };
    let compression = match first % 3 {
        0 => Compression::None,
        1 => Compression::Gzip,
        _ => Compression::Zstd,
    };
    let limits = Limits { image_size: 64 << 20, ..Limits::default() };
    let budget = Budget::new(limits);
    let size = blob.len() as u64;
    let Ok(source) = Source::new(blob, compression, size, Algorithm::Sha256, &budget) else {
        return;
    };
    let mut reader = Reader::new(source);
    let mut entry = Entry::default();
    while let Ok(true) = reader.next(&mut entry) {
        assert!(!entry.path.is_empty() && !entry.path.contains(&0));
        assert!(entry.mode <= 0o7777 && entry.uid != u32::MAX && entry.gid != u32::MAX);
        let mut end = 0;
        for extent in entry.sparse.iter().flatten() {
            assert!(extent.offset >= end);
            end = extent.offset + extent.length;
            assert!(end <= entry.size);
        }
    }
});
