//! Docker's flags that open or change the fence: what each gives, what it says, what it leaves.

#![expect(clippy::disallowed_methods, reason = "looks into /proc and its own folder by path")]
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;
use coffer_tests::terminal::Terminal;

/// The notes that a command printed.
fn notes(coffer: &Coffer, arguments: &[&str]) -> Vec<String> {
    let ran = coffer.run(arguments);
    assert_eq!(ran.status, 0, "{ran}");
    ran.stderr.lines().filter_map(|line| line.strip_prefix("note: ")).map(str::to_owned).collect()
}

#[test]
fn root_each_weakening_is_said_once_and_kept() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let flags = ["--cap-add=NET_RAW", "--pid=host", "--ipc=host", "--allow-setuid"];
    let run = [&["run", "-d", "--name", "box"], &flags[..], &[&name, "sleep", "1000"]].concat();
    let said = notes(&coffer, &run);
    let flags = ["--cap-add NET_RAW", "--pid host", "--ipc host", "--allow-setuid"];
    for flag in flags {
        let about = said.iter().filter(|note| note.contains(&format!("from: {flag}")));
        assert_eq!(about.count(), 1, "{flag} in {said:?}");
    }
    assert_eq!(said.len(), flags.len(), "{said:?}");
    let explained = coffer.run(&["explain", "box"]);
    assert_eq!(explained.status, 1, "something was opened: {explained}");
    let listed = coffer.must(&["ps", "--json"]);
    for flag in flags {
        assert!(explained.stdout.contains(flag), "{flag} in {explained}");
        assert!(listed.contains(&format!("\"{flag}\"")), "{flag} in {listed}");
    }
    coffer.must(&["rm", "-f", "box"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_the_hosts_processes_and_memory_are_shared_on_request() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let id = |kind: &str| std::fs::read_link(format!("/proc/self/ns/{kind}"));
    for kind in ["pid", "ipc"] {
        let script = format!("readlink /proc/self/ns/{kind}");
        let host = id(kind).map(|path| path.display().to_string() + "\n").unwrap_or_default();
        let flag = format!("--{kind}=host");
        assert_eq!(coffer.must(&["run", "--rm", &flag, &name, "sh", "-c", &script]), host);
        assert_ne!(coffer.must(&["run", "--rm", &name, "sh", "-c", &script]), host);
    }
    let ours = std::process::id().to_string();
    let seen = ["run", "--rm", "--pid=host", &name, "sh", "-c"];
    let script = format!("test -d /proc/{ours} && ! cat /proc/{ours}/environ && cat /proc/cmdline");
    let ran = coffer.run(&[&seen[..], &[&script]].concat());
    assert_eq!((ran.status, ran.stdout.as_str()), (0, ""), "seen, not read, and masked: {ran}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// With shared processes the first process is not the last: what it leaves behind ends with it.
#[test]
fn root_nothing_outlives_a_container_that_shares_processes() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let script = "sleep 1000 & echo $!";
    let pid = coffer.must(&["run", "--rm", "--pid=host", &name, "sh", "-c", script]);
    // Whoever inherits it may not have collected it yet.
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim()));
    assert!(!status.is_ok_and(|text| !text.contains("State:\tZ")), "{pid} lives");
    coffer.must(&["run", "-d", "--pid=host", "--name", "box", &name, "sleep", "1000"]);
    assert_eq!(coffer.must(&["exec", "box", "sh", "-c", "echo in"]), "in\n");
    coffer.must(&["rm", "-f", "box"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_a_device_is_given_by_name_and_by_letter() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    // A device that only this flag gives: the host's null under another name and number is not
    // at hand, so its random source is given once more under another name.
    let run = |device: &str, script: &str| {
        coffer.run(&["run", "--rm", "--device", device, &name, "sh", "-c", script])
    };
    let ran = run("/dev/urandom:/dev/dice", "head -c 4 /dev/dice | wc -c");
    assert_eq!((ran.status, ran.stdout.trim()), (0, "4"), "{ran}");
    assert!(ran.stderr.contains("from: --device /dev/urandom:/dev/dice:rwm"), "{ran}");
    for (device, why) in [
        ("/dev/none-such", "the device /dev/none-such cannot be given"),
        ("/etc", "/etc is no device"),
        ("/dev/null:x", "is no access to a device"),
        ("null", "is not an absolute path"),
    ] {
        let ran = run(device, "true");
        assert_eq!(ran.status, 125, "{ran}");
        assert!(ran.stderr.contains(why), "{why}: {ran}");
    }
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_set_user_id_programs_are_inert_unless_allowed() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    // As root inside: a program that belongs to another user and has the bit.
    let script = "cp /bin/busybox /tmp/ && chown 1000:1000 /tmp/busybox && chmod 6755 /tmp/busybox && \
                  /tmp/busybox id -u; grep NoNewPrivs /proc/self/status";
    let id = |flags: &[&str]| {
        coffer.must(&[&["run", "--rm"], flags, &[&name, "sh", "-c", script]].concat())
    };
    assert_eq!(id(&[]), "0\nNoNewPrivs:\t1\n");
    let seen = id(&["--allow-setuid"]);
    assert!(seen.ends_with("NoNewPrivs:\t0\n"), "{seen}");
    let as_user = ["run", "--rm", "--allow-setuid", "--user", "1000", &name];
    let script = "cat /proc/self/uid_map; grep -E 'Seccomp:|CapBnd' /proc/self/status";
    let seen = coffer.must(&[&as_user[..], &["sh", "-c", script]].concat());
    assert!(seen.contains("Seccomp:\t2"), "the filter is there all the same: {seen}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// The host's ids: said for each thing that the default capabilities can then do.
#[test]
fn root_the_hosts_ids_are_shared_on_request() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let run = ["run", "--rm", "--userns=host"];
    let script = "cat /proc/self/uid_map";
    let ran = coffer.run(&[&run[..], &[&name, "sh", "-c", script]].concat());
    assert!(ran.status == 0 && ran.stdout.contains("4294967295"), "{ran}");
    assert!(ran.stderr.contains("root in the container is root on the host"), "{ran}");
    assert!(ran.stderr.contains("stronger: --cap-drop SETUID"), "{ran}");
    let less = [&run[..], &["--cap-drop=ALL", "--device=/dev/zero:/dev/nil:r", &name]].concat();
    let script = "head -c 3 /dev/nil | wc -c";
    let ran = coffer.run(&[&less[..], &["sh", "-c", script]].concat());
    assert_eq!(ran.stdout.trim(), "3", "{ran}");
    // Docker's own `--privileged`: all that coffer has itself, and no more.
    let all = [&run[..], &["--privileged", "--yes-really", &name]].concat();
    let inside = coffer.must(&[&all[..], &["grep", "CapPrm", "/proc/self/status"]].concat());
    let own = std::fs::read_to_string("/proc/self/status").unwrap();
    assert!(own.contains(&inside), "{inside} in {own}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_privileged_has_to_be_meant_and_is_seen() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let refused = coffer.run(&["run", "--rm", "--privileged", &name, "true"]);
    assert_eq!(refused.status, 125, "{refused}");
    assert!(refused.stderr.contains("--privileged --yes-really"), "{refused}");
    let run = ["run", "-d", "--name", "open", "--privileged", "--yes-really", &name];
    let said = notes(&coffer, &[&run[..], &["sleep", "1000"]].concat());
    assert_eq!(said.len(), 1, "{said:?}");
    let script = "grep -E 'Seccomp:|NoNewPrivs' /proc/self/status; mount -t tmpfs x /mnt && echo m";
    let seen = coffer.must(&["exec", "open", "sh", "-c", &format!("mkdir -p /mnt; {script}")]);
    assert_eq!(seen, "NoNewPrivs:\t0\nSeccomp:\t0\nm\n");
    coffer.must(&["run", "-d", "--name", "shut", &name, "sleep", "1000"]);
    let plain = coffer.must(&["ps"]);
    assert!(plain.contains("(privileged)") && !plain.contains('\x1b'), "{plain}");
    let explained = coffer.run(&["explain", "open"]).stdout;
    let holds = explained.split("NOT PROTECTED").next().unwrap_or_default();
    assert!(!holds.contains("--allow-setuid"), "nobody said so: {explained}");
    for control in ["capabilities", "new privileges", "system calls", "masked paths"] {
        let by = |line: &&str| line.starts_with(control) && line.ends_with("--privileged");
        assert!(explained.lines().any(|line| by(&line)), "{control}: {explained}");
    }
    let mut terminal = Terminal::start(&coffer.command(&["ps"]));
    terminal.expects("\x1b[1;31m");
    terminal.ends();
    coffer.must(&["rm", "-f", "open", "shut"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// A file with a policy in it, as the flag takes it, and the file.
fn policy(json: &str) -> (tempfile::NamedTempFile, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json).unwrap();
    let flag = format!("--security-opt=landlock={}", file.path().display());
    (file, flag)
}

#[test]
fn root_landlock_holds_what_its_policy_says() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let run = |json: &str, script: &str| {
        let (_file, flag) = policy(json);
        coffer.run(&["run", "--rm", "--network=none", &flag, &name, "sh", "-c", script])
    };
    let script = "echo x > /dev/null && touch /tmp/f && mv /tmp/f /tmp/g && ! touch /root/f && \
                  ! rm /bin/sh && ! mkdir /etc/d && ! ln /tmp/g /etc/g && cat /etc/passwd";
    let ran = run(r#"{"write":["/tmp"]}"#, script);
    assert_eq!(ran.status, 0, "{ran}");
    assert_eq!(ran.stderr.matches("Permission denied").count(), 4, "{ran}");
    let script = "cp /bin/busybox /tmp/busybox && /tmp/busybox true";
    assert_eq!(run(r#"{"execute":["/bin"]}"#, script).status, 126);
    assert_eq!(run(r#"{"scope":["signals"]}"#, script).status, 0);
    let script = "nc -l -p 81; nc -w 1 127.0.0.1 80 < /dev/null";
    let ran = run(r#"{"bind":[80],"connect":[443]}"#, script);
    assert_eq!(ran.stderr.matches("Permission denied").count(), 2, "{ran}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_landlock_is_in_the_record_and_holds_who_joins() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let (_file, flag) = policy(r#"{"write":["/tmp"],"connect":[]}"#);
    coffer.must(&["run", "-d", "--name", "box", &flag, &name, "sleep", "1000"]);
    let ran = coffer.run(&["exec", "box", "touch", "/root/f"]);
    assert!(ran.status != 0 && ran.stderr.contains("Permission denied"), "{ran}");
    coffer.must(&["exec", "box", "touch", "/tmp/f"]);
    let explained = coffer.must(&["explain", "box"]);
    for line in ["writes below", "connects to ports", "--security-opt landlock=FILE"] {
        assert!(explained.contains(line), "{line} in {explained}");
    }
    coffer.must(&["rm", "-f", "box"]);
    for (json, why) in [
        (r#"{"write":["/none/such"]}"#, "/none/such"),
        (r#"{"write":["tmp"]}"#, "\"tmp\""),
        (r#"{"wirte":[]}"#, "wirte"),
        ("{}", "restricts nothing"),
    ] {
        let (_file, flag) = policy(json);
        let ran = coffer.run(&["run", "--rm", &flag, &name, "true"]);
        assert!(ran.status == 125 && ran.stderr.contains(why), "{why}: {ran}");
    }
    let (_file, flag) = policy(r#"{"write":["/tmp"]}"#);
    let ran = coffer.run(&["run", "--rm", &flag, "--allow-setuid", &name, "true"]);
    assert!(ran.status == 125 && ran.stderr.contains("leave out --allow-setuid"), "{ran}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// Each is an error that names what is wrong and what to do; nothing is started or left.
#[test]
fn root_flags_that_cannot_be_meant_are_refused() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let folder = tempfile::tempdir().unwrap();
    let profile = |file: &str, json: &str| {
        let path = folder.path().join(file);
        std::fs::write(&path, json).map(|()| format!("seccomp={}", path.display()))
    };
    let unknown = profile(
        "unknown.json",
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["raed"],"action":"SCMP_ACT_ALLOW"}]}"#,
    );
    let unknown = unknown.unwrap_or_default();
    let broken = profile("broken.json", "{").unwrap_or_default();
    let one = |file: &str, rule: &str| {
        let json = format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{rule}]}}"#);
        profile(file, &json).unwrap_or_default()
    };
    let typo = one("typo.json", r#"{"names":["read"],"action":"SCMP_ACT_ERRNO","incldues":{}}"#);
    let listener = one("listener.json", r#"{"names":["read"],"action":"SCMP_ACT_NOTIFY"}"#);
    for (flags, what, help) in [
        (vec!["--cap-add=NET_RAW", "--cap-drop=NET_RAW"], "NET_RAW is both added", "leave one"),
        (vec!["--cap-add=ALL", "--cap-drop=all"], "ALL is both added", "leave one"),
        (vec!["--cap-add=NET_ADMN"], "did you mean NET_ADMIN", ""),
        (vec!["--security-opt", &unknown], "\"raed\"", "did you mean read"),
        (vec!["--security-opt", &broken], "is not a profile", ""),
        (
            vec!["--security-opt", "seccomp=unconfined", "--security-opt", &broken],
            "given twice",
            "leave one",
        ),
        (
            vec!["--allow-setuid", "--security-opt=no-new-privileges"],
            "contradict each other",
            "leave one",
        ),
        (vec!["--allow-setuid", "--userns=host"], "users of the host", "leave out --allow-setuid"),
        (
            vec!["--privileged", "--yes-really", "--cap-drop=CHOWN"],
            "--privileged and --cap-drop contradict",
            "--cap-add NAME",
        ),
        (
            vec!["--security-opt=label=disable", "--security-opt=label=type:x_t"],
            "contradict each other",
            "leave one",
        ),
        (
            vec!["--privileged", "--yes-really", "--security-opt=apparmor=x"],
            "contradict each other",
            "",
        ),
        (vec!["--security-opt", &typo], "syscalls[0].incldues", ""),
        (vec!["--security-opt", &listener], "hands read to a listener", "listenerPath"),
        (vec!["--yes-really"], "--privileged", ""),
        (vec!["--pid=shared"], "`host`", ""),
        (vec!["--security-opt=seccomp=/none/such"], "/none/such", ""),
    ] {
        let ran = coffer.run(&[&["run", "--rm"], &flags[..], &[&name, "true"]].concat());
        assert_eq!(ran.status, 125, "{flags:?} {ran}");
        assert!(ran.stderr.contains(what) && ran.stderr.contains(help), "{flags:?} {ran}");
        assert_eq!(ran.stdout, "", "{flags:?}");
    }
    assert_eq!(coffer.must(&["ps", "-aq"]), "");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// Whoever listens where a profile says is handed the calls, told of which container, at its start
/// and for each command that joins it. Source: runtime-spec config-linux.md, "Seccomp".
#[test]
fn root_a_profile_names_who_listens() {
    use std::io::Read as _;
    use std::os::unix::net::UnixListener;

    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("listener");
    let profile = folder.path().join("profile.json");
    let json = serde_json::json!({
        "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": socket, "listenerMetadata": "deep",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}],
    });
    std::fs::write(&profile, json.to_string()).unwrap();
    let flag = format!("--security-opt=seccomp={}", profile.display());
    let run = ["run", "-d", "--name", "box", &flag, &name, "sleep", "1000"];
    let refused = coffer.run(&run);
    assert!(
        refused.status == 125 && refused.stderr.contains("connect with seccomp agent"),
        "{refused}"
    );
    coffer.must(&["rm", "box"]);
    let listener = UnixListener::bind(&socket).unwrap();
    let heard = || {
        let mut text = String::new();
        // Its descriptor comes beside the words; who does not take it closes it.
        listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let said = notes(&coffer, &run);
    let decides = format!("who listens at {} decides", socket.display());
    assert!(said.iter().any(|note| note.contains(&decides)), "{said:?}");
    let told = heard();
    let id = coffer.must(&["ps", "-q", "--no-trunc"]);
    assert_eq!(
        (told["state"]["id"].as_str(), told["state"]["status"].as_str()),
        (Some(id.trim()), Some("created"))
    );
    assert_eq!((&told["metadata"], &told["fds"][0]), (&"deep".into(), &"seccompFd".into()));
    assert_eq!(told["pid"], told["state"]["pid"]);
    // It waits for an answer until there is nobody any more to give one.
    let mut command = coffer.command(&["exec", "box", "mkdir", "/made"]);
    let made = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let joined = heard();
    let made = program::Outcome::from(made.wait_with_output().unwrap());
    assert!(made.status != 0 && made.stderr.contains("not implemented"), "{made}");
    assert_eq!(joined["state"]["status"].as_str(), Some("running"));
    assert!(joined["state"]["pid"] == told["state"]["pid"] && joined["pid"] != told["pid"]);
    coffer.must(&["rm", "-f", "box"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// The limit that every container has, seen from the host's control groups.
#[test]
fn root_memory_is_limited_where_nobody_says_so() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total: u64 = meminfo.split_whitespace().nth(1).unwrap().parse().unwrap();
    let script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes || cat /sys/fs/cgroup/memory.max";
    let limit = |flags: &[&str]| -> Option<u64> {
        let ran = coffer.run(&[&["run", "--rm"], flags, &[&name, "sh", "-c", script]].concat());
        ran.stdout.trim().parse().ok()
    };
    let usual = limit(&[]).unwrap();
    assert!(usual >= total * 1024 / 2 && usual <= total * 1024 / 8 * 7, "{usual} of {total} KiB");
    assert_eq!(limit(&["--memory", "64m"]), Some(64 << 20));
    let said =
        notes(&coffer, &["run", "-d", "--name", "open", "--memory=-1", &name, "sleep", "999"]);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("all of the host's memory") && said[0].contains("from: --memory -1"));
    let explained = coffer.run(&["explain", "open"]).stdout;
    let line = |start: &str| explained.lines().find(|line| line.starts_with(start)).unwrap();
    assert!(line("memory ").contains("no limit") && line("memory ").ends_with("--memory"));
    assert!(coffer.must(&["ps", "--json"]).contains("\"--memory -1\""));
    // A limit that the host cannot reach is none.
    let said = notes(&coffer, &["run", "--rm", "--memory=999999t", &name, "true"]);
    assert!(said.len() == 1 && said[0].contains("all of the host's memory"), "{said:?}");
    let explained = coffer.must(&["explain", &name]);
    assert!(explained.lines().any(|l| l.starts_with("memory ") && l.ends_with("default")));
    coffer.must(&["rm", "-f", "open"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// A program for 32-bit x86 that ends with status 7: an ELF header, one segment, and
/// `mov eax, 1; mov ebx, 7; int 0x80`. Source: man 5 elf.
#[cfg(target_arch = "x86_64")]
fn program_of_32_bits() -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    let code = [0xb8, 1, 0, 0, 0, 0xbb, 7, 0, 0, 0, 0xcd, 0x80];
    let length = 84 + u32::try_from(code.len()).unwrap();
    let mut file = b"\x7fELF\x01\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([2_u16, 3].map(u16::to_le_bytes).concat());
    file.extend([1, BASE + 84, 52, 0, 0].map(u32::to_le_bytes).concat());
    file.extend([52_u16, 32, 1, 0, 0, 0].map(u16::to_le_bytes).concat());
    file.extend([1, 0, BASE, BASE, length, length, 5, 0x1000].map(u32::to_le_bytes).concat());
    file.extend(code);
    file
}

#[test]
#[cfg(target_arch = "x86_64")]
fn root_32_bit_programs_run_where_a_profile_says_so() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let folder = tempfile::tempdir().unwrap();
    let path = |file: &str| folder.path().join(file);
    program::write(&path("seven"), &program_of_32_bits());
    let here = std::process::Command::new(path("seven")).status().unwrap();
    if here.code() != Some(7) {
        return println!("skipped: this kernel runs no 32-bit programs");
    }
    let volume = format!("{}:/mnt:ro", folder.path().display());
    let run = |architectures: &str| {
        let json = format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW"{architectures}}}"#);
        std::fs::write(path("profile.json"), json).unwrap();
        let flag = format!("seccomp={}", path("profile.json").display());
        coffer.run(&["run", "--rm", "-v", &volume, "--security-opt", &flag, &name, "/mnt/seven"])
    };
    let sigsys = 128 + 31;
    assert_eq!(coffer.run(&["run", "--rm", "-v", &volume, &name, "/mnt/seven"]).status, sigsys);
    assert_eq!(run("").status, sigsys);
    let ran = run(r#","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"]"#);
    assert_eq!(ran.status, 7, "{ran}");
    assert!(ran.stderr.contains("the kernel's calls for x86 can be made"), "{ran}");
    let map =
        r#","archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}]"#;
    assert_eq!(run(map).status, 7);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// Hosts with a security module are in `bed_lsm.rs`.
#[test]
fn root_labels_that_the_host_cannot_give_are_named() {
    let modules = ["/sys/module/apparmor/parameters/enabled", "/sys/fs/selinux/enforce"];
    if !program::root() || modules.iter().any(|file| rustix::fs::stat(*file).is_ok()) {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    for (option, what) in [
        ("apparmor=docker-default", "no AppArmor, and no profile \"docker-default\""),
        ("label=type:container_t", "no SELinux, and no type:container_t"),
        ("label=level:s0:c1,c2", "no SELinux, and no level:s0:c1,c2"),
    ] {
        let ran = coffer.run(&["run", "--rm", "--security-opt", option, &name, "true"]);
        assert_eq!(ran.status, 125, "{option} {ran}");
        assert!(ran.stderr.contains(what) && ran.stderr.contains("help: leave"), "{option} {ran}");
    }
    assert_eq!(coffer.must(&["ps", "-aq"]), "");
    // What is so anyway is no error and no weakening.
    let volume = tempfile::tempdir().unwrap();
    let volume = format!("{}:/data:Z", volume.path().display());
    let none =
        ["--security-opt=apparmor=unconfined", "--security-opt=label=disable", "-v", &volume];
    let ran = coffer.run(&[&["run", "--rm"], &none[..], &[&name, "true"]].concat());
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{ran}");
    let explained = coffer.must(&["explain", &name]);
    assert!(explained.contains("this host has neither"), "{explained}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}
