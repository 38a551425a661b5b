//! Ids and keyrings: a container's own, until it is removed.

#![expect(clippy::disallowed_methods, reason = "a test's own folder")]

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
