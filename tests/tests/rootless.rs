//! `coffer` for an ordinary user, who has sub-ids and nothing else.

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::{BUSYBOX, DEBIAN, REDIS};
use coffer_tests::program;

#[test]
fn root_an_ordinary_user_runs_containers() {
    if !program::root() {
        return;
    }
    let coffer = Coffer::of_user();
    let name = coffer.take_in(&BUSYBOX);
    assert_eq!(coffer.must(&["run", "--rm", &name, "id", "-u"]), "0\n");
    let ended = coffer.run(&["run", "--rm", &name, "sh", "-c", "exit 9"]);
    assert_eq!(ended.status, 9, "{ended}");
    let script = "touch /tmp/f && chown 1000:2000 /tmp/f && stat -c %u:%g /tmp/f";
    assert_eq!(coffer.must(&["run", "--rm", &name, "sh", "-c", script]), "1000:2000\n");
    assert_eq!(coffer.must(&["run", "--rm", "--user", "worker", &name, "id", "-un"]), "worker\n");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_an_ordinary_user_keeps_a_server_running() {
    if !program::root() {
        return;
    }
    let coffer = Coffer::of_user();
    let name = coffer.take_in(&REDIS);
    coffer.must(&["run", "-d", "--name", "store", &name]);
    coffer.logs_until("store", "Ready to accept connections");
    assert_eq!(coffer.must(&["exec", "store", "redis-cli", "ping"]), "PONG\n");
    coffer.must(&["stop", "store"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_an_ordinary_users_tree_has_the_images_owners() {
    if !program::root() {
        return;
    }
    let coffer = Coffer::of_user();
    let name = coffer.take_in(&DEBIAN);
    let script = "stat -c '%u:%g %a' /home/worker /tmp";
    let seen = coffer.run(&["run", "--rm", &name, "sh", "-c", script]).stdout;
    assert!(seen.starts_with("1000:1000 755\n0:0 1777\n"), "{seen}");
}
