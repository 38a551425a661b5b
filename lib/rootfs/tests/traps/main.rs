//! Every trap that a layer can set, each as a layer that the test makes.
//!
//! Owners, devices and `trusted.*` attributes need root, and so do these tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../common/bed.rs"]
mod bed;
#[path = "../common/mod.rs"]
mod common;

mod attributes;
mod bombs;
mod hard_links;
mod names;
mod parents;
mod whiteouts;

use bed::{Bed, is_root};
use common::{file, folder, symlink};

#[test]
fn root_a_plain_layer_is_what_it_says() {
    if !is_root() {
        return;
    }
    let bed = Bed::new();
    let made = bed.make(&[&[
        folder("./").mode(0o751).owner(3, 4),
        folder("bin/").mode(0o1777).owner(1, 2),
        file("bin/su", "x").mode(0o4755).owner(0, 0),
        file("bin/sg", "x").mode(0o2711).owner(5, 6),
        file("bin/none", "").mode(0),
        symlink("sh", "bin/su").owner(7, 8),
    ]]);
    assert_eq!(
        made.list(),
        [
            "/bin folder 1777 1:2",
            "/bin/none leaf 0 0:0",
            "/bin/sg leaf 2711 5:6",
            "/bin/su leaf 4755 0:0",
            "/sh -> bin/su",
        ]
    );
    let link = made.stat("sh").unwrap();
    assert_eq!((link.st_uid, link.st_gid, link.st_mtime), (7, 8, 1_000_000_000));
    let root = rustix::fs::fstat(made.root().top()).unwrap();
    assert_eq!((root.st_mode & 0o7777, root.st_uid, root.st_gid), (0o751, 3, 4));
    assert_eq!(made.read("sh").as_deref(), Some("x"));
    assert_eq!(made.report.entries, 6);
}
