//! `coffer cp`: files go in and out as cp(1) and docker have it, and no container gets more by it
//! than its own files.

#![expect(clippy::disallowed_methods, reason = "folders that the tests made")]
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::podman::Podman;
use coffer_tests::program::{self, Outcome};
use coffer_tests::registry::{Guard, Registry};

/// What a folder holds: kind, name and, of files, content.
fn listing(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut left = vec![PathBuf::new()];
    while let Some(path) = left.pop() {
        for entry in fs::read_dir(folder.join(&path)).unwrap().map(Result::unwrap) {
            let path = path.join(entry.file_name());
            let kind = entry.file_type().unwrap();
            let what = match () {
                () if kind.is_dir() => "folder".to_owned(),
                () if kind.is_symlink() => {
                    fs::read_link(entry.path()).unwrap().display().to_string()
                }
                () => fs::read_to_string(entry.path()).unwrap(),
            };
            all.push(format!("{}: {what}", path.display()));
            if kind.is_dir() {
                left.push(path);
            }
        }
    }
    all.sort();
    all
}

/// What lies outside before each copy.
fn outside(folder: &Path) {
    fs::create_dir_all(folder.join("tree/below")).unwrap();
    fs::create_dir_all(folder.join("there")).unwrap();
    for name in ["file", "other", "tree/one", "tree/below/two"] {
        fs::write(folder.join(name), name).unwrap();
    }
    symlink("one", folder.join("tree/link")).unwrap();
    symlink("tree/one", folder.join("link")).unwrap();
    symlink("there", folder.join("door")).unwrap();
}

/// The same inside, where it is to come from and go to.
const INSIDE: &str = "cd /box && mkdir -p tree/below there && for name in file other tree/one \
    tree/below/two; do printf %s $name >$name; done; ln -s one tree/link; ln -s tree/one link; \
    ln -s there door";

/// Copies, with IN for what is in the container and OUT for what is not.
const COPIES: &[&[&str]] = &[
    &["IN/file", "OUT/there"],
    &["IN/file", "OUT/there/"],
    &["IN/file", "OUT/new"],
    &["IN/file", "OUT/other"],
    &["IN/file", "OUT/door"],
    &["IN/file", "OUT/none/"],
    &["IN/file", "OUT/none/new"],
    &["IN/none", "OUT/there"],
    &["IN/tree", "OUT/there"],
    &["IN/tree/.", "OUT/there"],
    &["IN/tree", "OUT/new"],
    &["IN/tree/.", "OUT/new"],
    &["IN/tree", "OUT/other"],
    &["IN/tree", "OUT"],
    &["OUT/file", "IN/there"],
    &["OUT/file", "IN/there/"],
    &["OUT/file", "IN/new"],
    &["OUT/file", "IN/other"],
    &["OUT/file", "IN/door"],
    &["OUT/file", "IN/none/"],
    &["OUT/file", "IN/none/new"],
    &["OUT/none", "IN/there"],
    &["OUT/tree", "IN/there"],
    &["OUT/tree/.", "IN/there"],
    &["OUT/tree", "IN/new"],
    &["OUT/tree/.", "IN/new"],
    &["OUT/tree", "IN/other"],
    &["OUT/tree", "IN"],
];

/// What comes of a copy by `engine`: whether it was done, and what is on each side then.
fn copied(engine: &dyn Fn(&[&str]) -> Outcome, words: &[&str]) -> (bool, Vec<String>, String) {
    let folder = tempfile::tempdir().unwrap();
    outside(folder.path());
    let fresh = format!("rm -rf /box && mkdir /box && {INSIDE}");
    engine(&["exec", "box", "sh", "-c", &fresh]).success();
    let place = folder.path().to_str().unwrap();
    let words: Vec<String> =
        words.iter().map(|w| w.replace("IN", "box:/box").replace("OUT", place)).collect();
    let line = [&["cp"], &*words.iter().map(String::as_str).collect::<Vec<_>>()].concat();
    let done = engine(&line).status == 0;
    let list = "cd /box; find . -type f -exec sh -c 'echo $0; cat $0; echo' {} \\; ; \
        find . -type d; find . -type l -exec sh -c 'echo $0; readlink $0' {} \\;";
    let inside = engine(&["exec", "box", "sh", "-c", list]).success();
    let mut inside: Vec<&str> = inside.lines().collect();
    inside.sort_unstable();
    (done, listing(folder.path()), inside.join("\n"))
}

