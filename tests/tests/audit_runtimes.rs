//! `coffer audit --probe --runtime`: other runtimes beside coffer, and those that make no container.
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]
#![expect(clippy::disallowed_methods, reason = "the test's own files")]

use std::fs;
use std::path::Path;
use std::process::Command;

use coffer_tests::coffer::{self, Coffer};
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program::{self, Outcome};
use serde_json::Value;

/// What the audit says of coffer and of `runtime`; nothing where that is not installed.
fn beside(runtime: &str) -> Option<Value> {
    let program = runtime.split(' ').next()?;
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !program::root() || !is_there {
        return None;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let ended = coffer.run(&["audit", "--probe", "--json", "--runtime", runtime, &name]);
    assert_eq!(ended.status, 0, "{ended}");
    Some(serde_json::from_str(&ended.stdout).unwrap())
}

fn outcome<'a>(said: &'a Value, id: &str, runtime: &str) -> &'a str {
    let rows = said["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["id"] == id).unwrap();
    row["verdicts"][runtime]["outcome"].as_str().unwrap()
}

#[test]
fn root_runcs_default_reaches_more() {
    let Some(said) = beside("runc") else { return };
    let beyond = |runtime: &str| said["totals"][runtime]["beyond"].as_array().unwrap().len();
    assert!(beyond("runc") > 4 * beyond("coffer"), "{said:#}");
    assert_eq!(outcome(&said, "setid.host-root", "runc"), "host");
    assert_eq!(outcome(&said, "setid.host-root", "coffer"), "blocked");
    // The host itself has seen its key change.
    assert_eq!(outcome(&said, "key.user-change", "runc"), "host");
    assert_eq!(outcome(&said, "key.user-change", "coffer"), "blocked");
}

/// What answers inside is a kernel of gVisor's own: what it lets through is not the host's.
#[test]
fn root_gvisors_kernel_is_not_the_hosts() {
    let Some(said) = beside("runsc --network=none") else { return };
    let totals = &said["totals"]["runsc"];
    assert_eq!(totals["host"], 0, "{totals:#}");
    assert_eq!(outcome(&said, "ns.unshare-mount", "runsc"), "container");
    assert_eq!(outcome(&said, "setid.host-root", "runsc"), "container");
}

/// What a runtime gives out as its default; the audit adds the prober's folder.
const SPEC: &str = r#"#!/bin/sh
set -e
case "$*" in spec) echo '{"process": {}, "mounts": []}' >config.json; exit;; esac
while [ "$1" != --bundle ]; do shift; done
bundle=$2
hand=$(sed 's/.*"source":"\([^"]*\)".*/\1/' "$bundle/config.json")
"#;

/// A machine whose root has a folder for the prober: this one's root below a layer in memory, in a
/// mount namespace of its own.
const MACHINE: &str = r#"
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work none /mnt/root
mkdir /mnt/root/coffer-audit /mnt/root/old
for folder in /proc /sys /dev "$1" "$2"; do
    mkdir -p "/mnt/root$folder"
    mount --rbind "$folder" "/mnt/root$folder"
done
shift 2
cd /mnt/root
pivot_root . old
umount -l old
exec "$@"
"#;

/// Audits by a runtime that does `run` instead of making a container; what its prober said is
/// beside what coffer says.
fn audits(run: &str) -> Option<(Outcome, String)> {
    if !program::root() {
        return None;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let folder = tempfile::tempdir_in(coffer.root()).unwrap();
    let (runtime, log) = (folder.path().join("runtime"), folder.path().join("log"));
    let script = format!("{SPEC}log={}\n{run}", log.display());
    program::write(&runtime, script.as_bytes());
    let binary = coffer::binary();
    let mut audit = Command::new("unshare");
    audit.args(["--mount", "--propagation", "private", "sh", "-ec", MACHINE, "sh"]);
    audit.arg(coffer.root().parent().unwrap()).arg(binary.parent().unwrap()).arg(&binary);
    audit.args(["audit", "--probe", "--runtime"]).arg(&runtime).arg(&name);
    coffer.prepare(&mut audit);
    audit.env("TMPDIR", coffer.root().parent().unwrap());
    let ended = program::run(&mut audit);
    Some((ended, text(&log)))
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The prober tries nothing on the host, however it got there, and whoever tells it to go on.
#[test]
fn root_a_runtime_that_executes_on_the_host_tries_nothing() {
    let run = r#"mount --bind "$hand" /coffer-audit
yes | unshare --mount /coffer-audit/coffer audit-probe | tee "$log""#;
    let Some((ended, said)) = audits(run) else { return };
    let refused = ended.failure(2);
    assert!(refused.contains("outside of a container: its root is the host's own"), "{refused}");
    assert!(refused.contains("nothing was tried"), "{refused}");
    assert_eq!(said, "{\"outside\":\"its root is the host's own\"}\n");
}

#[test]
fn root_a_row_by_itself_is_not_tried_on_the_host() {
    let run = r#"mount --bind "$hand" /coffer-audit
/coffer-audit/coffer audit-probe --row cap.chown </dev/null >"$log" 2>&1 || true"#;
    let Some((_, said)) = audits(run) else { return };
    assert!(said.contains("its root is the host's own"), "{said}");
    assert!(!said.contains("reached"), "{said}");
}

/// Another root alone is no container.
#[test]
fn root_a_runtime_that_only_changes_the_root_is_told_nothing() {
    let run = r#"root=$bundle/rootfs
mkdir -p "$root/coffer-audit" "$root/proc"
mount --bind "$hand" "$root/coffer-audit"
mount --rbind /proc "$root/proc"
chroot "$root" /coffer-audit/coffer audit-probe | tee "$log""#;
    let Some((ended, said)) = audits(run) else { return };
    let refused = ended.failure(2);
    assert!(refused.contains("its mount namespace is the host's own"), "{refused}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

/// By another name than the one that an audit gives it in a container the prober is none.
#[test]
fn root_a_runtime_that_executes_the_hosts_file_runs_no_prober() {
    let Some((ended, said)) = audits("\"$hand/coffer\" audit-probe 2>\"$log\"") else { return };
    let refused = ended.failure(2);
    assert!(refused.contains("the prober has ended after 0 of"), "{refused}");
    assert!(said.contains("runs inside a container only"), "{said}");
}
