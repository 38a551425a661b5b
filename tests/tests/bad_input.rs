//! Bad input: each flag of `run` and `create` with values that it cannot have, and flags that
//! contradict each other. Each is an error that names the flag or what it names, and the way on;
//! nothing is started, and store, ids, control groups, mounts and the host's files are as before.

#![expect(clippy::disallowed_methods, reason = "a test's own folders, and /proc")]
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use coffer_tests::coffer::{Coffer, control_groups};
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;

/// Which verb is to refuse.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refuses {
    /// Both: what can be told without a process.
    Both,
    /// `run`; `create` cannot tell, since only the container's own kernel knows.
    Run,
}
use Refuses::{Both, Run};

/// Flags, with `@` for the test's folder; words that the error has.
type Case = (&'static [&'static str], &'static [&'static str], Refuses);

/// What every error has that a value's form is refused with.
const FORM: &str = "is not a value for --";

#[rustfmt::skip]
const VALUES: &[Case] = &[
    // The process.
    (&["--name=a b"], &["\"a b\"", FORM, "name <", "a-z A-Z"], Both),
    (&["--name=x"], &["\"x\"", FORM, "two or more"], Both),
    (&["--name=taken"], &["taken", "coffer rm taken"], Both),
    (&["--env==1"], &["\"=…\"", FORM, "env <", "NAME=value"], Both),
    (&["--env=A B=1"], &["\"A B=…\"", FORM, "NAME=value"], Both),
    (&["--env-file=@/none"], &["--env-file", "@/none", "no such file"], Both),
    (&["--env-file=@/folder"], &["--env-file", "@/folder", "is a directory"], Both),
    (&["--env-file=@/words"], &["@/words, line 1", "\"two words=…\"", "NAME=value"], Both),
    (&["--env-file=@/bytes"], &["--env-file", "@/bytes", "not UTF-8"], Both),
    (&["--env-file=@/big"], &["--env-file", "@/big", "longer than 1 MiB"], Both),
    (&["--workdir=srv"], &["\"srv\"", FORM, "workdir <", "absolute"], Both),
    (&["--workdir=/etc/passwd"], &["/etc/passwd", "not a directory", "--workdir"], Run),
    (&["--user=nobody-such"], &["\"nobody-such\"", "/etc/passwd", "--user 1000:1000"], Both),
    (&["--user=0:none-such"], &["\"none-such\"", "/etc/group", "--user 0:1000"], Both),
    (&["--user=-1"], &["\"-1\"", FORM, "user <", "plain decimal number"], Both),
    (&["--user=4294967295"], &[FORM, "from 0 to 2147483647"], Both),
    (&["--user=1:2:3"], &["\"1:2:3\"", FORM, "uid:gid"], Both),
    (&["--group-add=none-such"], &["\"none-such\"", "/etc/group", "numbers"], Both),
    (&["--group-add=1:2"], &["\"1:2\"", FORM, "group-add <", "group or gid"], Both),
    (&["--label==x"], &["\"=x\"", FORM, "label <", "NAME=VALUE"], Both),
    (&["--label-file=@/none"], &["--label-file", "@/none", "no such file"], Both),
    (&["--label-file=@/nameless"], &["\"=x\"", "@/nameless", "NAME=VALUE"], Both),
    (&["--stop-signal=NOPE"], &["\"NOPE\"", FORM, "stop-signal <", "TERM"], Both),
    (&["--stop-signal=65"], &["\"65\"", FORM, "1 to 64"], Both),
    (&["--stop-timeout=-1"], &["\"-1\"", FORM, "stop-timeout <", "seconds"], Both),
    (&["--cidfile=@/words"], &["--cidfile", "@/words", "file exists", "name another"], Both),
    (&["--cidfile=@/none/id"], &["--cidfile", "@/none/id", "name a file"], Both),
    // Files.
    (&["--volume=tmp"], &["\"tmp\"", FORM, "volume <", "NAME:/path"], Both),
    (&["--volume=da ta:/x"], &["\"da ta\"", FORM, "cannot name a volume", "./"], Both),
    (&["--volume=@/new:/proc"], &["\"/proc\"", FORM, "on the root, /proc or /sys"], Both),
    (&["--volume=@/new:/x:ro,rw"], &[FORM, "ro and rw contradict", "leave one"], Both),
    (&["--volume=@/new:/x:z,Z"], &[FORM, "z and Z contradict", "leave one"], Both),
    (&["--volume=@/new:/x:suid"], &[FORM, "\"suid\"", "there are"], Both),
    (&["--volume=@/words/x:/x"], &["@/words/x", "for a volume", "not a directory"], Both),
    (&["--volume=@/new:/x", "--tmpfs=/x/"], &["two mounts", "/x", "leave one"], Both),
    (&["--mount=type=bind,target=/x"], &[FORM, "mount <", "source is missing"], Both),
    (&["--mount=type=npipe,target=/x"], &[FORM, "\"npipe\"", "tmpfs are"], Both),
    (&["--mount=type=tmpfs,target=/x,tmpfs-size=0"], &[FORM, "tmpfs-size=0"], Both),
    (&["--mount=type=tmpfs,target=/x,target=/y"], &[FORM, "contradict", "leave one"], Both),
    (&["--mount=type=bind,source=@/none,target=/x"], &["@/none", "-v makes"], Run),
    (&["--tmpfs=x"], &["\"x\"", FORM, "tmpfs <", "absolute"], Both),
    (&["--tmpfs=/"], &["\"/\"", FORM, "the root"], Both),
    (&["--tmpfs=/x:size=0"], &[FORM, "size=0"], Both),
    (&["--tmpfs=/x:exec,noexec"], &[FORM, "contradict", "leave one"], Both),
    // Limits.
    (&["--memory=x"], &["\"x\"", FORM, "memory <", "512m"], Both),
    (&["--memory=1m"], &["\"1m\"", FORM, "at least 6m"], Both),
    (&["--memory=64m", "--memory-swap=32m"], &["--memory-swap is less", "-1"], Both),
    (&["--memory-swap=x"], &["\"x\"", FORM, "memory-swap <"], Both),
    (&["--memory-swap=32m"], &["--memory-swap needs --memory", "--memory SIZE"], Both),
    (&["--memory=-1", "--memory-swap=32m"], &["--memory-swap needs --memory"], Both),
    (&["--memory-reservation=x"], &["\"x\"", FORM, "memory-reservation <"], Both),
    (&["--memory=64m", "--memory-reservation=1g"], &["--memory-reservation is more", "less"], Both),
    (&["--shm-size=0"], &["\"0\"", FORM, "shm-size <", "above 0"], Both),
    (&["--shm-size=1m", "--ipc=none"], &["--shm-size and --ipc none contradict"], Both),
    (&["--cpus=0"], &["\"0\"", FORM, "cpus <", "at least 0.01"], Both),
    (&["--cpus=0.001"], &["\"0.001\"", FORM, "at least 0.01"], Both),
    (&["--cpus=100000"], &["--cpus asks for 100000", "this host has", "leave --cpus out"], Both),
    (&["--cpu-shares=1"], &["\"1\"", FORM, "cpu-shares <", "2 to 262144"], Both),
    (&["--cpuset-cpus=1-0"], &["\"1-0\"", FORM, "cpuset-cpus <", "0-3,7"], Both),
    (&["--cpuset-cpus=5000"], &["--cpuset-cpus 5000", "this host has", "help: --cpuset"], Both),
    (&["--cpuset-mems=x"], &["\"x\"", FORM, "cpuset-mems <", "0-3,7"], Both),
    (&["--oom-score-adj=1001"], &["\"1001\"", FORM, "oom-score-adj <", "-1000..=1000"], Both),
    (&["--pids-limit=0"], &["\"0\"", FORM, "pids-limit <", "-1 for no limit"], Both),
    (&["--pids-limit=999999999999"], &[FORM, "1 to 4194304"], Both),
    (&["--ulimit=files=1"], &["\"files=1\"", FORM, "ulimit <", "nofile=1024"], Both),
    (&["--ulimit=nofile=2:1"], &["\"nofile=2:1\"", FORM, "hard limit last"], Both),
    (&["--ulimit=nofile=99999999999"], &["nofile=99999999999", "ask for less"], Both),
    // The fence.
    (&["--cap-add=NET_ADMN"], &["\"NET_ADMN\"", FORM, "cap-add <", "did you mean NET_ADMIN"], Both),
    (&["--cap-drop=X"], &["\"X\"", FORM, "cap-drop <", "man 7 capabilities"], Both),
    (&["--cap-add=KILL", "--cap-drop=kill"], &["KILL is both added", "leave one"], Both),
    (&["--security-opt=seccomp"], &["\"seccomp\"", FORM, "security-opt <", "seccomp=FILE"], Both),
    (&["--security-opt=seccomp=@/none"], &["system call filter", "@/none", "no such file"], Both),
    (&["--security-opt=seccomp=@/empty"], &["@/empty", "not a profile", "line 1"], Both),
    (&["--security-opt=seccomp=@/list.json"], &["@/list.json", "not a profile", "an object"], Both),
    (&["--security-opt=seccomp=@/action.json"], &["@/action.json", "defaultAction", "SCMP_ACT_LOG"], Both),
    (&["--security-opt=seccomp=@/argument.json"], &["syscalls[0].args[0].index", "0 to 5"], Both),
    (&["--security-opt=seccomp=@/call.json"], &["\"raed\"", "did you mean read"], Both),
    (&["--security-opt=seccomp=@/bytes"], &["@/bytes", "not UTF-8"], Both),
    (&["--security-opt=landlock=@/none"], &["landlock", "@/none", "no such file"], Both),
    (&["--security-opt=landlock=@/empty"], &["@/empty", "help: a policy looks like"], Both),
    (&["--security-opt=landlock=@/scope.json"], &["`x`", "signals", "a policy looks like"], Both),
    (&["--security-opt=apparmor=none-such"], &["\"none-such\"", "help: "], Both),
    (&["--security-opt=label=type:none_t"], &["none_t", "help: "], Both),
    (&["--security-opt=label=disable", "--security-opt=label=type:x_t"], &["contradict", "leave one"], Both),
    (&["--userns=keep-id"], &["\"keep-id\"", FORM, "userns <", "`auto`"], Both),
    (&["--userns=container:none"], &["no such container: none", "coffer ps"], Both),
    (&["--userns=host", "--allow-setuid"], &["leave out --allow-setuid, or --userns host"], Both),
    (&["--pid=shared"], &["\"shared\"", FORM, "pid <", "`private`"], Both),
    (&["--pid=container:none"], &["no such container: none", "coffer ps"], Both),
    (&["--ipc=shared"], &["\"shared\"", FORM, "ipc <", "`private`"], Both),
    (&["--ipc=container:taken"], &["taken"], Both),
    (&["--device=null"], &["\"null\"", FORM, "device <", "absolute path"], Both),
    (&["--device=/dev/null:/proc/x"], &["\"/proc/x\"", FORM, "on the root, /proc or /sys"], Both),
    (&["--device=/dev/null:/dev/x:q"], &["\"q\"", FORM, "r, w and m"], Both),
    (&["--device=/dev/none-such"], &["/dev/none-such", "leave --device out"], Both),
    (&["--device=/dev/null:/dev/x", "--device=/dev/zero:/dev/x"], &["--device gives /dev/x twice", "leave one"], Both),
    (&["--privileged"], &["--privileged --yes-really"], Both),
    (&["--yes-really"], &["--privileged"], Both),
    (&["--privileged", "--yes-really", "--cap-drop=KILL"], &["contradict", "--cap-add NAME"], Both),
    (&["--sysctl=net"], &["\"net\"", FORM, "sysctl <", "NAME=VALUE"], Both),
    (&["--sysctl=../x=1"], &["\"../x\"", "net.ipv4.ip_forward"], Both),
    (&["--sysctl=vm.swappiness=1"], &["vm.swappiness", "on the host"], Both),
    (&["--sysctl=kernel.hostname=x"], &["kernel.hostname", "--hostname"], Both),
    (&["--sysctl=net.ipv4.ip_forward=1", "--network=host"], &["net.ipv4.ip_forward", "leave the namespace"], Both),
    (&["--sysctl=kernel.msgmax=abc"], &["kernel.msgmax to \"abc\"", "refuses the value"], Run),
    (&["--sysctl=net.ipv4.none=1"], &["net.ipv4.none", "no such parameter"], Run),
    // The network.
    (&["--tmpfs=/x:uid=99999999"], &["user 99999999", "container's ids", "smaller id"], Both),
    (&["--tmpfs=/x:gid=99999999"], &["group 99999999", "container's ids", "smaller id"], Both),
    (&["--network=bridge"], &["\"bridge\"", FORM, "network <", "`none` (loopback alone) and `host`"], Both),
    (&["--restart=always"], &["\"always\"", FORM, "restart <", "no daemon", "Restart=on-failure"], Both),
    (&["--cgroupns=host"], &["\"host\"", FORM, "cgroupns <", "private"], Both),
    (&["--hostname=a b"], &["\"a b\"", FORM, "hostname <", "1 to 64 letters"], Both),
    (&["--domainname=a\nb"], &[FORM, "domainname <", "1 to 64 letters"], Both),
    (&["--dns=x"], &["\"x\"", FORM, "dns <", "IP address"], Both),
    (&["--dns-search=a\nnameserver 192.0.2.1"], &[FORM, "dns-search <", "one word"], Both),
    (&["--dns-option=a b"], &["\"a b\"", FORM, "dns-option <", "one word"], Both),
    (&["--add-host=db"], &["\"db\"", FORM, "add-host <", "NAME:ADDRESS"], Both),
    // The image.
    (&["--pull=often"], &["\"often\"", FORM, "pull <", "missing, always, never"], Both),
    (&["--pull=always", "--offline"], &["--offline and --pull always contradict", "leave one"], Both),
    (&["--quiet", "--verbose"], &["--quiet and --verbose contradict", "leave one"], Both),
    (&["--tier=steel"], &["\"steel\"", FORM, "tier <", "native"], Both),
    (&["--platform=x"], &["\"x\"", FORM, "platform <", "linux/arm64"], Both),
    (&["--platform=plan9/arm"], &["plan9/arm", "help: take another platform"], Both),
    (&["--max-image-size=x"], &["\"x\"", FORM, "max-image-size <", "512m"], Both),
    (&["--max-image-ratio=x"], &["\"x\"", FORM, "max-image-ratio <", "whole number"], Both),
    (&["--max-image-entries=-1"], &["\"-1\"", FORM, "max-image-entries <", "whole number"], Both),
    (&["--max-path-bytes=1.5"], &["\"1.5\"", FORM, "max-path-bytes <", "whole number"], Both),
    (&["--max-path-depth=x"], &["\"x\"", FORM, "max-path-depth <", "whole number"], Both),
    (&["--max-xattr-bytes=x"], &["\"x\"", FORM, "max-xattr-bytes <", "512m"], Both),
    (&["--root=@/words"], &["@/words", "data root", "not a directory"], Both),
    (&["--sig-proxy=perhaps"], &["\"perhaps\"", FORM, "sig-proxy", "true, false"], Run),
    (&["--detach-keys=ctrl-1"], &["\"ctrl-1\"", FORM, "detach-keys <", "ctrl-"], Run),
];

