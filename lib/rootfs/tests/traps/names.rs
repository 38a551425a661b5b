//! Odd names and odd roots.

use crate::bed::{Bed, is_root};
use crate::common::{Item, archive, file, folder, hard_link, symlink};

#[test]
fn root_any_bytes_are_a_name() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let long = "n".repeat(255);
    let deep: String = (0..16).map(|_| format!("{}/", "d".repeat(250))).collect();
    let made = bed.make(&[&[
        file(b"\xff\xfe", "1"),
        file("new\nline", "1"),
        file("\u{1b}[31m", "1"),
        file(" ", "1"),
        file("-rf", "1"),
        file("a\\b", "1"),
        file(&long, "1"),
        file(format!("{deep}f"), "deep"),
        symlink("l", "x".repeat(4000)),
    ]]);
    let names = made.root().names().unwrap();
    for name in
        [&b"\xff\xfe"[..], b"new\nline", b"\x1b[31m", b" ", b"-rf", b"a\\b", long.as_bytes()]
    {
        assert!(names.contains(name), "{}", name.escape_ascii());
    }
    assert_eq!(made.read(&format!("{deep}f")).as_deref(), Some("deep"));
}

#[test]
fn root_names_that_no_file_can_have_are_refused() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let error = bed.refused(&[&[file("n".repeat(256), "")]]);
    assert!(error.contains("longer than 255 bytes"), "{error}");
    let error = bed.refused(&[&[file("a\0b", "").pax("path", b"a\0b")]]);
    assert!(error.contains("NUL"), "{error}");
    let error = bed.refused(&[&[file("x/".repeat(2100), "")]]);
    assert!(error.contains("--max-path-"), "{error}");
}

#[test]
fn root_no_name_climbs() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    for path in ["../f", "a/../../f", "a/..", "..", "/../f", "./../f", "a/../f"] {
        for item in [file(path, "x"), folder(path), symlink(path, "x")] {
            let error = bed.refused(&[&[folder("a/"), item]]);
            assert!(error.contains("\"..\""), "{error}");
        }
    }
    let made = bed.make(&[&[
        file("/abs/f", "1"),
        file("//two", "1"),
        file("./a/./b", "1"),
        file("..a/...", "1"),
    ]]);
    for path in ["abs/f", "two", "a/b", "..a/..."] {
        assert!(made.has(path), "{path}");
    }
}

#[test]
fn root_the_root_is_a_folder() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    for name in [".", "/", "./", "//", "./."] {
        let made = bed.make(&[&[folder(name).mode(0o711).owner(1, 1)]]);
        let root = rustix::fs::fstat(made.root().top()).unwrap();
        assert_eq!((root.st_mode & 0o7777, root.st_uid), (0o711, 1), "{name}");
        for item in
            [file(name, "x"), symlink(name, "/etc"), hard_link(name, "f"), Item::new(b'6', name)]
        {
            let error = bed.refused(&[&[file("f", ""), item]]);
            assert!(error.contains("makes the root a"), "{error}");
        }
    }
}

#[test]
fn root_a_layer_that_is_not_what_the_configuration_says_is_refused() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let blob = archive(&[file("f", "1")]);
    let other = coffer_oci::Digest::of(b"other");
    let image = bed.image_of(&[(blob, coffer_oci::MediaType::OCI_LAYER, other)]);
    let error = bed.ensure(&image, &Default::default()).err().unwrap();
    let error = crate::bed::chain(&error);
    assert!(error.contains("but the image's configuration says"), "{error}");
    assert!(bed.layers().stack(&image.config).unwrap().is_none());
}

#[test]
fn root_what_follows_the_archive_counts_for_its_digest_alone() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let mut blob = archive(&[file("f", "1")]);
    blob.extend(archive(&[file("hidden", "1")]));
    let digest = coffer_oci::Digest::of(&blob);
    let compressed = crate::common::gzip(&blob);
    let image = bed.image_of(&[(compressed, coffer_oci::MediaType::OCI_LAYER_GZIP, digest)]);
    let made = bed.ensure(&image, &Default::default()).unwrap();
    assert_eq!(made.list(), ["/f leaf 644 0:0"]);
}
