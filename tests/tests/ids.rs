//! Ids and keyrings: a container's own, until it is removed.

#![expect(clippy::disallowed_methods, reason = "a test's own folder")]
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::fmt::Write as _;

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::{BUSYBOX, PYTHON};
use coffer_tests::program;

/// The first id of the range that a running container has on the host.
fn first(coffer: &Coffer, name: &str) -> String {
    coffer.must(&["exec", name, "awk", "{ print $2 }", "/proc/self/uid_map"])
}

#[test]
fn root_ids_stay_over_restarts_and_go_with_the_container() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BUSYBOX);
    let start = |name: &str| {
        coffer.must(&["run", "-d", "--name", name, &image, "sleep", "1000"]);
        first(&coffer, name)
    };
    let (one, two) = (start("one"), start("two"));
    assert_ne!(one, two);
    coffer.must(&["stop", "-t", "0", "one"]);
    let three = start("three");
    assert!(three != one && three != two, "a stopped container keeps its range");
    coffer.must(&["start", "one"]);
    assert_eq!(first(&coffer, "one"), one);
    coffer.must(&["rm", "-f", "one"]);
    assert_eq!(start("four"), one, "what a removed one had is free");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// As many containers as there are ranges of ids.
#[test]
fn root_a_pool_that_is_used_up_is_said_and_nothing_is_left() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BUSYBOX);
    let (root, mut pool) = (coffer.root(), String::new());
    for range in 0..4096_u32 {
        let id = format!("{range:064x}");
        std::fs::create_dir_all(root.join("containers").join(&id)).unwrap();
        writeln!(pool, "{id} {}", 0x7000_0000 + range * 0x1_0000).unwrap();
    }
    std::fs::write(root.join("ids"), &pool).unwrap();
    let ran = coffer.run(&["run", "--name", "late", &image, "true"]);
    assert_eq!(ran.status, 125, "{ran}");
    assert!(ran.stderr.contains("all 4096 ranges of ids are taken by containers"), "{ran}");
    assert!(ran.stderr.contains("help: remove containers: coffer rm"), "{ran}");
    let folders = || std::fs::read_dir(root.join("containers")).unwrap().flatten();
    let made = folders().filter(|entry| entry.file_name().len() == 64).count();
    assert_eq!(made, 4096, "nothing of the one that was refused is left");
    // One folder that is gone is one range that is free.
    std::fs::remove_dir(root.join("containers").join(format!("{:064x}", 77))).unwrap();
    let map = coffer.must(&["run", "--rm", &image, "cat", "/proc/self/uid_map"]);
    let words: Vec<&str> = map.split_whitespace().collect();
    assert_eq!(words, ["0", &(0x7000_0000 + 77 * 0x1_0000).to_string(), "65536"]);
    // Nobody has to take each of them for a container once more.
    std::fs::remove_dir_all(root.join("containers")).unwrap();
}

/// Coffer on a host whose lists of sub-ids are these.
fn lending(coffer: &Coffer, users: &str, groups: &str, arguments: &[&str]) -> program::Outcome {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in [("subuid", users), ("subgid", groups)] {
        std::fs::write(folder.path().join(file), text).unwrap();
    }
    let script = "for file in subuid subgid; do touch /etc/$file; mount --bind $0/$file /etc/$file; \
                  done; exec \"$@\"";
    let inner = coffer.command(arguments);
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", script]);
    command.arg(folder.path()).arg(inner.get_program()).args(inner.get_args());
    coffer.prepare(&mut command);
    program::run(&mut command)
}

#[test]
fn root_ids_come_from_what_the_host_lends_to_containers() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BUSYBOX);
    let lent = "me:100000:65536\ncontainers:900000:131072\n";
    let run = ["run", "--rm", &image, "cat", "/proc/self/uid_map", "/proc/self/gid_map"];
    let map = lending(&coffer, lent, lent, &run).success();
    assert_eq!(map.split_whitespace().collect::<Vec<_>>(), ["0", "900000", "65536"].repeat(2));
    for name in ["one", "two"] {
        let run = ["run", "-d", "--name", name, &image, "sleep", "1000"];
        lending(&coffer, lent, lent, &run).success();
    }
    let explained = lending(&coffer, lent, lent, &["explain", "two"]);
    let ids: Vec<&str> = explained.stdout.lines().filter(|line| line.starts_with("ids ")).collect();
    assert!(ids[0].contains("965536+65536") && ids[0].ends_with("/etc/subuid"), "{ids:?}");
    let explained = lending(&coffer, lent, lent, &["explain", &image]);
    assert!(explained.stdout.contains("of 2 from 900000 on"), "{explained}");
    let late = ["run", "--name", "late", &image, "true"];
    let lists = |users: &str, groups: &str| lending(&coffer, users, groups, &late);
    for (ran, what, help) in [
        (lists(lent, lent), "all 2 ranges of ids are taken", "containers:START:COUNT"),
        (lists(lent, ""), "/etc/subgid lends no ids to containers", "correct"),
        (lists("containers:1:x", lent), "line 1 of /etc/subuid is malformed", ""),
        (
            lists("containers:0:99999999", "containers:0:99999999"),
            "among the host's own users",
            "correct",
        ),
        (lists("containers:900000:5", lent), "no 65536 in a row", "correct"),
        (lists(&format!("{lent}you:900000:200000"), lent), "no 65536 in a row", "correct"),
    ] {
        assert_eq!(ran.status, 125, "{ran}");
        assert!(ran.stderr.contains(what) && ran.stderr.contains(help), "{what}: {ran}");
    }
    assert_eq!(coffer.must(&["ps", "-aq"]).lines().count(), 2, "nothing else was made");
    // What a container has stays its own when the host lends something else.
    coffer.must(&["stop", "-t", "0", "one"]);
    coffer.must(&["start", "one"]);
    assert_eq!(first(&coffer, "one"), "900000\n");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// `keyctl(KEYCTL_DESCRIBE, KEY_SPEC_SESSION_KEYRING)`. Source: linux/keyctl.h.
const DESCRIBE: &str = "
import ctypes
text = ctypes.create_string_buffer(200)
ctypes.CDLL(None).syscall(250, 6, ctypes.c_int(-3), text, 200, 0)
print(text.value.decode())
";

/// The default filter refuses the call; without one the keyring still is nobody else's.
#[test]
fn root_a_container_has_a_session_keyring_of_its_own() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&PYTHON);
    let run = |flags: &[&str]| {
        let command: &[&str] = &[&image, "python3", "-c", DESCRIBE];
        coffer.must(
            &[&["run", "--rm", "--security-opt", "seccomp=unconfined"], flags, command].concat(),
        )
    };
    let own = |said: &str| assert!(said.trim_end().ends_with(";_ses"), "no name: {said:?}");
    own(&run(&[]));
    own(&run(&["--privileged", "--yes-really", "--userns=host"]));
    let open = "--security-opt=seccomp=unconfined";
    coffer.must(&["run", "-d", "--name", "box", open, &image, "sleep", "1000"]);
    own(&coffer.must(&["exec", "box", "python3", "-c", DESCRIBE]));
    coffer.must(&["rm", "-f", "box"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}
