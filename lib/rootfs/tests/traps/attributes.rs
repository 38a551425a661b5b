//! Owners, modes, times, extended attributes, devices, holes.

use std::os::unix::fs::MetadataExt as _;

use crate::bed::{Bed, is_root};
use crate::common::{Item, file, folder, seal, symlink};

#[test]
fn root_owners_up_to_the_last_one() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let made = bed.make(&[&[
        file("a", "").owner(4_294_967_294, 4_294_967_294),
        folder("b/").owner(4_294_967_294, 65_534),
        symlink("c", "x").owner(4_294_967_294, 65_534),
    ]]);
    for path in ["a", "b", "c"] {
        assert_eq!(made.stat(path).unwrap().st_uid, 4_294_967_294);
    }
    for id in [4_294_967_295_u64, 4_294_967_296, 1 << 31 << 8] {
        let error = bed.refused(&[&[file("a", "").mode(0o4755).owner(id, 0)]]);
        assert!(error.contains("is not below 4294967295"), "{error}");
    }
}

#[test]
fn root_modes_are_exact_whatever_the_umask() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let modes = [0, 0o777, 0o666, 0o7777, 0o4711, 0o2755, 0o1777, 0o200];
    let items: Vec<Item> = modes
        .iter()
        .flat_map(|mode| {
            [
                file(format!("f{mode:o}"), "x").mode(*mode).owner(1, 2),
                folder(format!("d{mode:o}/")).mode(*mode).owner(1, 2),
                file(format!("d{mode:o}/in"), "x").owner(3, 4),
                Item::new(b'6', format!("p{mode:o}")).mode(*mode).owner(1, 2),
            ]
        })
        .collect();
    let made = bed.make(&[&items]);
    for mode in modes {
        for kind in ["f", "d", "p"] {
            let stat = made.stat(&format!("{kind}{mode:o}")).unwrap();
            assert_eq!((stat.st_mode & 0o7777, stat.st_uid, stat.st_gid), (mode, 1, 2), "{kind}");
        }
        // A setgid folder hands its group down only to what is made in it later.
        let inside = made.stat(&format!("d{mode:o}/in")).unwrap();
        assert_eq!((inside.st_uid, inside.st_gid), (3, 4));
    }
}

#[test]
fn root_times_of_all_sizes() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let made = bed.make(&[&[
        folder("d/").mtime(-1),
        file("d/f", "").mtime(-1_000_000),
        file("far", "").mtime(5_000_000_000),
        file("exact", "").pax("mtime", "1234567890.987654321"),
        file("before", "").pax("mtime", "-1.5"),
        symlink("link", "x").pax("mtime", "7000000000.5"),
        file("d/later", "changes the folder's time").mtime(1),
    ]]);
    let time = |path: &str| {
        let stat = made.stat(path).unwrap();
        (stat.st_mtime, stat.st_mtime_nsec)
    };
    assert_eq!(time("d"), (-1, 0));
    assert_eq!(time("d/f"), (-1_000_000, 0));
    assert_eq!(time("far"), (5_000_000_000, 0));
    assert_eq!(time("exact"), (1_234_567_890, 987_654_321));
    assert_eq!(time("before"), (-2, 500_000_000));
    assert_eq!(time("link"), (7_000_000_000, 500_000_000));
    // What no file system holds becomes the nearest that it does.
    assert!(bed.make(&[&[file("f", "").mtime(1 << 60)]]).stat("f").unwrap().st_mtime > 1 << 31);
}

#[test]
fn root_extended_attributes_and_capabilities() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    // vfs_cap_data, version 2: CAP_NET_BIND_SERVICE, effective.
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let made = bed.make(&[&[
        file("f", "x")
            .owner(1, 1)
            .mode(0o4755)
            .xattr("user.binary", b"\0\n=\xff")
            .xattr("security.capability", capability),
        folder("d/").xattr("user.d", "1").xattr("trusted.t", "2"),
        symlink("s", "x").xattr("trusted.s", "3").xattr("user.never", "on a link"),
        file("selinux", "").xattr("security.selinux", "system_u:object_r:bin_t:s0"),
        file("odd", "").xattr("com.apple.quarantine", "x"),
    ]]);
    assert_eq!(made.xattr("f", "user.binary").as_deref(), Some(&b"\0\n=\xff"[..]));
    assert_eq!(made.xattr("f", "security.capability").as_deref(), Some(&capability[..]));
    assert_eq!(made.stat("f").unwrap().st_mode & 0o7777, 0o4755);
    assert_eq!(made.xattr("d", "user.d").as_deref(), Some(&b"1"[..]));
    assert_eq!(made.xattr("d", "trusted.t").as_deref(), Some(&b"2"[..]));
    assert_eq!(made.xattr("selinux", "security.selinux"), None);
    assert_eq!(made.report.xattrs_left_out, 2, "user.* on a link, and one of another system");
}

