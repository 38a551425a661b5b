//! Containers that join another's processes, shared memory or ids.

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;

/// A line of a container's own.
fn inside(coffer: &Coffer, name: &str, script: &str) -> String {
    coffer.must(&["exec", name, "sh", "-c", script])
}

const NAMESPACES: &str = "for n in user pid ipc net mnt time; do readlink /proc/self/ns/$n; done";

/// The namespaces of a container, in the order of [`NAMESPACES`].
fn namespaces(coffer: &Coffer, name: &str) -> Vec<String> {
    inside(coffer, name, NAMESPACES).lines().map(str::to_owned).collect()
}

/// What is the same whoever calls.
fn join(coffer: &Coffer, image: &str) {
    let one = ["run", "-d", "--name", "one", "--ipc", "shareable", image];
    let script = "echo shared > /dev/shm/note; mkdir /secret; exec sleep 1000";
    coffer.must(&[&one[..], &["sh", "-c", script]].concat());
    let two = ["run", "-d", "--name", "two", "--pid", "container:one", "--ipc", "container:one"];
    let ran = coffer.run(&[&two[..], &[image, "sleep", "2000"]].concat());
    assert_eq!(ran.status, 0, "{ran}");
    let notes: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("note:")).collect();
    for flag in ["--pid container:", "--ipc container:"] {
        let about = notes.iter().filter(|note| note.contains(&format!("from: {flag}")));
        assert_eq!(about.count(), 1, "{flag} in {ran}");
    }
    let (one, two) = (namespaces(coffer, "one"), namespaces(coffer, "two"));
    assert_eq!((&one[..3], &one[5]), (&two[..3], &two[5]), "user, pid, ipc and time are one's");
    assert!(one[3] != two[3] && one[4] != two[4], "network and mounts are its own");
    assert_eq!(
        inside(coffer, "two", "cat /dev/shm/note; test ! -e /secret && echo apart"),
        "shared\napart\n"
    );
    assert_eq!(inside(coffer, "two", "cat /proc/1/cmdline | tr '\\0' ' '"), "sleep 1000 ");
    let listed = coffer.must(&["ps", "--json"]);
    assert!(listed.contains("--pid container:"), "{listed}");
    let explained = coffer.run(&["explain", "two"]);
    assert!(explained.stdout.contains("it has the ids of another container"), "{explained}");
    // What joins one that has joined sees what that one sees.
    let third = ["run", "--rm", "--pid=container:two", image];
    let seen = coffer.must(&[&third[..], &["cat", "/proc/1/comm"]].concat());
    assert_eq!(seen, "sleep\n");
    // It can be made while the other stands still, and starts when that runs.
    coffer.must(&[
        "create",
        "--name",
        "later",
        "--pid=container:one",
        image,
        "sh",
        "-c",
        "until grep -q sleep /proc/1/comm; do :; done; cat /proc/1/comm",
    ]);
    coffer.must(&["rm", "-f", "two"]);
    assert_eq!(inside(coffer, "one", "cat /dev/shm/note"), "shared\n", "two took nothing with it");
    coffer.must(&["stop", "-t", "0", "one"]);
    let refused = coffer.run(&["start", "-a", "later"]);
    assert_eq!(refused.status, 125, "{refused}");
    assert!(refused.stderr.contains("container one is not running"), "{refused}");
    assert!(refused.stderr.contains("coffer start one"), "{refused}");
    coffer.must(&["start", "one"]);
    assert_eq!(coffer.must(&["start", "-a", "later"]), "sleep\n");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_a_container_joins_anothers_processes_and_memory() {
    if program::root() {
        let (coffer, image) = Coffer::with(&BUSYBOX);
        join(&coffer, &image);
    }
}

#[test]
fn root_an_ordinary_users_container_joins_another() {
    if program::root() {
        let coffer = Coffer::of_user();
        let image = coffer.take_in(&BUSYBOX);
        join(&coffer, &image);
    }
}