/// Flags that take an empty value as docker does: as if they were not there, or for none.
const EMPTY: &[&str] =
    &["--entrypoint", "--user", "--userns", "--pid", "--ipc", "--domainname", "--detach-keys"];

/// Flags whose values are all possible: a program that is not there ends with 127, as with docker.
const ANY: &[&str] = &["--entrypoint"];

/// Flags of `run` alone: `create` does not have them.
const AT_TERMINAL: &[&str] = &["--sig-proxy", "--detach-keys"];

fn name(flag: &str) -> &str {
    flag.split('=').next().unwrap_or_default()
}

/// What a refused container could have left: files of the store and beside it, and mounts.
/// Control groups are made for a process alone, see [`starts_not`].
fn everything(coffer: &Coffer, folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for top in [&coffer.root(), folder] {
        files(top, &mut found);
    }
    let mounts = fs::read("/proc/self/mountinfo").unwrap();
    found.insert("mounts".to_owned(), mounts);
    found
}

fn files(folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        let content = if kind.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        found.insert(path.display().to_string(), content);
        if kind.is_dir() {
            files(&path, found);
        }
    }
}

/// A folder with files that cannot be read as what they are named for.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    write("words", b"two words=1\n");
    write("nameless", b"=x\n");
    write("bytes", b"\xff\xfe");
    write("big", &vec![b'#'; (1 << 20) + 1]);
    write("empty", b"");
    write("list.json", b"[]");
    write("action.json", br#"{"defaultAction":"SCMP_ACT_FOO"}"#);
    write(
        "argument.json",
        br#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["open"],"action":
        "SCMP_ACT_LOG","args":[{"index":9,"value":1,"op":"SCMP_CMP_EQ"}]}]}"#,
    );
    write(
        "call.json",
        br#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["raed"],"action":
        "SCMP_ACT_ALLOW"}]}"#,
    );
    write("scope.json", br#"{"scope":["x"]}"#);
    folder
}

