//! A container cannot use up the disk that the store lies on: tried on small disks that may be
//! filled, as root and as an ordinary user.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's own files by their own paths; what cannot be had fails it"
)]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program::{self, Outcome};

/// A quarter of what the host keeps of the disks here, which have half a GiB.
const LEFT: u64 = 64 << 20;
const WHY: &str = "it was ended before it took the last room of the disk";

/// Runs a script in which `coffer` is the one of the fixture, with a store on a disk of its own that
/// `make` mounts at `$1`. What it prints are lines; `room` prints how many bytes are free.
fn on_disk(coffer: &Coffer, make: &str, script: &str) -> Outcome {
    fs::create_dir_all(coffer.root()).unwrap();
    let owner = fs::metadata(coffer.home()).or_else(|_| fs::metadata(coffer.root())).unwrap();
    let called = coffer.command(&[]);
    let words: Vec<String> = std::iter::once(called.get_program())
        .chain(called.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap().replace('\'', "'\\''")))
        .collect();
    let layout = coffer.layout(&BUSYBOX);
    let whole = format!(
        "coffer() {{ {}\n}}
         room() {{ set -- $(stat -f -c '%a %S' \"$ROOM\"); echo $(($1 * $2)); }}
         files() {{ stat -f -c %d \"$ROOM\"; }}
         ROOM=$1; {make}
         chown {}:{} \"$1\"; chmod 700 \"$1\"
         image=$(coffer pull --quiet {layout})
         {script}",
        words.join(" ") + " \"$@\"",
        owner.uid(),
        owner.gid(),
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &whole, "sh"]);
    coffer.prepare(&mut command);
    program::run(command.arg(coffer.root()))
}

const MEMORY: &str = "mount -t tmpfs -o size=512m,nr_inodes=100k none \"$1\"";
const EXT4: &str = "truncate -s 600M \"$1.img\"
    mkfs.ext4 -q -m 5 \"$1.img\"
    mount -o loop \"$1.img\" \"$1\"";

fn number(outcome: &Outcome, line: usize) -> u64 {
    let line = outcome.stdout.lines().nth(line).unwrap_or_default();
    line.parse().unwrap_or_else(|_| panic!("{line:?} in {outcome}"))
}

fn callers() -> Vec<Coffer> {
    if program::root() { vec![Coffer::default(), Coffer::of_user()] } else { Vec::new() }
}

/// A volume without a name is the container's own; one with a name is the caller's.
#[test]
fn root_what_is_taken_by_volumes_without_a_name_counts() {
    let script = "
        coffer run --name own -v /own $image sh -c 'cat /dev/zero >/own/big'; echo $?; room
        coffer rm -v own; room
        coffer run --rm -v named:/named $image sh -c 'head -c 400000000 /dev/zero >/named/big'; echo $?
    ";
    for coffer in callers() {
        let ran = on_disk(&coffer, MEMORY, script);
        assert_eq!((number(&ran, 0), number(&ran, 4)), (137, 0), "{ran}");
        assert!(ran.stderr.contains(WHY), "{ran}");
        assert!(number(&ran, 1) > LEFT / 4, "{ran}");
        assert!(
            number(&ran, 3) > number(&ran, 1) + (100 << 20),
            "it goes with its container: {ran}"
        );
    }
}

#[test]
fn root_bytes_are_kept_in_the_foreground_and_beside_it() {
    let script = "
        coffer run --name fore $image sh -c 'cat /dev/zero >/big'; echo $?; room
        coffer ps -a --format '{{.Status}}'
        coffer inspect fore | grep '\"Error\"'
        coffer rm fore
        coffer run -d --name back $image sh -c 'while :; do head -c 900000 /dev/zero >/$((i += 1)); done' >&2
        coffer wait back; room
        coffer ps -a --json | grep '\"ended_for\"'
        coffer rm back; room
    ";
    for coffer in callers() {
        let ran = on_disk(&coffer, MEMORY, script);
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!((lines[0], lines[5]), ("137", "137"), "{ran}");
        assert!(number(&ran, 1) > LEFT && number(&ran, 6) > LEFT, "{ran}");
        assert!(lines[2].starts_with("Exited (137) ") && lines[2].ends_with(" (disk)"), "{ran}");
        assert!(lines[3].contains(WHY) && lines[7].contains("\"bytes\""), "{ran}");
        assert!(number(&ran, 9) > 400 << 20, "{ran}");
        assert_eq!(ran.stderr.matches(WHY).count(), 1, "said where somebody looks: {ran}");
        assert!(
            ran.stderr.contains("\nhelp: make room, or say what it may write: --read-only"),
            "{ran}"
        );
    }
}

#[test]
fn root_inodes_are_kept() {
    let script = "
        coffer run --name many $image sh -c 'while :; do : >/$((i += 1)); done'; echo $?; files
        coffer rm many
    ";
    for coffer in callers() {
        let ran = on_disk(&coffer, MEMORY, script);
        assert_eq!(number(&ran, 0), 137, "{ran}");
        assert!(number(&ran, 1) > 8_000, "{ran}");
        assert!(ran.stderr.contains("it took the last files of the disk"), "{ran}");
    }
}

/// Neither of them is to be seen in the container's folder, or takes time to write.
#[test]
fn root_what_has_no_name_and_what_was_only_allocated_is_given_back() {
    let script = "
        coffer run --name open $image sh -c 'exec 3>/x; rm /x; cat /dev/zero >&3'; echo $?; room
        coffer run --name alloc $image sh -c 'fallocate -l 470M /x; sleep 1000'
        echo $?; room
        coffer rm open
    ";
    for coffer in callers() {
        let ran = on_disk(&coffer, MEMORY, script);
        assert_eq!((number(&ran, 0), number(&ran, 2)), (137, 137), "{ran}");
        assert!(number(&ran, 1) > 400 << 20 && number(&ran, 3) > 400 << 20, "{ran}");
    }
}

/// Somebody else fills the disk: who wrote nothing goes on, and who writes then is ended, and that
/// can be written down.
#[test]
fn root_who_takes_nothing_is_left_alone() {
    if !program::root() {
        return;
    }
    let script = "
        coffer run -d --name idle $image sh -c 'mkfifo /wait; read x </wait; exit 3' >&2
        coffer run -d --name late $image sh -c 'mkfifo /wait; read x </wait; cat /dev/zero >/x' >&2
        cat /dev/zero | head -c 400M >\"$1/filler\"
        coffer exec late sh -c 'echo >/wait'; coffer wait late
        cat /dev/zero >\"$1/more\"
        coffer exec idle sh -c 'echo >/wait'; coffer wait idle
        coffer ps -a --format '{{.Names}} {{.Status}}'
    ";
    let ran = on_disk(&Coffer::default(), MEMORY, script);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(&lines[..2], ["137", "3"], "{ran}");
    assert!(lines[2].starts_with("late Exited (137)") && lines[2].ends_with("(disk)"), "{ran}");
    assert!(lines[3].starts_with("idle Exited (3)") && lines[3].ends_with("ago"), "{ran}");
}

/// A monitor that comes later counts from the container's start.
#[test]
fn root_a_monitor_that_was_killed_is_no_way_around() {
    if !program::root() {
        return;
    }
    let script = "
        coffer run -d --name box $image sh -c 'mkfifo /wait; read x </wait; cat /dev/zero >/x; sleep 1000' >&2
        monitor=$(sed 's/.*\"parent\":{\"pid\":\\([0-9]*\\).*/\\1/' \"$1\"/containers/*/state.json)
        kill -9 $monitor
        echo >/proc/$(coffer inspect --format '{{.State.Pid}}' box)/root/wait
        coffer wait box; coffer ps -a --format '{{.Status}}'
    ";
    let ran = on_disk(&Coffer::default(), MEMORY, script);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], "137", "{ran}");
    assert!(lines[1].ends_with("(disk)"), "{ran}");
}

/// What ext4 keeps for root, no container of root's can take: overlay's files are made with the ids
/// of the container. That holds for what is only allocated too.
#[test]
fn root_what_the_file_system_keeps_for_root_is_kept() {
    if !program::root() {
        return;
    }
    let script = "
        coffer run -d --name box $image sleep 1000 >&2
        coffer exec box sh -c 'for size in 400M 100M 40M 10M 4M 1M 300k 100k 30k 8k 4k; do
            while fallocate -l $size /$((i += 1)); do :; done; done' 2>/dev/null
        set -- $(stat -f -c '%f %a %S' \"$ROOM\"); echo $((($1 - $2) * $3))
        dd if=/dev/zero of=\"$ROOM/hosts\" bs=1M count=16 2>/dev/null; echo $?
        coffer rm -f box
    ";
    let ran = on_disk(&Coffer::default(), EXT4, script);
    assert!(number(&ran, 0) > 20 << 20, "{ran}");
    assert_eq!(number(&ran, 1), 0, "{ran}");
}
