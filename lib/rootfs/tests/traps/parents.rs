//! Parents that are links, are replaced, or are missing.

use crate::bed::{Bed, is_root};
use crate::common::{Item, file, folder, symlink};

#[test]
fn root_a_parent_of_a_lower_layer_that_is_a_link_is_replaced() {
    if !is_root() {
        return;
    }
    // GNU tar writes through the link, out of the tree. podman makes a folder, as we do.
    let bed = Bed::new();
    let outside = tempfile::tempdir().unwrap();
    let made = bed.make(&[
        &[symlink("dir", outside.path().to_str().unwrap())],
        &[file("dir/f", "2"), folder("dir/sub/")],
    ]);
    assert_eq!(
        made.list(),
        ["/dir folder 755 0:0", "/dir/f leaf 644 0:0", "/dir/sub folder 755 0:0"]
    );
    assert_eq!(outside.path().read_dir().unwrap().count(), 0);
}

#[test]
fn root_a_parent_of_the_same_layer_that_is_a_link_leads_within_the_tree() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let made = bed.make(&[&[
        folder("usr/"),
        folder("usr/lib/"),
        symlink("lib", "usr/lib"),
        symlink("abs", "/usr/../../../lib"),
        file("lib/a", "1"),
        file("abs/b", "1"),
        folder("lib/c/").mode(0o700),
        file("abs/c/d", "1"),
    ]]);
    assert_eq!(
        made.list(),
        [
            "/abs -> /usr/../../../lib",
            "/lib -> usr/lib",
            "/usr folder 755 0:0",
            "/usr/lib folder 755 0:0",
            "/usr/lib/a leaf 644 0:0",
            "/usr/lib/b leaf 644 0:0",
            "/usr/lib/c folder 700 0:0",
            "/usr/lib/c/d leaf 644 0:0",
        ]
    );
}

#[test]
fn root_a_link_out_of_the_tree_leads_nowhere() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().to_str().unwrap();
    let up = format!("{}{target}", "../".repeat(40));
    for target in [target, &up, "/proc/self/root/tmp", "missing"] {
        for inside in [file("dir/f", "x"), file("dir/sub/f", "x"), folder("dir/sub/")] {
            let error = bed.refused(&[&[symlink("dir", target), inside]]);
            assert!(error.contains("behind a symbolic link"), "{error}");
        }
    }
    let error = bed.refused(&[&[symlink("a", "b"), symlink("b", "a"), file("a/f", "")]]);
    assert!(error.contains("too many symbolic links"), "{error}");
    assert_eq!(outside.path().read_dir().unwrap().count(), 0);
}

#[test]
fn root_a_folder_replaced_by_a_link_takes_its_content_along() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("x", outside.path().join("link")).unwrap();
    let target = outside.path().to_str().unwrap();
    // The attributes of the folder must not be given to what the link leads to at the end.
    let items = [
        folder("d/").mode(0o777).owner(5, 5),
        folder("d/e/").mode(0o777).owner(5, 5),
        file("d/e/f", "1"),
        symlink("d", target),
    ];
    let before = rustix::fs::stat(outside.path()).unwrap();
    let made = bed.make(&[&items]);
    assert_eq!(made.list(), [format!("/d -> {target}")]);
    let stat = rustix::fs::stat(outside.path()).unwrap();
    assert_eq!((stat.st_uid, stat.st_mode), (before.st_uid, before.st_mode));
    // And again as a folder.
    let again = [&items[..], &[folder("d/"), file("d/g", "2")]].concat();
    assert_eq!(bed.make(&[&again]).list(), ["/d folder 755 0:0", "/d/g leaf 644 0:0"]);
    // The same across layers.
    let made = bed.make(&[&items[..3], &[symlink("d", target)], &[file("d/g", "3")]]);
    assert_eq!(made.list(), ["/d folder 755 0:0", "/d/g leaf 644 0:0"]);
}

#[test]
fn root_a_link_may_be_replaced_by_a_file() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let outside = tempfile::NamedTempFile::new().unwrap();
    let link = symlink("f", outside.path().to_str().unwrap());
    for layers in [
        vec![vec![link.clone()], vec![file("f", "new")]],
        vec![vec![link.clone(), file("f", "new")]],
    ] {
        let layers: Vec<&[Item]> = layers.iter().map(Vec::as_slice).collect();
        let made = bed.make(&layers);
        assert_eq!(made.list(), ["/f leaf 644 0:0"]);
        assert_eq!(made.read("f").as_deref(), Some("new"));
    }
    assert_eq!(outside.as_file().metadata().unwrap().len(), 0);
}

#[test]
fn root_missing_parents_look_as_they_do_below() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let lower = [
        folder("./").mode(0o700).owner(9, 9),
        folder("a/").mode(0o2750).owner(1, 2).mtime(77).xattr("user.x", "1"),
        folder("a/b/").mode(0o1777),
        symlink("l", "a"),
    ];
    let made = bed.make(&[&lower, &[file("a/b/c/f", "2"), file("l/g", "2")]]);
    assert_eq!(
        made.list(),
        [
            "/a folder 2750 1:2",
            "/a/b folder 1777 0:0",
            "/a/b/c folder 755 0:0",
            "/a/b/c/f leaf 644 0:0",
            "/l folder 755 0:0",
            "/l/g leaf 644 0:0",
        ]
    );
    assert_eq!(made.xattr("a", "user.x").as_deref(), Some(&b"1"[..]));
    assert_eq!(made.stat("a").unwrap().st_mtime, 77);
    let root = rustix::fs::fstat(made.root().top()).unwrap();
    assert_eq!((root.st_mode & 0o7777, root.st_uid), (0o700, 9));
}

#[test]
fn root_a_parent_that_is_a_file_is_refused() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    for parent in [file("p", ""), Item::new(b'6', "p"), Item::new(b'3', "p").device(1, 3)] {
        for child in ["p/f", "p/a/b/f"] {
            let error = bed.refused(&[&[parent.clone(), file(child, "")]]);
            assert!(error.contains("below something that is no folder"), "{error}");
        }
    }
}

#[test]
fn root_the_last_of_several_entries_counts() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let made = bed.make(&[&[
        file("f", "one").mode(0o4777).xattr("user.a", "1"),
        file("f", "two").mode(0o600),
        folder("d/").mode(0o700),
        file("d/x", "stays"),
        folder("d/").mode(0o711),
        symlink("s", "a"),
        symlink("s", "b"),
        folder("g/"),
        file("g/x", ""),
        file("g", "file"),
        file("h", "file"),
        folder("h/"),
        Item::new(b'6', "p").mode(0o644),
        Item::new(b'6', "p").mode(0o600),
    ]]);
    assert_eq!(
        made.list(),
        [
            "/d folder 711 0:0",
            "/d/x leaf 644 0:0",
            "/f leaf 600 0:0",
            "/g leaf 644 0:0",
            "/h folder 755 0:0",
            "/p leaf 600 0:0",
            "/s -> b",
        ]
    );
    assert_eq!(made.read("f").as_deref(), Some("two"));
    assert_eq!(made.xattr("f", "user.a"), None);
}
