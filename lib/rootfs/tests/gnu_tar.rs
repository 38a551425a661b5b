//! What GNU tar writes, in each of its formats, comes out as the tree that it read.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "folders and files of the test's own, by path")]

#[path = "common/bed.rs"]
mod bed;
#[path = "common/mod.rs"]
mod common;

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use bed::{Bed, Made, is_root};
use coffer_oci::{Digest, MediaType};
use coffer_rootfs::limits::Limits;

/// A tree with what the formats tell differently.
fn tree(top: &Path) {
    let long = top.join("l".repeat(120)).join("m".repeat(200));
    std::fs::create_dir_all(&long).unwrap();
    std::fs::write(long.join("n".repeat(99)), "long").unwrap();
    std::fs::write(top.join("plain"), vec![7; 100_000]).unwrap();
    std::fs::write(top.join("empty"), "").unwrap();
    std::fs::write(top.join(std::ffi::OsStr::from_bytes(b"\xff\xfe\n")), "odd").unwrap();
    std::fs::hard_link(top.join("plain"), top.join("z-link")).unwrap();
    symlink("t".repeat(300), top.join("far")).unwrap();
    symlink("plain", top.join("near")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, top.join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    std::os::unix::fs::chown(top.join("empty"), Some(1_500_000), Some(33)).unwrap();
    std::fs::set_permissions(
        top.join("empty"),
        std::os::unix::fs::PermissionsExt::from_mode(0o6711),
    )
    .unwrap();
    let sparse = std::fs::File::create(top.join("sparse")).unwrap();
    for at in 0..40 {
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"data", at << 20).unwrap();
    }
    sparse.set_len(50 << 20).unwrap();
    let time = |seconds, nanos| std::time::UNIX_EPOCH + std::time::Duration::new(seconds, nanos);
    sparse.set_modified(time(5_000_000_000, 0)).unwrap();
    std::fs::File::open(top.join("plain"))
        .unwrap()
        .set_modified(time(1_234_567_890, 123_456_789))
        .unwrap();
    std::fs::File::open(&long).unwrap().set_modified(time(77, 0)).unwrap();
}

fn paths(top: &Path, at: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(at).unwrap() {
        let entry = entry.unwrap();
        all.push(entry.path().strip_prefix(top).unwrap().to_owned());
        if entry.file_type().unwrap().is_dir() {
            paths(top, &entry.path(), all);
        }
    }
}

fn same(top: &Path, made: &Path, nanoseconds: bool) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    paths(made, made, &mut ours);
    paths(top, top, &mut theirs);
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    for path in theirs {
        let (a, b) = (top.join(&path), made.join(&path));
        let (x, y) = (a.symlink_metadata().unwrap(), b.symlink_metadata().unwrap());
        let facts =
            |m: &std::fs::Metadata| (m.mode(), m.uid(), m.gid(), m.size(), m.mtime(), m.nlink());
        // Folders have sizes of their own on each file system.
        if !x.is_dir() {
            assert_eq!(facts(&x), facts(&y), "{}", path.display());
        }
        assert_eq!((x.mode(), x.mtime()), (y.mode(), y.mtime()), "{}", path.display());
        if nanoseconds {
            assert_eq!(x.mtime_nsec(), y.mtime_nsec(), "{}", path.display());
        }
        if x.is_file() {
            assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
        }
        if x.is_symlink() {
            assert_eq!(std::fs::read_link(&a).unwrap(), std::fs::read_link(&b).unwrap());
        }
    }
}

fn unpack(bed: &Bed, archive: Vec<u8>) -> (Made, PathBuf) {
    let digest = Digest::of(&archive);
    let image = bed.image_of(&[(archive, MediaType::OCI_LAYER, digest.clone())]);
    let made = bed.ensure(&image, &Limits::default()).unwrap();
    let path = bed.data().join("layers").join(digest.hex()).join("tree");
    (made, path)
}

#[test]
fn root_every_format_of_gnu_tar() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().join("top");
    std::fs::create_dir(&top).unwrap();
    tree(&top);
    for (format, flags) in [
        ("gnu", &["--sparse"][..]),
        ("gnu", &[]),
        ("pax", &["--sparse", "--sparse-version=1.0"]),
        ("pax", &["--xattrs"]),
        ("oldgnu", &["--sparse"]),
    ] {
        let output = Command::new("tar")
            .args(["--create", "--format", format, "--numeric-owner"])
            .args(flags)
            .arg("-C")
            .arg(&top)
            .arg(".")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let bed = Bed::new();
        let (made, path) = unpack(&bed, output.stdout);
        assert_eq!(made.report.xattrs_left_out, 0);
        same(&top, &path, format == "pax");
        let blocks = path.join("sparse").symlink_metadata().unwrap().blocks();
        assert_eq!(blocks < 4096, flags.contains(&"--sparse"), "{format}: {blocks} blocks");
    }
}
