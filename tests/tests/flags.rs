//! Each flag of `run`, seen from inside: as root and as an ordinary user.

#![expect(clippy::disallowed_methods, reason = "files of the tests' own")]

use std::fs;
use std::path::Path;
use std::process::Stdio;

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;

/// Flags, a line for the shell inside, and what it says.
type Case = (&'static [&'static str], &'static str, &'static str);

/// What holds for whoever runs it.
const EVERYBODY: &[Case] = &[
    // The process.
    (&["-e", "A=b c", "--env", "D="], "echo $A-$D-", "b c--\n"),
    (&["-w", "/tmp"], "pwd", "/tmp\n"),
    (&["--workdir", "/new/folder"], "pwd", "/new/folder\n"),
    (&["-u", "7:9"], "id -u; id -g", "7\n9\n"),
    (&["--user", "worker"], "id -un", "worker\n"),
    (&["-u", "7:9", "--group-add", "11", "--group-add", "9"], "id -G", "9 11\n"),
    (&["--group-add", "worker"], "id -Gn | grep -o worker", "worker\n"),
    (&["--init"], "cut -d ' ' -f 2 /proc/1/stat; echo $$", "(coffer)\n2\n"),
    (&["--init", "-e", "A=of the caller's"], "tr -d '\\0' </proc/1/cmdline", "coffer init"),
    (
        &["--ulimit", "nofile=200:300", "--ulimit", "core=0"],
        "ulimit -Sn; ulimit -Hn; ulimit -c",
        "200\n300\n0\n",
    ),
    (&["--oom-score-adj", "700"], "cat /proc/self/oom_score_adj", "700\n"),
    // The files.
    (&["--read-only"], "touch /f 2>&1", "touch: /f: Read-only file system\n"),
    (
        &["--read-only", "--tmpfs", "/run:size=1m,mode=700"],
        "touch /run/f && stat -c %a /run && df -k /run | tail -1 | awk '{print $2}'",
        "700\n1024\n",
    ),
    (
        &["--tmpfs", "/run"],
        "grep ' /run ' /proc/self/mounts | cut -d ' ' -f 3,4 | grep -o 'tmpfs\\|nosuid\\|nodev\\|noexec'",
        "tmpfs\nnosuid\nnodev\nnoexec\n",
    ),
    (
        &["--mount", "type=tmpfs,target=/memory,tmpfs-size=2m"],
        "df -k /memory | tail -1 | awk '{print $2}'",
        "2048\n",
    ),
    (&["--tmpfs", "/run:uid=7,gid=9,mode=700"], "stat -c %u:%g:%a /run", "7:9:700\n"),
    (
        &["--restart", "no", "--no-healthcheck", "--cgroupns", "private"],
        "echo as ever",
        "as ever\n",
    ),
    (&["--shm-size", "3m"], "df -k /dev/shm | tail -1 | awk '{print $2}'", "3072\n"),
    // The fence.
    (
        &[],
        "grep -c . /proc/self/status >/dev/null; grep NoNewPrivs /proc/self/status",
        "NoNewPrivs:\t1\n",
    ),
    (
        &["--cap-drop", "all"],
        "grep -h ^Cap /proc/self/status | cut -f 2 | sort -u",
        "0000000000000000\n",
    ),
    (
        &["--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE"],
        "grep CapEff /proc/self/status",
        "CapEff:\t0000000000000400\n",
    ),
    (&["--security-opt", "seccomp=unconfined"], "grep Seccomp: /proc/self/status", "Seccomp:\t0\n"),
    (&["--security-opt", "no-new-privileges"], "grep Seccomp: /proc/self/status", "Seccomp:\t2\n"),
    (
        &["--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.msgmax=4096"],
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax",
        "1\n4096\n",
    ),
    // The network.
    (
        &["--hostname", "reef", "--domainname", "sea.example"],
        "hostname; cat /proc/sys/kernel/domainname",
        "reef\nsea.example\n",
    ),
    (&["-h", "reef"], "cat /etc/hostname; grep -c reef /etc/hosts", "reef\n1\n"),
    (
        &["--dns", "192.0.2.1", "--dns-search", "sea.example", "--dns-option", "ndots:2"],
        "cat /etc/resolv.conf",
        "nameserver 192.0.2.1\nsearch sea.example\noptions ndots:2\n",
    ),
    (&["--add-host", "buoy:192.0.2.7"], "grep buoy /etc/hosts", "192.0.2.7\tbuoy\n"),
    (&["--network", "none"], "ls /sys/class/net", "lo\n"),
    (
        &[],
        "cat /sys/class/net/lo/operstate; nc 127.0.0.1 9 </dev/null 2>&1 | grep -o refused",
        "unknown\nrefused\n",
    ),
];