/// The ids of a container that was joined are nobody else's while one of them is left.
#[test]
fn root_joined_ids_are_free_when_the_last_container_is_gone() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BUSYBOX);
    let first = |name: &str| inside(&coffer, name, "awk '{ print $2 }' /proc/self/uid_map");
    let start = |name: &str, flags: &[&str]| {
        let run = [&["run", "-d", "--name", name], flags, &[&image, "sleep", "1000"]].concat();
        coffer.must(&run);
        first(name)
    };
    let one = start("one", &[]);
    assert_eq!(start("two", &["--userns=container:one"]), one);
    let private = "for n in pid ipc; do readlink /proc/self/ns/$n; done";
    assert_ne!(inside(&coffer, "one", private), inside(&coffer, "two", private));
    coffer.must(&["rm", "-f", "one"]);
    assert_ne!(start("three", &[]), one, "two has them still");
    coffer.must(&["rm", "-f", "two"]);
    assert_eq!(start("four", &[]), one);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// A process id with a state that is not a zombie's, proc_pid_stat(5).
fn alive(line: &str) -> bool {
    !line.ends_with('Z')
}

/// The first process of who joins is not the last of its processes: what it leaves ends with it.
#[test]
fn root_nothing_outlives_a_container_that_joined() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BUSYBOX);
    coffer.must(&["run", "-d", "--name", "one", &image, "sleep", "1000"]);
    let script = "sleep 3000 & until grep -q sleep /proc/$!/comm; do :; done";
    coffer.must(&["run", "--rm", "--pid=container:one", &image, "sh", "-c", script]);
    // The dead stay listed here: `sleep`, as a first process, waits for no children.
    let script = "for p in $(pidof sleep); do awk '{ print $1, $3 }' /proc/$p/stat; done";
    let left: Vec<_> = inside(&coffer, "one", script)
        .lines()
        .map(str::to_owned)
        .filter(|line| alive(line))
        .collect();
    assert_eq!(left, ["1 S"]);
    // And with the other's first process all of its namespace ends.
    coffer.must(&["run", "-d", "--name", "two", "--pid=container:one", &image, "sleep", "1000"]);
    coffer.must(&["kill", "one"]);
    assert_eq!(coffer.must(&["wait", "two"]), "137\n");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_what_cannot_be_joined_is_named_and_leaves_nothing() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BUSYBOX);
    for (name, flag) in
        [("plain", "--ipc=private"), ("open", "--userns=host"), ("wide", "--pid=host")]
    {
        coffer.must(&["create", "--name", name, flag, &image, "true"]);
    }
    for (flags, what, help) in [
        (&["--pid=container:none"][..], "none", ""),
        (
            &["--ipc=container:plain"],
            "container plain does not share its memory",
            "--ipc shareable",
        ),
        (
            &["--pid=container:open"],
            "container open has no ids of its own",
            "without --userns host",
        ),
        (&["--pid=container:wide"], "container wide has no processes of its own", "make it anew"),
        (
            &["--pid=container:plain", "--userns=auto"],
            "has the ids of that one",
            "leave --userns out",
        ),
        (
            &["--pid=container:plain", "--userns=host"],
            "has the ids of that one",
            "leave --userns out",
        ),
        (
            &["--pid=container:plain", "--userns=container:wide"],
            "containers plain and wide have different ids",
            "--userns container:plain",
        ),
        (&["--ipc=none", "--shm-size=1m"], "--shm-size and --ipc none contradict", "leave one"),
        (&["--pid=container:"], "container:NAME", ""),
        (&["--ipc=shared"], "`shareable`", ""),
        (&["--userns=keep-id"], "container:NAME", ""),
        (&["--pid=container:plain"], "container plain is not running", "coffer start plain"),
    ] {
        let ran = coffer.run(&[&["run", "--rm"], flags, &[&image, "true"]].concat());
        assert_eq!(ran.status, 125, "{flags:?}: {ran}");
        assert!(ran.stderr.contains(what), "{what}: {ran}");
        assert!(ran.stderr.contains(help), "{help}: {ran}");
    }
    assert_eq!(coffer.must(&["ps", "-aq"]).lines().count(), 3, "nothing else was made");
    let ran = coffer.must(&[
        "run",
        "--rm",
        "--ipc=none",
        &image,
        "sh",
        "-c",
        "ls -d /dev/shm || echo no",
    ]);
    assert_eq!(ran, "no\n");
    assert_eq!(coffer.leftovers(), [""; 0]);
}
