//! `coffer run` on Debian's kernels, with all of cgroup v2.

use coffer_tests::bed::{self, Variant};
use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;

#[test]
fn bed_plain_runs_on_debian_12() {
    bed::enter!(Variant::Plain, [&BUSYBOX]);
    let (coffer, name) = Coffer::with(&BUSYBOX);
    assert_eq!(coffer.must(&["run", "--rm", &name, "echo", "inside"]), "inside\n");
    assert_eq!(coffer.leftovers(), [""; 0]);
}