/// What needs control groups, which on this kind of host root alone has.
const LIMITS: &[Case] = &[
    (
        &["-m", "16m", "--memory-swap", "16m"],
        "(dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null); echo $?",
        "137\n",
    ),
    (
        &["--pids-limit", "4"],
        // Into a file: whoever looks for it beside them might find no room for itself.
        "(sleep 99 & sleep 99 & sleep 99 & sleep 99 & sleep 99 &) 2>/said; grep -o \"can't fork\" /said; kill -9 -1",
        "can't fork\n",
    ),
    (
        &["--cpuset-cpus", "0"],
        "grep Cpus_allowed_list /proc/self/status; nproc",
        "Cpus_allowed_list:\t0\n1\n",
    ),
];

/// Runs each case, and says which differ.
#[track_caller]
fn holds(coffer: &Coffer, image: &str, cases: &[Case]) {
    let mut wrong = String::new();
    for (flags, line, expected) in cases {
        let arguments = [&["run", "--rm"], *flags, &[image, "sh", "-c", line]].concat();
        let seen = coffer.run(&arguments);
        if seen.stdout != *expected {
            wrong.push_str(&format!("{flags:?} {line:?}: not {expected:?} but {seen}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_each_flag_is_seen_inside() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BUSYBOX);
    holds(&coffer, &image, EVERYBODY);
    holds(&coffer, &image, LIMITS);
}

#[test]
fn root_each_flag_is_seen_inside_by_an_ordinary_user() {
    if !program::root() {
        return;
    }
    let coffer = Coffer::of_user();
    let image = coffer.take_in(&BUSYBOX);
    holds(&coffer, &image, EVERYBODY);
}

/// What the host's own names show through, where it was asked for.
#[test]
fn root_the_hosts_namespaces_are_shared_on_demand_alone() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BUSYBOX);
    let host = |name: &str| {
        let link = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        format!("{}\n", link.display())
    };
    let inside = |flags: &[&str], name: &str| {
        let path = format!("/proc/self/ns/{name}");
        coffer.must(&[&["run", "--rm"], flags, &[&image, "readlink", &path]].concat())
    };
    for name in ["user", "pid", "mnt", "ipc", "uts", "cgroup", "net"] {
        assert_ne!(inside(&[], name), host(name), "{name}");
    }
    assert_eq!(inside(&["--network", "host"], "net"), host("net"));
    assert_eq!(inside(&["--userns", "host"], "user"), host("user"));
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_files_name_variables_and_words() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BUSYBOX);
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let variables = put("env", "# a comment\nONE=1 and more\nPASSED\n\nNOT_SET\n");
    let words = put("labels", "# a comment=none\n  depth=12\n");
    let id = folder.path().join("cid").to_str().unwrap().to_owned();
    let flags = ["run", "--name", "box", "--env-file", &variables, "--cidfile", &id];
    let more = ["--label-file", &words, "-l", "buoy", "-e", "ONE"];
    let line = "echo $ONE-$PASSED-${NOT_SET-unset}-";
    let whole = [&flags[..], &more, &[&image, "sh", "-c", line]].concat();
    let mut command = coffer.command(&whole);
    command.env("PASSED", "on").env("ONE", "other").env_remove("NOT_SET");
    assert_eq!(program::run(&mut command).success(), "other-on-unset-\n");
    let seen: serde_json::Value = serde_json::from_str(&coffer.must(&["inspect", "box"])).unwrap();
    let text = seen.to_string();
    assert!(!text.contains("a comment"), "{seen:#}");
    assert!(text.contains(r#""depth":"12""#) && text.contains(r#""buoy":"""#), "{seen:#}");
    assert_eq!(fs::read_to_string(&id).unwrap(), coffer.must(&["ps", "-aq", "--no-trunc"]).trim());
    coffer.must(&["rm", "box"]);
    let again = coffer.run(&whole).failure(125);
    assert!(again.contains(&id) && again.contains("file exists"), "{again}");
    let other = put("other", "");
    fs::remove_file(&other).unwrap();
    let nobody = ["run", "--cidfile", &other, "-u", "nobody-here", &image, "true"];
    assert!(coffer.run(&nobody).failure(125).contains("nobody-here"));
    assert!(!Path::new(&other).exists(), "a container that was not made has no file");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// `-v`, `--mount`, and what a volume must never be.
#[test]
fn root_volumes_are_the_hosts_folders_without_set_id_and_devices() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BUSYBOX);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("f"), "there\n").unwrap();
    let path = folder.path().to_str().unwrap();
    let (volume, read_only) = (format!("{path}:/data"), format!("{path}:/data:ro"));
    let mount = format!("type=bind,source={path},target=/data,readonly");
    let options = "grep ' /data ' /proc/self/mounts | cut -d ' ' -f 4 | tr , '\\n' | grep '^r[ow]$\\|^no[sd]' | sort";
    let inside = |flags: &[&str], line: &str| {
        coffer.must(&[&["run", "--rm"], flags, &[&image, "sh", "-c", line]].concat())
    };
    assert_eq!(inside(&["-v", &volume], options), "nodev\nnosuid\nrw\n");
    assert_eq!(inside(&["-v", &read_only], options), "nodev\nnosuid\nro\n");
    assert_eq!(inside(&["--mount", &mount], options), "nodev\nnosuid\nro\n");
    assert_eq!(inside(&["-v", &volume], "cat /data/f; echo new >/data/g"), "there\n");
    assert_eq!(fs::read_to_string(folder.path().join("g")).unwrap(), "new\n");
    let missing = format!("type=bind,source={path}/missing,target=/data");
    let refused = coffer.run(&["run", "--rm", "--mount", &missing, &image, "true"]).failure(125);
    assert!(refused.contains("missing"), "{refused}");
    assert!(!Path::new(path).join("missing").exists());
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// `--quiet` is about the image; what a flag has opened is said in any case.
#[test]
fn root_quiet_says_what_was_opened_and_nothing_else() {
    if !program::root() {
        return;
    }
    let coffer = Coffer::default();
    let layout = coffer.layout(&BUSYBOX);
    let plain = coffer.run(&["run", "-q", "--rm", &layout, "true"]);
    assert_eq!((plain.status, &*plain.stderr), (0, ""));
    let opened = coffer.run(&["run", "--quiet", "--rm", "--network", "host", &layout, "true"]);
    assert!(opened.stderr.starts_with("note: ") && opened.stderr.lines().count() == 1, "{opened}");
}

/// Standard input, `-i`, and what a container without it reads.
#[test]
fn root_input_is_passed_where_it_was_asked_for() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BUSYBOX);
    let input = |flags: &[&str]| {
        let arguments = [&["run", "--rm"], flags, &[&image, "wc", "-c"]].concat();
        let mut command = coffer.command(&arguments);
        let (read, write) = std::io::pipe().unwrap();
        command.stdin(read).stdout(Stdio::piped());
        let child = command.spawn().unwrap();
        drop(command);
        std::io::Write::write_all(&mut &write, b"five\n").unwrap();
        drop(write);
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    assert_eq!(input(&["-i"]), "5\n");
    assert_eq!(input(&[]), "0\n");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// Who joins as somebody else is in the groups that were added, too.
#[test]
fn root_added_groups_are_also_those_of_who_joins() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BUSYBOX);
    coffer.must(&["run", "-d", "--name", "box", "--group-add", "11", &image, "sleep", "1000"]);
    assert_eq!(coffer.must(&["exec", "box", "id", "-G"]).split_whitespace().last(), Some("11"));
    assert_eq!(coffer.must(&["exec", "-u", "7:9", "box", "id", "-G"]), "9 11\n");
    let refused = coffer.run(&["run", "--rm", "--group-add", "nosuch", &image, "true"]);
    assert!(refused.failure(125).contains("\"nosuch\" is not in the image's /etc/group"));
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// `--stop-signal`, `--stop-timeout`, `stop -t`, `stop -s` and `kill -s`.
#[test]
fn root_stopping_is_as_it_was_asked_for() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BUSYBOX);
    let start = |flags: &[&str], line: &str| {
        let flags = [&["run", "-d", "--name", "box"], flags];
        coffer.must(&[&flags.concat()[..], &[&image, "sh", "-c", line]].concat());
        coffer.logs_until("box", "ready");
    };
    let ended = |status: &str| {
        assert_eq!(coffer.must(&["wait", "box"]), status);
        coffer.must(&["rm", "box"]);
    };
    let traps = "trap 'exit 3' USR1; trap '' TERM; echo ready; while :; do sleep 0.02; done";
    start(&["--stop-signal", "USR1"], traps);
    coffer.must(&["stop", "box"]);
    ended("3\n");
    start(&["--stop-timeout", "1"], traps);
    coffer.must(&["stop", "box"]);
    ended("137\n");
    start(&[], traps);
    coffer.must(&["stop", "-t", "0", "box"]);
    ended("137\n");
    start(&["--stop-signal", "TERM"], traps);
    coffer.must(&["stop", "-s", "USR1", "box"]);
    ended("3\n");
    start(&[], traps);
    coffer.must(&["kill", "-s", "SIGUSR1", "box"]);
    ended("3\n");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// What contradicts itself or cannot be is an error that names it, and nothing is left.
