//! `coffer audit --probe` on Debian's own kernels: what is predicted holds on each of them.
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use coffer_tests::bed::{self, Kernel, Variant};
use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use serde_json::Value;

/// Nothing is reached that is not predicted, and at most eight things that root inside its own
/// ids is not meant to have.
fn holds() {
    let coffer = Coffer::default();
    let name = coffer.take_in(&BUSYBOX);
    let ended = coffer.run(&["audit", "--probe", "--json", &name]);
    assert!(ended.status < 2, "{ended}");
    let said: Value = serde_json::from_str(&ended.stdout).unwrap();
    let totals = &said["totals"]["coffer"];
    let not_blocked = said["rows"].as_array().unwrap().iter().filter(|row| {
        row["fate"] == "blocked" && row["verdicts"]["coffer"]["outcome"] != "blocked"
    });
    let not_blocked: Vec<&Value> = not_blocked.collect();
    assert_eq!(totals["findings"], Value::Array(Vec::new()), "{not_blocked:#?}");
    assert_eq!(ended.status, 0, "{totals:#}");
    assert!(totals["beyond"].as_array().unwrap().len() <= 8, "{totals:#}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn bed_plain_the_fence_holds_on_linux_6_1() {
    bed::enter!(Variant::Plain, [&BUSYBOX]);
    holds();
}

#[test]
fn bed_plain_the_fence_holds_on_linux_6_12() {
    bed::enter!(Variant::Plain.on(Kernel::Debian13), [&BUSYBOX]);
    holds();
}

#[test]
fn bed_apparmor_the_fence_holds_with_a_profile() {
    bed::enter!(Variant::Apparmor, [&BUSYBOX]);
    holds();
}