#[test]
fn root_files_land_where_podman_puts_them() {
    if !program::root() {
        return;
    }
    let registry = Registry::start(Guard::Plain);
    let (coffer, id) = Coffer::with(&BUSYBOX);
    let podman = Podman::with_crun();
    let name = registry.push(&BUSYBOX);
    podman.pull(&name);
    coffer.must(&["run", "-d", "--name", "box", &id, "sleep", "1000"]);
    podman.run(&["run", "-d", "--name", "box", &name, "sleep", "1000"]).success();
    for words in COPIES {
        let ours = copied(&|line| coffer.run(line), words);
        let theirs = copied(&|line| podman.run(line), words);
        assert_eq!(ours, theirs, "{words:?}");
    }
    podman.run(&["rm", "-f", "-t", "0", "box"]).success();
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_it_makes_no_difference_whether_it_runs_and_who_asks() {
    if !program::root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "x").unwrap();
    let archive = folder.path().join("archive");
    let pack = ["--owner=7", "--group=8", "-cf", archive.to_str().unwrap(), "file"];
    let packed = Command::new("tar").arg("-C").arg(folder.path()).args(pack).status();
    assert!(packed.unwrap().success());
    for coffer in [Coffer::default(), Coffer::of_user()] {
        let id = coffer.take_in(&BUSYBOX);
        let memory = "/memory:mode=1777";
        coffer.must(&["create", "--name", "box", "--tmpfs", memory, &id, "sleep", "1000"]);
        for verb in [&["ps"][..], &["start", "box"], &["pause", "box"], &["stop", "-t0", "box"]] {
            if verb[0] == "pause" && coffer.run(verb).status != 0 {
                // Without a control group of one's own nobody is paused.
                continue;
            }
            drop(coffer.run(verb));
            let mut into = coffer.command(&["cp", "-", "box:/usr"]);
            let into = into.stdin(File::open(&archive).unwrap()).output().unwrap();
            assert!(into.status.success(), "{verb:?}: {into:?}");
            let out = coffer.command(&["cp", "box:/usr/file", "-"]).output().unwrap();
            assert!(out.status.success(), "{verb:?}: {out:?}");
            let again = folder.path().join("again");
            fs::write(&again, out.stdout).unwrap();
            let list = Command::new("tar").arg("--numeric-owner").arg("-tvf").arg(again).output();
            let list = String::from_utf8(list.unwrap().stdout).unwrap();
            assert!(list.contains(" 7/8 ") && list.ends_with(" file\n"), "{verb:?}: {list}");
        }
        assert_eq!(coffer.leftovers(), [""; 0]);
    }
}

