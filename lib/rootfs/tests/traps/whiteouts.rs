//! Whiteouts and opaque folders. Source: image-spec layer.md, "Representing Changes".

use crate::bed::{Bed, is_root};
use crate::common::{Item, file, folder, hard_link, symlink};

#[test]
fn root_whiteouts_hide_files_and_folders() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let made = bed.make(&[
        &[folder("a/"), file("a/x", "1"), folder("a/b/"), file("a/b/c", "1"), file("z", "1")],
        &[file("a/.wh.x", ""), file("a/.wh.b", ""), file(".wh.z", ""), file(".wh.never", "")],
    ]);
    assert_eq!(made.list(), ["/a folder 755 0:0"]);
}

#[test]
fn root_a_whiteout_is_about_lower_layers_alone() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let lower = [folder("d/"), file("d/old", "1"), file("f", "1")];
    for upper in [
        [file(".wh.d", ""), folder("d/"), file("d/new", "2"), file(".wh.f", ""), file("f", "2")],
        [folder("d/"), file("d/new", "2"), file(".wh.d", ""), file("f", "2"), file(".wh.f", "")],
        // The folder is there only because something is in it.
        [
            file(".wh.d", ""),
            file("d/new", "2"),
            file("d/.wh.x", ""),
            file("f", "2"),
            file("f", "2"),
        ],
    ] {
        let made = bed.make(&[&lower, &upper]);
        assert_eq!(made.list(), ["/d folder 755 0:0", "/d/new leaf 644 0:0", "/f leaf 644 0:0"]);
        assert_eq!(made.read("f").as_deref(), Some("2"));
    }
}

#[test]
fn root_opaque_folders_show_their_own_layer_alone() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let lower = [folder("d/").mode(0o700), file("d/old", "1"), folder("d/e/"), file("d/e/f", "1")];
    let upper = [file("d/new", "2"), file("d/.wh..wh..opq", ""), file("d/e/g", "2")];
    let made = bed.make(&[&lower, &upper]);
    let expected =
        ["/d folder 700 0:0", "/d/e folder 755 0:0", "/d/e/g leaf 644 0:0", "/d/new leaf 644 0:0"];
    assert_eq!(made.list(), expected);
}

#[test]
fn root_an_opaque_root_hides_every_layer_below() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let made = bed.make(&[
        &[file("a", "1"), folder("d/"), file("d/x", "1")],
        &[file(".wh..wh..opq", ""), file("b", "2"), file("d/y", "2")],
        &[file("c", "3")],
    ]);
    assert_eq!(
        made.list(),
        ["/b leaf 644 0:0", "/c leaf 644 0:0", "/d folder 755 0:0", "/d/y leaf 644 0:0"]
    );
    assert_eq!(made.stack.layers().len(), 2);
}

#[test]
fn root_odd_whiteouts() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    for name in [".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..", "d/.wh..."] {
        let error = bed.refused(&[&[folder("d/"), file("d/x", ""), file(name, "")]]);
        assert!(error.contains("a whiteout of no name"), "{error}");
    }
    let error = bed.refused(&[&[file("a/.wh.b/c", "")]]);
    assert!(error.contains("reserved for whiteouts"), "{error}");
    // AUFS's own books, which docker skips too.
    let made = bed.make(&[&[
        folder(".wh..wh.plnk/"),
        file(".wh..wh.plnk/10.20", "x"),
        file(".wh..wh.aufs", ""),
        file(".wh....", ""),
        file("f", ""),
    ]]);
    assert_eq!(made.list(), ["/f leaf 644 0:0"]);
}

#[test]
fn root_whiteouts_do_not_follow_links() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let outside = tempfile::NamedTempFile::new().unwrap();
    let (folder_outside, name) =
        (outside.path().parent().unwrap(), outside.path().file_name().unwrap());
    let link = symlink("out", folder_outside.to_str().unwrap());
    let whiteout = file(format!("out/.wh.{}", name.to_str().unwrap()), "");
    // In the next layer, the folder of the whiteout takes the place of the link.
    let made = bed.make(&[std::slice::from_ref(&link), std::slice::from_ref(&whiteout)]);
    assert_eq!(made.list(), ["/out folder 755 0:0"]);
    // In the same layer, there is no such folder in the tree.
    let error = bed.refused(&[&[link, whiteout]]);
    assert!(error.contains("behind a symbolic link"), "{error}");
    assert!(outside.as_file().metadata().is_ok() && outside.path().try_exists().unwrap());
    // A link to a folder of the same layer leads there.
    let made = bed.make(&[
        &[folder("real/"), file("real/x", "1")],
        &[folder("real/"), symlink("link", "/real"), file("link/.wh.x", "")],
    ]);
    assert_eq!(made.list(), ["/link -> /real", "/real folder 755 0:0"]);
}

#[test]
fn root_whiteouts_below_whiteouts_say_nothing_new() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let made =
        bed.make(&[&[folder("a/"), file("a/b", "1")], &[file(".wh.a", ""), file("a/.wh.b", "")]]);
    assert_eq!(made.list(), [""; 0]);
}

#[test]
fn root_raw_marks_of_overlay_are_not_taken() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let error = bed.refused(&[&[Item::new(b'3', "f").device(0, 0)]]);
    assert!(error.contains("overlay's mark of a whiteout"), "{error}");
    let made = bed.make(&[
        &[folder("d/"), file("d/x", "1"), folder("e/"), file("e/x", "1")],
        &[
            folder("d/").xattr("trusted.overlay.opaque", "y").xattr("user.overlay.opaque", "y"),
            folder("e/").xattr("trusted.overlay.redirect", "/d").xattr("user.kept", "1"),
            file("f", "").xattr("trusted.overlay.metacopy", "").xattr("user.overlay.whiteout", ""),
        ],
    ]);
    assert_eq!(made.read("d/x").as_deref(), Some("1"));
    for path in ["d", "e", "f"] {
        for name in ["opaque", "redirect", "metacopy", "whiteout"] {
            assert_eq!(made.xattr(path, &format!("trusted.overlay.{name}")), None);
            assert_eq!(made.xattr(path, &format!("user.overlay.{name}")), None);
        }
    }
    assert_eq!(made.xattr("e", "user.kept").as_deref(), Some(&b"1"[..]));
}

#[test]
fn root_a_hard_link_to_a_whiteout_makes_no_whiteout() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let error = bed.refused(&[&[file("f", "1")], &[file(".wh.f", ""), hard_link("g", "f")]]);
    assert!(error.contains("no such file"), "{error}");
}