/// The flags of a verb that take a value, from its help.
fn flags_with_values(coffer: &Coffer, verb: &str) -> BTreeSet<String> {
    let help = coffer.must(&[verb, "--help"]);
    let lines = help.lines().map(str::trim).filter(|line| line.starts_with('-'));
    let words =
        lines.filter(|line| line.contains('<')).flat_map(|line| line.split([' ', '[', '=']));
    words.filter(|word| word.starts_with("--")).map(str::to_owned).collect()
}

/// Tries flags with a verb; says what is wrong with what came of it.
fn wrong(
    coffer: &Coffer,
    verb: &str,
    flags: &[&str],
    image: &str,
    words: &[&str],
) -> Option<String> {
    let ran = coffer.run(&[&[verb, "--rm"], flags, &[image, "true"]].concat());
    let lacks = words.iter().find(|word| !ran.stderr.contains(**word));
    let mut why = Vec::new();
    if ran.status != 125 || !ran.stdout.is_empty() {
        why.push("it was taken".to_owned());
    }
    if let Some(word) = lacks {
        why.push(format!("{word:?} is not said"));
    }
    (!why.is_empty()).then(|| format!("{verb} {flags:?}: {why:?}: {ran}"))
}

/// What only the container's own kernel refuses: it is made, its start is refused, and no control
/// group stays.
#[track_caller]
fn starts_not(coffer: &Coffer, flags: &[&str], image: &str) {
    let made = coffer.must(&[&["create"], flags, &[image, "true"]].concat());
    let id = made.trim();
    let started = coffer.run(&["start", id]);
    assert_ne!(started.status, 0, "{flags:?} {started}");
    assert_eq!(control_groups(Path::new("/sys/fs/cgroup"), id), [""; 0], "{flags:?}");
    coffer.must(&["rm", id]);
}