#[test]
fn root_owners_are_the_callers_and_the_containers_root_unless_archived() {
    if !program::root() {
        return;
    }
    let (coffer, id) = Coffer::with(&BUSYBOX);
    coffer.must(&["run", "-d", "--name", "box", &id, "sleep", "1000"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    chown(&file, Some(5), Some(6)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o4751)).unwrap();
    let file = file.to_str().unwrap();
    let stat = |path: &str| coffer.must(&["exec", "box", "stat", "-c", "%u:%g %a", path]);
    coffer.must(&["cp", file, "box:/plain"]);
    assert_eq!(stat("/plain"), "0:0 751\n");
    coffer.must(&["cp", "-a", file, "box:/whole"]);
    assert_eq!(stat("/whole"), "5:6 4751\n");
    // On the way out nothing brings rights along, whoever owns it then.
    let about = |flags: &[&str], name: &str| {
        let to = folder.path().join(name);
        coffer.must(&[&["cp"], flags, &["box:/whole", to.to_str().unwrap()]].concat());
        let about = fs::metadata(to).unwrap();
        (about.uid(), about.gid(), about.mode() & 0o7777)
    };
    assert_eq!(about(&[], "mine"), (0, 0, 0o751));
    assert_eq!(about(&["-a"], "theirs"), (5, 6, 0o751));
    // An id that the container has not.
    chown(file, Some(70_000), Some(6)).unwrap();
    let said = coffer.run(&["cp", "-a", file, "box:/none"]).failure(125);
    assert!(said.contains("belongs to 70000:6, which are no ids here"), "{said}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_volumes_and_read_only_roots_are_what_they_are_inside() {
    if !program::root() {
        return;
    }
    let (coffer, id) = Coffer::with(&BUSYBOX);
    let folder = tempfile::tempdir().unwrap();
    let volume = format!("{}:/data", folder.path().display());
    let sealed = format!("{}:/sealed:ro", folder.path().display());
    let line =
        ["create", "--name", "box", "--read-only", "-v", &volume, "-v", &sealed, &id, "true"];
    coffer.must(&line);
    let file = folder.path().join("file");
    fs::write(&file, "kept").unwrap();
    let file = file.to_str().unwrap();
    coffer.must(&["cp", file, "box:/data/copy"]);
    assert_eq!(fs::read_to_string(folder.path().join("copy")).unwrap(), "kept");
    for place in ["box:/etc/copy", "box:/sealed/other"] {
        let said = coffer.run(&["cp", file, place]).failure(125);
        assert!(said.contains("read-only file system"), "{place}: {said}");
    }
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_what_cannot_be_meant_is_said() {
    if !program::root() {
        return;
    }
    let (coffer, id) = Coffer::with(&BUSYBOX);
    coffer.must(&["create", "--name", "box", &id, "true"]);
    let said = |words: &[&str]| coffer.run(&[&["cp"], words].concat()).failure(125);
    assert!(said(&["box:/a", "box:/b"]).contains("help: coffer cp NAME:PATH - | coffer cp - "));
    assert!(said(&["/a", "/b"]).contains("neither of the two is in a container"));
    assert!(said(&["-L", "-", "box:/"]).contains("--follow-link"));
    assert!(said(&["nobody:/a", "/b"]).contains("no such container: nobody"));
    assert!(said(&["box:/none", "."]).contains("there is no /none"));
    assert!(said(&["/etc/passwd", "box:/proc/x"]).contains("the kernel's own"));
    assert!(said(&["-", "box:/none"]).contains("there is no folder /none"));
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// CVE-2018-15664: a container that exchanges a folder and a link to the host's while files go in
/// and out.
#[test]
fn root_a_container_that_exchanges_names_reaches_nothing_of_the_hosts() {
    if !program::root() {
        return;
    }
    let (coffer, id) = Coffer::with(&BUSYBOX);
    let host = tempfile::tempdir().unwrap();
    fs::set_permissions(host.path(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(host.path().join("file"), "the host's secret").unwrap();
    let (place, to) = (host.path().to_str().unwrap(), tempfile::tempdir().unwrap());
    // The same path is there inside, with another content.
    let line = format!(
        "mkdir -p {place} /d; echo own >/d/file; echo own >{place}/file; ln -s {place} /l; \
         echo ready; while :; do mv /d /t; mv /l /d; mv /t /l; mv /l /t; mv /d /l; mv /t /d; done"
    );
    coffer.must(&["run", "-d", "--name", "box", &id, "sh", "-c", &line]);
    coffer.logs_until("box", "ready");
    let from = to.path().join("from");
    fs::write(&from, "theirs now").unwrap();
    let mut done = 0;
    for turn in 0..40 {
        let out = to.path().join(turn.to_string());
        let words = ["cp", "-L", "box:/d/file", out.to_str().unwrap()];
        if coffer.run(&words).status == 0 {
            done += 1;
            assert_ne!(fs::read_to_string(&out).unwrap(), "the host's secret");
        }
        drop(coffer.run(&["cp", from.to_str().unwrap(), "box:/d/new"]));
        drop(coffer.run(&["cp", from.to_str().unwrap(), "box:/d/file"]));
    }
    assert!(done > 0, "nothing was ever copied");
    assert_eq!(listing(host.path()), ["file: the host's secret"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// CVE-2019-14271: `docker cp` loaded a library of the container's with the host's rights. Here no
/// program is executed and no root is changed, whatever the container has.
#[test]
fn root_nothing_of_the_containers_is_executed() {
    if !program::root() {
        return;
    }
    let (coffer, id) = Coffer::with(&BUSYBOX);
    let line = "mkdir -p /lib /etc; echo hostile >/lib/libnss_files.so.2; \
        echo /lib/libnss_files.so.2 >/etc/ld.so.preload; echo ready; exec sleep 1000";
    coffer.must(&["run", "-d", "--name", "box", &id, "sh", "-c", line]);
    coffer.logs_until("box", "ready");
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    for state in ["running", "ended"] {
        let log = folder.path().join(state);
        let command = coffer.command(&["cp", "box:/lib", place]);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-y", "--quiet=all", "-e", "trace=execve,execveat,chroot,mmap", "-o"]);
        strace.arg(&log).arg("--").arg(command.get_program());
        coffer.prepare(&mut strace);
        program::run(strace.args(command.get_args())).success();
        let calls = fs::read_to_string(&log).unwrap();
        let made = |call: &str| calls.lines().filter(|line| line.contains(call)).count();
        assert_eq!((made("execve("), made("execveat("), made("chroot(")), (1, 0, 0), "{calls}");
        assert!(!calls.contains("libnss_files.so.2>"), "mapped: {calls}");
        assert_eq!(
            fs::read_to_string(folder.path().join("lib/libnss_files.so.2")).unwrap(),
            "hostile\n"
        );
        coffer.must(&["stop", "-t", "0", "box"]);
    }
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// What a container keeps for whoever copies from it.
#[test]
fn root_what_a_container_has_laid_out_does_no_harm_outside() {
    if !program::root() {
        return;
    }
    let (coffer, id) = Coffer::with(&BUSYBOX);
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("precious"), "ours").unwrap();
    let place = host.path().to_str().unwrap();
    let line = format!(
        "mkdir -p /x/sub; ln -s {place} /x/out; ln -s {place}/precious /x/file; mkfifo /x/pipe; \
         echo s >/x/setuid; chmod 6777 /x/setuid; chmod 777 /x/sub; echo $'/x/\\033[31m' >/x/$'\\033[31m'; \
         ln -s {place}/precious /top; echo ready; exec sleep 1000"
    );
    coffer.must(&["run", "-d", "--name", "box", &id, "sh", "-c", &line]);
    coffer.logs_until("box", "ready");
    let to = tempfile::tempdir().unwrap();
    let out = to.path().join("x");
    coffer.must(&["cp", "box:/x", out.to_str().unwrap()]);
    assert_eq!(fs::read_link(out.join("out")).unwrap(), host.path());
    assert_eq!(fs::metadata(out.join("setuid")).unwrap().mode() & 0o7777, 0o777);
    // Again over what it has made: its links are not walked through.
    coffer.must(&["cp", "box:/x/.", out.to_str().unwrap()]);
    // A link is copied as it is; what it leads to is the container's, which has nothing there.
    let link = to.path().join("top");
    coffer.must(&["cp", "box:/top", link.to_str().unwrap()]);
    assert_eq!(fs::read_link(&link).unwrap(), host.path().join("precious"));
    let said = coffer.run(&["cp", "-L", "box:/top", to.path().to_str().unwrap()]).failure(125);
    assert!(said.contains("there is no"), "{said}");
    // A volume of the host's with a device and all: none comes out.
    let null = coffer.run(&["cp", "box:/dev/null", to.path().join("null").to_str().unwrap()]);
    assert_eq!(null.status, 0, "{null}");
    assert!(null.stderr.contains("1 devices were left out") && !to.path().join("null").exists());
    assert_eq!(listing(host.path()), ["precious: ours"]);
    assert_eq!(fs::metadata(host.path().join("precious")).unwrap().nlink(), 1);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// Whoever reads or writes the archive goes away in the middle.
#[test]
fn root_a_copy_ends_when_the_other_side_has_gone() {
    if !program::root() {
        return;
    }
    let (coffer, id) = Coffer::with(&BUSYBOX);
    let line = "head -c 3000000 /dev/zero >/big; echo ready; exec sleep 1000";
    coffer.must(&["run", "-d", "--name", "box", &id, "sh", "-c", line]);
    coffer.logs_until("box", "ready");
    let mut copy = coffer.command(&["cp", "box:/big", "-"]);
    let mut copy = copy.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(copy.stdout.take());
    assert_eq!(copy.wait().unwrap().code(), Some(125));
    let full = coffer.run(&["cp", "box:/big", "/dev/full/x"]).failure(125);
    assert!(full.contains("is no folder"), "{full}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}
