//! What goes wrong around coffer: it says so, and nothing is left over or lost.

#![expect(clippy::disallowed_methods, reason = "looks into a store that the test made")]

use std::fs;
use std::process::Command;

use coffer_tests::coffer::{self, Coffer};
use coffer_tests::hostile::{Fault, Hostile};
use coffer_tests::image::catalogue::{BUSYBOX, LAYERED, REDIS};
use coffer_tests::program;
use coffer_tests::registry::{Guard, Registry};
use coffer_tests::steps::{self, Victim};

#[test]
fn root_a_pull_may_be_killed_anywhere() {
    if !program::root() {
        return;
    }
    let registry = Registry::start(Guard::Plain);
    let name = registry.push(&LAYERED);
    let pull = ["pull", "--quiet", "--plain-http", &name];
    let last = steps::each(|step| {
        let coffer = Coffer::in_memory();
        let (end, _) = steps::kill_at(step, Victim::Any, &coffer.command(&pull));
        let checked = coffer.run(&["system", "check"]);
        assert_eq!(checked.status, 0, "after a kill at step {step}: {checked}");
        coffer.must(&pull);
        coffer.recovers(step);
        end
    });
    assert!(last > 300, "a pull has more than {last} steps");
}

#[test]
fn root_a_full_disk_is_said_and_leaves_nothing() {
    if !program::root() {
        return;
    }
    let layout = format!("oci:{}:latest", REDIS.layout().display());
    let small = format!("oci:{}:latest", BUSYBOX.layout().display());
    let folder = tempfile::tempdir().unwrap();
    let script = "
        mount -t tmpfs -o size=20m tmpfs \"$1\"
        export COFFER_ROOT=\"$1/root\"
        \"$0\" pull --quiet \"$2\"; echo pull $?
        \"$0\" system check >&2; echo check $?
        \"$0\" system prune --force --all >&2; echo prune $?
        find \"$1\" -size +100k >&2
        test \"$(du -sk \"$1\" | cut -f1)\" -lt 200; echo empty $?
        \"$0\" pull --quiet \"$3\" >&2; echo again $?
    ";
    let outcome = program::run(
        Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script])
            .arg(coffer::binary())
            .arg(folder.path())
            .args([layout, small]),
    );
    assert_eq!(outcome.stdout, "pull 125\ncheck 0\nprune 0\nempty 0\nagain 0\n", "{outcome}");
    assert!(outcome.stderr.to_lowercase().contains("no space left"), "{outcome}");
}

/// How a container ended is known though the disk was full, and what takes room can be removed.
#[test]
fn root_a_full_disk_loses_no_exit_status_and_keeps_nobody_from_removing() {
    if !program::root() {
        return;
    }
    let image = format!("oci:{}:latest", BUSYBOX.layout().display());
    let folder = tempfile::tempdir().unwrap();
    let script = "
        mount -t tmpfs -o size=20m tmpfs \"$1\"
        export COFFER_ROOT=\"$1/root\"
        \"$0\" tag \"$(\"$0\" pull --quiet \"$2\")\" busybox
        for name in one two; do
            \"$0\" run -d --name $name busybox sh -c 'mkfifo /wait; read x </wait; exit 3' >&2
            until \"$0\" exec $name test -p /wait; do \"$0\" exec $name true || break; done
        done
        \"$0\" create --name made busybox true >&2
        cat /dev/zero >\"$1/filler\"
        for name in one two; do \"$0\" exec $name sh -c 'echo >/wait'; done
        \"$0\" wait one two
        \"$0\" ps -a --format '{{.Names}} {{.State}}'
        \"$0\" run --rm busybox true; echo run $?
        \"$0\" rm one made; echo rm $?
        \"$0\" rm -f two; echo rm $?
        \"$0\" rmi busybox >&2; echo rmi $?
        \"$0\" ps -aq; \"$0\" images -q
        rm \"$1/filler\"
        \"$0\" system check; \"$0\" system prune >&2; echo prune $?
        \"$0\" run --rm \"$2\" echo room
    ";
    let outcome = program::run(
        Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script])
            .arg(coffer::binary())
            .arg(folder.path())
            .arg(image),
    );
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    let (before, after) = lines.split_at(lines.len().min(9));
    let expected = "3\n3\nmade created\ntwo exited\none exited\nrun 125\none\nmade\nrm 0";
    assert_eq!(before.join("\n"), expected, "{outcome}");
    assert!(after.starts_with(&["two", "rm 0", "rmi 0"]), "{outcome}");
    assert!(
        after.ends_with(&["prune 0", "room"]) && after[3].ends_with(" 0 findings"),
        "{outcome}"
    );
}

/// Files of the store that hold an image's bytes.
fn blobs(coffer: &Coffer) -> Vec<String> {
    let folder = coffer.root().join("blobs/sha256");
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_registry_that_lies_is_caught() {
    for (fault, said) in [
        (Fault::Truncates, "127.0.0.1"),
        (Fault::WrongByte, "sha256:"),
        (Fault::TooLong, "sha256:"),
        (Fault::WrongManifest, "sha256:"),
        (Fault::Broken, "500"),
    ] {
        let (registry, coffer) = (Hostile::start(&BUSYBOX, fault), Coffer::default());
        let outcome = coffer.run(&["pull", "--plain-http", &registry.pinned()]);
        let error = outcome.failure(125);
        assert!(error.contains("error: ") && error.contains(said), "{fault:?}: {error}");
        assert_eq!(coffer.must(&["images", "-q"]), "", "{fault:?}");
        assert_eq!(coffer.run(&["system", "check"]).status, 0, "{fault:?}");
        coffer.must(&["system", "prune", "--force", "--all"]);
        assert_eq!(blobs(&coffer), [""; 0], "{fault:?}");
    }
}

#[test]
fn a_registry_that_stalls_or_is_busy_is_asked_again() {
    for fault in [Fault::StallsOnce, Fault::Busy] {
        let (registry, coffer) = (Hostile::start(&BUSYBOX, fault), Coffer::default());
        coffer.must(&["pull", "--quiet", "--plain-http", &registry.name()]);
        assert_eq!(coffer.run(&["system", "check"]).status, 0, "{fault:?}");
    }
}
