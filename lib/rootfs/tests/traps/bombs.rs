//! Layers that cost more than they weigh. Each error names the flag that allows it.

use coffer_oci::{Digest, MediaType};
use coffer_rootfs::limits::Limits;

use crate::bed::{Bed, chain, is_root};
use crate::common::{Item, file, folder, zstd};

fn refused(limits: Limits, layers: &[&[Item]]) -> String {
    let bed = Bed::new();
    let image = bed.image(layers);
    chain(&bed.ensure(&image, &limits).err().expect("it should have been refused"))
}

#[test]
fn root_each_limit_has_its_flag() {
    if !is_root() {
        return;
    }
    let many: Vec<Item> = (0..11).map(|n| file(format!("f{n}"), "")).collect();
    let base = Limits::default;
    for (limits, items, flag) in [
        (
            Limits { image_size: 20_000, ..base() },
            vec![file("f", vec![1; 20_000])],
            "--max-image-size",
        ),
        (Limits { entries: 10, ..base() }, many, "--max-image-entries"),
        (Limits { path_depth: 3, ..base() }, vec![folder("a/b/c/d/")], "--max-path-depth"),
        (Limits { path_bytes: 10, ..base() }, vec![file("a/bbbbbbbbb", "")], "--max-path-bytes"),
        (
            Limits { xattr_bytes: 10, ..base() },
            vec![file("f", "").xattr("user.a", "12345")],
            "--max-xattr-bytes",
        ),
    ] {
        let error = refused(limits, &[&items]);
        assert!(error.contains(flag), "{error}");
    }
}

#[test]
fn root_layers_are_counted_together() {
    if !is_root() {
        return;
    }
    let layer = |name: &str| vec![file(name, vec![7; 60_000])];
    let (a, b) = (layer("a"), layer("b"));
    let error = refused(Limits { image_size: 100_000, ..Limits::default() }, &[&a, &b]);
    assert!(error.contains("--max-image-size"), "{error}");
}

#[test]
fn root_gigabytes_of_zeros_in_kilobytes() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let mut blob = file("zeros", "").size(1 << 30).header().to_vec();
    blob.resize(512 + (1 << 30) + 1024, 0);
    let compressed = zstd(&blob);
    let image = bed.image_of(&[(compressed, MediaType::OCI_LAYER_ZSTD, Digest::of(&blob))]);
    let error = chain(&bed.ensure(&image, &Limits::default()).err().unwrap());
    assert!(error.contains("--max-image-ratio"), "{error}");
    let names = coffer_sys::dir::open(&bed.data().join("layers")).unwrap();
    let names = coffer_sys::dir::entries(std::os::fd::AsFd::as_fd(&names)).unwrap();
    assert!(names.iter().all(|entry| entry.name == "empty"), "{names:?}");
}
