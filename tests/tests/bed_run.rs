//! `coffer run` as root on Debian's own kernels, with cgroup v2 whole and security modules on.

#![expect(clippy::disallowed_methods, reason = "reads what the test itself had written")]
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use std::path::Path;
use std::time::{Duration, Instant};

use coffer_tests::bed::{self, Kernel, Variant};
use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::{BUSYBOX, LAYERED};
use coffer_tests::program;

/// What somebody who knows docker tries first.
fn runs() {
    let coffer = Coffer::default();
    let busybox = coffer.take_in(&BUSYBOX);
    let layered = coffer.take_in(&LAYERED);
    assert_eq!(coffer.must(&["run", "--rm", &busybox, "echo", "inside"]), "inside\n");
    assert_eq!(coffer.must(&["run", "--rm", &layered]), "kept\n");
    let ended = coffer.run(&["run", "--rm", &busybox, "sh", "-c", "exit 9"]);
    assert_eq!(ended.status, 9, "{ended}");
    let ids = "touch /f && chown 1000:2000 /f && stat -c %u:%g /f";
    assert_eq!(coffer.must(&["run", "--rm", &busybox, "sh", "-c", ids]), "1000:2000\n");
    // Root raises hard limits above its own, as docker's daemon does.
    let asks = "ulimit -n; ulimit -Hn; ulimit -l";
    let limits = ["--ulimit", "nofile=100000:200000", "--ulimit", "memlock=-1:-1"];
    let raised = [&["run", "-d", "--name", "raised"][..], &limits, &[&busybox, "sleep", "1000"]];
    coffer.must(&raised.concat());
    let run = [&["run", "--rm"][..], &limits, &[&busybox, "sh", "-c", asks]].concat();
    for words in [&run[..], &["exec", "raised", "sh", "-c", asks]] {
        assert_eq!(coffer.must(words), "100000\n200000\nunlimited\n", "{words:?}");
    }
    coffer.must(&["rm", "-f", "raised"]);
    let most = std::fs::read_to_string("/proc/sys/fs/nr_open").unwrap();
    let above = ["run", "--rm", "--ulimit", "nofile=99999999999", &busybox, "true"];
    let refused = coffer.run(&above).failure(125);
    assert!(refused.contains(&format!("this host's hard limit {}", most.trim())), "{refused}");
    // Of a container that is gone a kernel before 6.15 remembers nothing: its monitor says it.
    let line = "mkfifo /wait; echo up; read x </wait; exit 3";
    coffer.must(&["run", "-d", "--rm", "--name", "goes", &busybox, "sh", "-c", line]);
    coffer.logs_until("goes", "up");
    // It may end with the container, before it has ended by itself.
    let end = || drop(coffer.run(&["exec", "goes", "sh", "-c", "echo >/wait"]));
    assert_eq!(coffer.waited("goes", 1, end), ["3\n"]);
    coffer.must(&["run", "-d", "--name", "stays", &busybox, "sleep", "1000"]);
    assert_eq!(coffer.must(&["exec", "stays", "cat", "/proc/1/comm"]), "sleep\n");
    let volume = tempfile::tempdir().unwrap();
    let mount = format!("{}:/data", volume.path().display());
    let write = ["run", "--rm", "-v", &mount, &busybox, "sh", "-c", "echo kept >/data/f"];
    coffer.must(&write);
    assert_eq!(std::fs::read_to_string(volume.path().join("f")).unwrap(), "kept\n");
    keeps_and_copies(&coffer, &busybox, volume.path());
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// A volume is filled from the image, and files come out of containers and go in.
fn keeps_and_copies(coffer: &Coffer, busybox: &str, folder: &Path) {
    let volume = ["run", "--rm", "-v", "kept:/etc", busybox, "sh", "-c"];
    let line = |line| [&volume[..], &[line]].concat();
    coffer.must(&line("test -s /etc/passwd && echo more >/etc/more && chown 7:8 /etc/more"));
    assert_eq!(coffer.must(&line("stat -c %u:%g /etc/more")), "7:8\n");
    coffer.must(&["create", "--name", "box", "-v", "kept:/kept", busybox, "sleep", "1000"]);
    let out = folder.join("out");
    for state in ["created", "running"] {
        coffer.must(&["cp", folder.join("f").to_str().unwrap(), "box:/kept/f"]);
        coffer.must(&["cp", "box:/kept", out.to_str().unwrap()]);
        assert_eq!(std::fs::read_to_string(out.join("f")).unwrap(), "kept\n", "{state}");
        std::fs::remove_dir_all(&out).unwrap();
        drop(coffer.run(&["start", "box"]));
    }
    coffer.must(&["rm", "-f", "box"]);
    coffer.must(&["volume", "rm", "kept"]);
}

/// All that the demo predicts comes true.
fn demo_holds() {
    let outcome = program::run(&mut Coffer::default().command(&["demo"]));
    assert_eq!(outcome.status, 0, "{outcome}");
}

/// What is paused stands still, is said to, and can be ended all the same.
fn pauses() {
    let coffer = Coffer::default();
    let busybox = coffer.take_in(&BUSYBOX);
    let state = || coffer.must(&["ps", "-a", "--format", "{{.State}} {{.Status}}"]);
    let count = "i=0; while :; do i=$((i+1)); echo $i >/count.new; mv /count.new /count; done";
    coffer.must(&["run", "-d", "--name", "box", &busybox, "sh", "-c", count]);
    coffer.must(&["pause", "box"]);
    assert!(state().starts_with("paused Up ") && state().ends_with(" (Paused)\n"), "{}", state());
    for verb in [&["pause", "box"][..], &["exec", "box", "true"], &["attach", "box"]] {
        let refused = coffer.run(verb).failure(125);
        let said = "error: container box is paused\nhelp: let it go on: coffer unpause box\n";
        assert_eq!(refused, said);
    }
    let paused = coffer.must(&["inspect", "-f", "{{.State.Paused}} {{.State.Running}}", "box"]);
    assert_eq!(paused, "true true\n");
    coffer.must(&["unpause", "box"]);
    let refused = coffer.run(&["unpause", "box"]).failure(125);
    assert!(refused.contains("container box is not paused"), "{refused}");
    let goes_on = "until [ -s /count ]; do :; done; a=$(cat /count); \
                   until [ \"$(cat /count)\" != \"$a\" ]; do :; done; echo on";
    let exec = ["exec", "box", "timeout", "60", "sh", "-c", goes_on];
    assert_eq!(coffer.must(&exec), "on\n");
    for end in [&["stop", "-t", "0", "box"][..], &["kill", "box"], &["rm", "-f", "box"]] {
        coffer.must(&["pause", "box"]);
        coffer.must(end);
        if end != ["rm", "-f", "box"] {
            assert_eq!(coffer.must(&["wait", "box"]), "137\n");
            coffer.must(&["start", "box"]);
        }
    }
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// On v1 too, where the group that can be frozen is made when it is wanted.
#[test]
fn root_what_is_paused_stands_still_on_this_host() {
    if !program::root() {
        return;
    }
    pauses();
    let freezers = Path::new("/sys/fs/cgroup/freezer");
    if !freezers.exists() {
        return;
    }
    let coffer = Coffer::default();
    let busybox = coffer.take_in(&BUSYBOX);
    // Whoever forks all the time gets away from nobody.
    let forks = ["sh", "-c", "while :; do (sh -c :; :); done"];
    let run = ["run", "-d", "--rm", "--name", "box", "--pids-limit", "40", &busybox];
    let id = coffer.must(&[&run[..], &forks].concat());
    let group = freezers.join("coffer").join(id.trim());
    let members = |group: &Path| {
        let mut pids: Vec<String> = std::fs::read_to_string(group.join("cgroup.procs"))
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        pids.sort();
        pids
    };
    assert!(!group.exists(), "it is made when it is wanted");
    for _ in 0..5 {
        coffer.must(&["pause", "box"]);
        let state = std::fs::read_to_string(group.join("freezer.state")).unwrap();
        assert_eq!(state.trim(), "FROZEN");
        // Who was about to end still ends, and is listed for a moment.
        let devices = Path::new("/sys/fs/cgroup/devices/coffer").join(id.trim());
        let until = Instant::now() + Duration::from_secs(60);
        while members(&group) != members(&devices) {
            assert!(Instant::now() < until, "{:?} of {:?}", members(&group), members(&devices));
            std::thread::yield_now();
        }
        coffer.must(&["unpause", "box"]);
    }
    coffer.must(&["kill", "box"]);
    drop(coffer.run(&["wait", "box"]));
    assert_eq!(coffer.leftovers(), [""; 0]);
    assert!(!group.exists(), "it goes with its container");
}

#[test]
fn bed_plain_runs_on_linux_6_1() {
    bed::enter!(Variant::Plain, [&BUSYBOX, &LAYERED]);
    runs();
    pauses();
    demo_holds();
}

#[test]
fn bed_plain_runs_on_linux_6_12() {
    bed::enter!(Variant::Plain.on(Kernel::Debian13), [&BUSYBOX, &LAYERED]);
    runs();
    demo_holds();
}

#[test]
fn bed_systemd_runs_beside_systemd() {
    bed::enter!(Variant::Systemd, [&BUSYBOX, &LAYERED]);
    runs();
    demo_holds();
}

#[test]
fn bed_apparmor_runs_with_apparmor() {
    bed::enter!(Variant::Apparmor, [&BUSYBOX, &LAYERED]);
    let enabled = std::fs::read_to_string("/sys/module/apparmor/parameters/enabled").unwrap();
    assert_eq!(enabled.trim(), "Y");
    runs();
    demo_holds();
}
