//! Hard links within a layer, to lower layers, and out of the tree.

use crate::bed::{Bed, is_root};
use crate::common::{Item, file, folder, hard_link, symlink};

#[test]
fn root_links_within_a_layer_share_the_inode() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let made = bed.make(&[&[
        folder("a/"),
        file("a/f", "1"),
        hard_link("g", "a/f"),
        hard_link("h", "/a/./f"),
        symlink("s", "a"),
        hard_link("i", "s/f"),
        hard_link("t", "s"),
        hard_link("a/f", "g"),
    ]]);
    let inode = |path| made.stat(path).unwrap().st_ino;
    for path in ["g", "h", "i"] {
        assert_eq!(inode(path), inode("a/f"), "{path}");
    }
    assert_eq!(inode("t"), inode("s"), "a link to a symbolic link is the link itself");
    assert_eq!(made.stat("g").unwrap().st_nlink, 4);
}

#[test]
fn root_a_link_to_a_lower_layer_copies_it_up() {
    if !is_root() {
        return;
    }
    // podman fails on such a layer.
    let bed = Bed::new();
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let lower = [
        folder("d/").mode(0o750).owner(3, 3),
        file("d/f", "content")
            .mode(0o4755)
            .owner(1, 2)
            .mtime(12)
            .xattr("user.x", "v")
            .xattr("security.capability", capability),
        symlink("link", "d"),
        symlink("s", "anywhere").owner(6, 6).mtime(13),
        Item::new(b'6', "p").mode(0o640).owner(7, 7),
    ];
    let upper = [
        hard_link("g", "link/f"),
        hard_link("h", "g"),
        hard_link("t", "s"),
        hard_link("q", "p"),
        file("d/after", "2"),
    ];
    let made = bed.make(&[&lower, &[], &upper]);
    let (f, g) = (made.stat("d/f").unwrap(), made.stat("g").unwrap());
    assert_eq!((f.st_ino, f.st_nlink), (g.st_ino, 3));
    assert_eq!((g.st_mode & 0o7777, g.st_uid, g.st_gid, g.st_mtime), (0o4755, 1, 2, 12));
    assert_eq!(made.read("h").as_deref(), Some("content"));
    assert_eq!(made.xattr("g", "user.x").as_deref(), Some(&b"v"[..]));
    assert_eq!(made.xattr("g", "security.capability").as_deref(), Some(&capability[..]));
    let d = made.stat("d").unwrap();
    assert_eq!((d.st_mode & 0o7777, d.st_uid), (0o750, 3));
    let t = made.stat("t").unwrap();
    assert_eq!((t.st_uid, t.st_mtime, t.st_ino), (6, 13, made.stat("s").unwrap().st_ino));
    let q = made.stat("q").unwrap();
    assert_eq!((q.st_uid, q.st_mode & 0o7777, q.st_nlink), (7, 0o640, 2));
}

#[test]
fn root_a_link_to_nothing_is_refused() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let lower: &[Item] = &[folder("d/"), file("d/f", "1"), file("e", "1")];
    for (upper, why) in [
        (vec![hard_link("g", "missing")], "no such file"),
        (vec![hard_link("g", "d")], "no such file"),
        (vec![hard_link("g", "/")], "is a folder"),
        (vec![folder("x/"), hard_link("g", "x")], "is a folder"),
        (vec![folder("x/"), file("x/y", ""), hard_link("x", "x/y")], "no such file"),
        (vec![file("d/.wh..wh..opq", ""), hard_link("g", "d/f")], "no such file"),
        (vec![file(".wh.d", ""), hard_link("g", "d/f")], "no such file"),
        (vec![file(".wh..wh..opq", ""), hard_link("g", "e")], "no such file"),
        (vec![symlink("d", "/x"), hard_link("g", "d/f")], "behind a symbolic link"),
    ] {
        let error = bed.refused(&[lower, &upper]);
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn root_no_link_leads_out_of_the_tree() {
    if !is_root() {
        return;
    }
    // Python's `tar` filter linked a host's file.
    let bed = Bed::new();
    let outside = tempfile::NamedTempFile::new().unwrap();
    let path = outside.path().to_str().unwrap();
    let parent = outside.path().parent().unwrap().to_str().unwrap();
    let name = outside.path().file_name().unwrap().to_str().unwrap();
    for (items, why) in [
        (vec![hard_link("g", path)], "no such file"),
        (vec![hard_link("g", format!("{}{path}", "../".repeat(30)))], "\"..\""),
        (vec![symlink("l", parent), hard_link("g", format!("l/{name}"))], "behind a symbolic link"),
        (vec![hard_link("g", "/proc/self/exe")], "no such file"),
    ] {
        let error = bed.refused(&[&items]);
        assert!(error.contains(why), "{error}");
    }
    // A symbolic link itself may be linked; nobody follows it.
    let made = bed.make(&[&[symlink("l", path), hard_link("g", "l"), file("g", "new")]]);
    assert_eq!(made.read("g").as_deref(), Some("new"));
    assert_eq!(outside.as_file().metadata().unwrap().len(), 0);
    assert_eq!(rustix::fs::fstat(outside.as_file()).unwrap().st_nlink, 1);
}
