//! `coffer audit --probe`: what a container can reach, tried inside and judged outside.
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program::{self, Outcome};
use serde_json::Value;

/// What the audit says of a container that `coffer run` makes with these flags.
fn audit(coffer: &Coffer, name: &str, flags: &[&str]) -> (Outcome, Value) {
    let mut arguments = vec!["audit", "--probe", "--json", name, "--"];
    arguments.extend(flags);
    let outcome = coffer.run(&arguments);
    let said = serde_json::from_str(&outcome.stdout).unwrap();
    (outcome, said)
}

fn findings<'a>(said: &'a Value, runtime: &str) -> Vec<&'a str> {
    let found = said["totals"][runtime]["findings"].as_array().unwrap();
    found.iter().filter_map(Value::as_str).collect()
}

fn outcome<'a>(said: &'a Value, id: &str, runtime: &str) -> &'a str {
    let rows = said["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["id"] == id).unwrap();
    row["verdicts"][runtime]["outcome"].as_str().unwrap()
}

/// Nothing is reached that is not predicted, and at most eight things that root inside its own
/// ids is not meant to have.
fn holds() {
    let coffer = Coffer::default();
    let name = coffer.take_in(&BUSYBOX);
    let (outcome, said) = audit(&coffer, &name, &[]);
    assert_eq!(findings(&said, "coffer"), [""; 0], "{said:#}");
    assert_eq!(outcome.status, 0, "{outcome}");
    assert!(said["rows"].as_array().unwrap().len() >= 150);
    assert!(said["totals"]["coffer"]["beyond"].as_u64().unwrap() <= 8, "{said:#}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_the_default_fence_holds() {
    if program::root() {
        holds();
    }
}

#[test]
fn root_an_ordinary_users_fence_holds_but_for_that_users_own_quotas() {
    if !program::root() {
        return;
    }
    let coffer = Coffer::of_user();
    let name = coffer.take_in(&BUSYBOX);
    let (_, said) = audit(&coffer, &name, &[]);
    let own = ["use.tasks", "use.inotify"];
    let found = findings(&said, "coffer");
    assert!(found.iter().all(|id| own.contains(id)), "{found:?}");
    assert_eq!(outcome(&said, "use.inotify", "coffer"), "host");
}

#[test]
fn root_what_flags_open_is_found() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let (ended, said) = audit(&coffer, &name, &["--privileged", "--yes-really"]);
    assert_eq!(ended.status, 1, "{ended}");
    let found = findings(&said, "coffer");
    assert!(
        ["cap.sys_admin", "mount.tmpfs", "ns.unshare-user"].iter().all(|id| found.contains(id))
    );
    let (ended, said) = audit(&coffer, &name, &["--network", "host"]);
    assert_eq!(ended.status, 1, "{ended}");
    // Seen by the host itself, which was connected to.
    for id in ["net.loopback", "net.abstract"] {
        assert_eq!(outcome(&said, id, "coffer"), "host", "{id}");
    }
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn an_audit_says_what_it_lacks() {
    let coffer = Coffer::default();
    let refused = coffer.run(&["audit", "busybox"]).failure(125);
    assert!(refused.contains("--probe"), "{refused}");
    let refused = coffer.run(&["audit-probe"]).failure(125);
    assert!(refused.contains("runs inside a container only"), "{refused}");
    let refused = coffer.run(&["audit", "--probe", "--offline", "nowhere/none"]).failure(2);
    assert!(refused.contains("the prober has ended after 0 of"), "{refused}");
}