#[test]
fn root_what_cannot_be_is_refused_by_name() {
    if !program::root() {
        return;
    }
    let (coffer, image) = Coffer::with(&BUSYBOX);
    let cases: &[(&[&str], &str)] = &[
        (&["--user", "nobody-at-all"], "nobody-at-all"),
        (&["--user", "-1"], "-1"),
        (&["--cap-add", "FLY"], "FLY"),
        (&["--sysctl", "vm.swappiness=1"], "vm.swappiness"),
        (&["--sysctl", "net.ipv4.no_such=1"], "no_such"),
        (&["--network", "bridge"], "bridge"),
        (&["--ulimit", "nofile=9:3"], "nofile"),
        (&["--cpuset-cpus", "4096"], "4096"),
        (&["-v", "pg/data:/data"], "pg/data"),
        (&["--entrypoint", "/no/such"], "/no/such"),
        (&["--env-file", "/no/such"], "/no/such"),
        (&["--memroy", "1m"], "--memory"),
        (&["--platform", "linux/riscv64", "--pull", "never"], "riscv64"),
    ];
    for (flags, word) in cases {
        let refused = coffer.run(&[&["run", "--rm"], *flags, &[&image, "true"]].concat());
        assert!([125, 127].contains(&refused.status), "{flags:?}: {refused}");
        assert!(refused.stderr.contains(word), "{flags:?}: {refused}");
    }
    assert_eq!(coffer.must(&["ps", "-aq"]), "");
    assert_eq!(coffer.leftovers(), [""; 0]);
}