fn all_refused(coffer: &Coffer) {
    let image = coffer.take_in(&BUSYBOX);
    coffer.must(&["create", "--name", "taken", &image]);
    let folder = folder();
    // Once for what the first run makes for all.
    coffer.must(&["run", "--rm", &image, "true"]);
    let mut before = everything(coffer, folder.path());
    let mut all = String::new();
    let path = folder.path().display().to_string();
    for (flags, words, refuses) in VALUES {
        let fill = |word: &&str| word.replace('@', &path);
        let (flags, words) = (flags.iter().map(fill), words.iter().map(fill));
        let (flags, words): (Vec<String>, Vec<String>) = (flags.collect(), words.collect());
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let verbs: &[&str] = if *refuses == Both { &["run", "create"] } else { &["run"] };
        for verb in verbs {
            all.extend(wrong(coffer, verb, &flags, &image, &words));
        }
        if *refuses == Run && !flags.iter().any(|flag| AT_TERMINAL.contains(&name(flag))) {
            starts_not(coffer, &flags, &image);
        }
        let after = everything(coffer, folder.path());
        let differs = |(name, content): &(&String, &Vec<u8>)| before.get(*name) != Some(*content);
        let new = after.iter().filter(differs).map(|(name, _)| name);
        let left: Vec<_> =
            new.chain(before.keys().filter(|name| !after.contains_key(*name))).collect();
        if !left.is_empty() {
            all.push_str(&format!("{flags:?} changed {left:?}\n"));
            before = after;
        }
    }
    assert!(all.is_empty(), "{all}");
    coffer.must(&["rm", "taken"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_bad_values_are_refused_and_leave_nothing() {
    if program::root() {
        all_refused(&Coffer::default());
    }
}

#[test]
fn root_empty_values_are_refused_or_dockers() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BUSYBOX);
    let mut all = String::new();
    for verb in ["run", "create"] {
        for flag in flags_with_values(&coffer, verb) {
            let given = format!("{flag}=");
            if EMPTY.contains(&flag.as_str()) {
                let ran = coffer.run(&[verb, "--rm", &given, &image, "true"]);
                if ran.status != 0 {
                    all.push_str(&format!("{given} is docker's: {ran}"));
                }
            } else {
                let words = ["\"\" is not a value for ", &flag];
                all.extend(wrong(&coffer, verb, &[&given], &image, &words));
            }
        }
    }
    assert!(all.is_empty(), "{all}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// A flag that comes to be must come to this table.
#[test]
fn each_flag_with_a_value_is_tried_with_a_bad_one() {
    let coffer = Coffer::default();
    let tried =
        |flag: &str| VALUES.iter().any(|(flags, ..)| flags.iter().any(|word| name(word) == flag));
    for verb in ["run", "create"] {
        let flags = flags_with_values(&coffer, verb);
        assert!(flags.len() > 40, "{flags:?}");
        let untried: Vec<_> =
            flags.iter().filter(|flag| !tried(flag) && !ANY.contains(&flag.as_str())).collect();
        assert!(untried.is_empty(), "{verb}: {untried:?}");
    }
}

/// What an empty `--user` and a dry run leave as it is.
#[test]
fn root_what_is_not_said_is_not_done() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BUSYBOX);
    let folder = tempfile::tempdir().unwrap();
    let volume = format!("{}:/x", folder.path().join("new").display());
    let file = folder.path().join("id");
    let cidfile = file.to_str().unwrap();
    coffer.must(&["run", "--dry-run", "-v", &volume, "--cidfile", cidfile, &image, "true"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a dry run has made something");
    let refused = coffer.run(&["run", "--cidfile", cidfile, "--device=/dev/none-such", &image]);
    assert_eq!((refused.status, file.exists()), (125, false), "{refused}");
    coffer.must(&["run", "--rm", "--cidfile", cidfile, &image, "true"]);
    assert_eq!(fs::read_to_string(&file).unwrap().len(), 64);
    assert_eq!(coffer.leftovers(), [""; 0]);
}