#[test]
fn root_devices_are_made_for_root() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let made = bed.make(&[&[
        Item::new(b'3', "null").device(1, 3).mode(0o666).owner(0, 5),
        Item::new(b'4', "disk").device(8, 300).mode(0o660),
        Item::new(b'6', "pipe").mode(0o600),
    ]]);
    let null = made.stat("null").unwrap();
    assert_eq!(
        (null.st_mode, null.st_rdev, null.st_gid),
        (0o020_666, rustix::fs::makedev(1, 3), 5)
    );
    assert_eq!(made.stat("disk").unwrap().st_rdev, rustix::fs::makedev(8, 300));
    assert_eq!(made.stat("pipe").unwrap().st_mode, 0o010_600);
    assert_eq!(made.report.devices_left_out, 0);
}

#[test]
fn root_holes_stay_holes() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let mut data = b"2\n4096\n3\n104857600\n4\n".to_vec();
    data.resize(512, 0);
    data.extend(b"abcdefg");
    let sparse = file("GNUSparseFile.0/f", &data)
        .pax("GNU.sparse.major", "1")
        .pax("GNU.sparse.minor", "0")
        .pax("GNU.sparse.name", "f")
        .pax("GNU.sparse.realsize", "209715200");
    let made = bed.make(&[&[sparse.clone(), file("next", "1")]]);
    let found = made.root().resolve(b"f", coffer_rootfs::LastLink::Follow).unwrap();
    let Some((_, coffer_rootfs::Node::Leaf(leaf))) = found else { panic!("no file") };
    let f = leaf.open().unwrap();
    assert_eq!(f.metadata().unwrap().len(), 209_715_200);
    assert!(f.metadata().unwrap().blocks() * 512 < 1 << 20);
    let mut bytes = [0; 5];
    std::os::unix::fs::FileExt::read_exact_at(&f, &mut bytes, 104_857_599).unwrap();
    assert_eq!(&bytes, b"\0defg");
    // A hole counts for the limit of what it pretends to be.
    let huge = Item { pax: Vec::new(), ..sparse }
        .pax("GNU.sparse.major", "1")
        .pax("GNU.sparse.minor", "0")
        .pax("GNU.sparse.realsize", (1_u64 << 62).to_string());
    let error = bed.refused(&[&[huge]]);
    assert!(error.contains("--max-image-size"), "{error}");
}

#[test]
fn root_gnu_sparse_files() {
    if !is_root() {
        return;
    }
    let mut block = Item::new(b'S', "f").size(3).header();
    block[257..265].copy_from_slice(b"ustar  \0");
    block[345..500].fill(0);
    for (at, number) in [(386, "100"), (398, "3"), (483, "1000")] {
        block[at..at + number.len()].copy_from_slice(number.as_bytes());
    }
    seal(&mut block);
    let mut blob = block.to_vec();
    blob.extend(b"abc");
    blob.resize(1024 + 1024, 0);
    let bed = Bed::new();
    let digest = coffer_oci::Digest::of(&blob);
    let image = bed.image_of(&[(blob, coffer_oci::MediaType::OCI_LAYER, digest)]);
    let made = bed.ensure(&image, &Default::default()).unwrap();
    let text = made.read("f").unwrap();
    assert_eq!((text.len(), text.trim_matches('\0')), (0o1000, "abc"));
}

#[test]
fn root_a_pax_size_is_the_size() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let inner = crate::common::archive(&[file("smuggled", "")]);
    let outer = file("outer", &inner).size(0).pax("size", inner.len().to_string());
    let made = bed.make(&[&[outer, file("after", "")]]);
    assert_eq!(made.list(), ["/after leaf 644 0:0", "/outer leaf 644 0:0"]);
}
