//! `exec`, `ps`.

use std::fs;

use coffer_tests::oci::Runtime;
use coffer_tests::program;
use serde_json::json;

/// A container that runs.
fn running(runtime: &Runtime) -> String {
    let id = format!("exec-{}-{}", std::process::id(), runtime.states().display());
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    let bundle = runtime.bundle("sleep 1000", |config| {
        config["process"]["env"] = json!(["PATH=/bin", "OWN=1"]);
    });
    assert_eq!(runtime.create(&id, &bundle).status, 0);
    runtime.must(&["start", &id]);
    id
}

/// Options, a line of shell, and what is said.
const LINES: &[(&[&str], &str, &str)] = &[
    (&[], "echo $OWN $PWD", "1 /\n"),
    (&["--cwd", "/tmp"], "pwd", "/tmp\n"),
    (&["--cwd=/tmp"], "pwd", "/tmp\n"),
    (&["-e", "A=1", "-e", "OWN=2"], "echo $A $OWN", "1 2\n"),
    (&["-u", "1000"], "id -u; id -g", "1000\n0\n"),
    (&["--user", "1000:2000"], "id -u; id -g", "1000\n2000\n"),
    (&["-u", "1:2", "-g", "7", "-g", "8"], "id -G", "2 7 8\n"),
    (&["--cap", "CAP_SYS_TIME"], "grep CapBnd /proc/self/status", "CapBnd:\t0000000022000420\n"),
    (&[], "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1\n"),
    (&[], "ls /proc/self/fd | wc -l", "4\n"),
];

#[test]
fn root_a_process_joins_the_group_that_is_named() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let mut path = String::new();
    let bundle = runtime.bundle("exec sleep 1000", |config| {
        path = config["linux"]["cgroupsPath"].as_str().unwrap().to_owned();
    });
    runtime.must(&["run", "--detach", "--bundle", &bundle.to_string_lossy(), "named"]);
    let groups = runtime.must(&["exec", "named", "cat", "/proc/self/cgroup"]);
    let missing = runtime.run(&["exec", "--cgroup", "/below", "named", "true"]);
    assert_eq!(missing.status, 255, "{missing}");
    assert!(missing.stderr.contains(&format!("{path}/below")), "{missing}");
    let same = runtime.must(&["exec", "--cgroup", "/", "named", "cat", "/proc/self/cgroup"]);
    assert_eq!(same, groups);
    assert_eq!(runtime.leftovers(), [""; 0]);
}

#[test]
fn root_a_process_that_joins_has_the_processors_of_its_own() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let bundle = runtime.bundle("exec sleep 1000", |config| {
        config["process"]["execCPUAffinity"] = json!({"initial": "0", "final": "1"});
    });
    let id = format!("affinity-{}", std::process::id());
    runtime.must(&["run", "--detach", "--bundle", &bundle.to_string_lossy(), &id]);
    let list = "Cpus_allowed_list:\t";
    let status = fs::read_to_string(format!("/proc/{}/status", runtime.pid(&id))).unwrap();
    assert!(!status.contains(&format!("{list}1\n")), "the first process has all");
    let read = ["busybox", "grep", "Cpus_allowed_list", "/proc/self/status"];
    let words = [&["exec", &id], &read[..]].concat();
    assert_eq!(runtime.must(&words), format!("{list}1\n"));
    let process = runtime.folder().join("process.json");
    let wanted = json!({
        "cwd": "/", "args": ["/bin/busybox", read[1], read[2], read[3]],
        "execCPUAffinity": {"initial": "0"},
    });
    fs::write(&process, wanted.to_string()).unwrap();
    let words = ["exec", "--process", &process.to_string_lossy(), &id];
    assert_eq!(runtime.must(&words), format!("{list}0\n"));
    assert_eq!(runtime.leftovers(), [""; 0]);
}

#[test]
fn root_options_do_what_they_do_under_runc() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        let id = running(&runtime);
        for (options, line, said) in LINES {
            let line = line.replace("grep", "busybox grep");
            let words = [&["exec"], *options, &[&*id, "busybox", "sh", "-c", &line]].concat();
            let outcome = runtime.run(&words);
            assert_eq!(outcome.stdout, *said, "{:?} {words:?}: {outcome}", runtime.kind());
        }
    }
}

#[test]
fn root_users_are_read_strictly() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let id = running(&runtime);
    for user in ["root", "", ":", "0:", ":0", "+0", "-1", "1000:", "0x10", "1 ", "4294967295"] {
        let said = runtime.run(&["exec", "-u", user, &id, "id", "-u"]);
        assert_eq!((said.status, &*said.stdout), (255, ""), "{user:?}: {said}");
    }
}

#[test]
fn root_a_process_comes_from_a_file_and_is_left_to_itself() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        let id = running(&runtime);
        let (process, pid) = (runtime.folder().join("process"), runtime.folder().join("pid"));
        let wanted = json!({
            "args": ["sh", "-c", "echo $A > /tmp/said; exec sleep 1000"],
            "env": ["PATH=/bin", "A=from a file"],
            "cwd": "/tmp",
            "user": {"uid": 0, "gid": 0},
        });
        fs::write(&process, wanted.to_string()).unwrap();
        let (process, pid_path) = (process.to_string_lossy(), pid.to_string_lossy());
        let words = ["exec", "--process", &process, "--detach", "--pid-file", &pid_path, &id];
        runtime.must(&words);
        let pid: i32 = fs::read_to_string(&pid).unwrap().parse().unwrap();
        let list = runtime.must(&["ps", "-f", "json", &id]);
        if list != format!("[{}]\n", runtime.pid(&id)) {
            assert!(list.contains(&pid.to_string()), "{list}");
        }
        runtime.must(&["kill", &id, "KILL"]);
        Runtime::ends(pid);
    }
}

#[test]
fn root_descriptors_are_passed_by_number_and_no_others() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::all() {
        let id = running(&runtime);
        let line = "ls /proc/self/fd | wc -l; cat <&3; cat <&4";
        let mut shell = std::process::Command::new("sh");
        let script = "exec 3<<A 4<<B 5<&0 6<&0\nthree\nA\nfour\nB\nexec \"$@\"";
        shell.args(["-c", script, "sh"]).arg(runtime.program()).arg("--root");
        shell.arg(runtime.states()).args(["exec", "--preserve-fds", "2", &id, "sh", "-c", line]);
        let said = runtime.finish(&mut shell).success();
        assert_eq!(said, "6\nthree\nfour\n", "{:?}", runtime.kind());
    }
}
