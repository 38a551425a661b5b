//! The laws of `create`, by its system calls: one process and no other program, nothing written
//! before all is checked, no path into the container's root but below a descriptor.

use std::path::Path;
use std::process::Command;

use coffer_tests::oci::Runtime;
use coffer_tests::program::{self, Outcome};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

/// `strace` around a command of the runtime's, with descriptors by their paths. Source: strace(1).
pub(crate) fn strace(log: &NamedTempFile, command: &Command) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "--quiet=all", "-s", "4096", "-o"]).arg(log.path()).arg("--");
    strace.arg(command.get_program()).args(command.get_args());
    strace
}

/// The calls in a log, without the numbers of their processes.
pub(crate) fn calls(log: &NamedTempFile) -> Vec<String> {
    let text = std::fs::read_to_string(log.path()).unwrap();
    let call = |line: &str| line.split_once(' ').map(|(_, call)| call.trim_start().to_owned());
    text.lines().filter_map(call).collect()
}

fn is(call: &str, names: &[&str]) -> bool {
    names.iter().any(|name| call.starts_with(&format!("{name}(")))
}

/// The calls of a `create` that makes `change`s to its bundle, up to the gate.
fn created(runtime: &Runtime, change: impl FnOnce(&mut Value)) -> Vec<String> {
    let (log, id) = (NamedTempFile::new().unwrap(), format!("law-{}", std::process::id()));
    let bundle = runtime.bundle("true", change).to_string_lossy().into_owned();
    let create = runtime.command(&["create", "--bundle", &bundle, &id]);
    let mut traced = strace(&log, &create).spawn().unwrap();
    while runtime.status(&id) != "created" {
        assert!(traced.try_wait().unwrap().is_none(), "it ended: {:#?}", calls(&log));
        std::thread::yield_now();
    }
    runtime.must(&["delete", "--force", &id]);
    traced.wait().unwrap();
    calls(&log)
}

#[test]
fn root_create_makes_one_process_and_runs_no_other_program() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let calls = created(&runtime, |_| ());
    let of = |names: &[&str]| calls.iter().filter(|call| is(call, names)).collect::<Vec<_>>();
    assert_eq!(of(&["execve", "execveat"]).len(), 1, "but for strace's own");
    let made = of(&["clone", "clone3", "fork", "vfork"]);
    assert!(made.len() == 1 && is(made[0], &["clone3"]), "{made:#?}");
    // The same eyes see a hook of the host's side.
    let hook = json!([{"path": "/bin/true"}]);
    let calls = created(&runtime, |config| config["hooks"] = json!({"createRuntime": hook}));
    assert_eq!(calls.iter().filter(|call| is(call, &["execve"])).count(), 2);
    assert_eq!(runtime.leftovers(), [""; 0]);
}

/// Whether a path that stands behind a descriptor stays below it: it is one name, which is not
/// followed, or the kernel was told to.
fn stays_below(call: &str, path: &str) -> bool {
    if is(call, &["openat2"]) {
        return call.contains("RESOLVE_IN_ROOT") || call.contains("RESOLVE_BENEATH");
    }
    let follows = is(call, &["openat"]) && !call.contains("O_NOFOLLOW");
    !path.contains('/') && path != ".." && !follows
}

/// The paths in a call that are looked up, each with whether it stands behind a descriptor.
fn looked_up(call: &str) -> Vec<(bool, &str)> {
    let parts: Vec<&str> = call.split('"').collect();
    let mut found = Vec::new();
    for (at, path) in parts.iter().enumerate().skip(1).step_by(2) {
        let before = parts[at - 1];
        let is_content = is(call, &["symlinkat"]) && at == 1;
        if !is_content && !path.is_empty() {
            found.push((before.ends_with(">, ") && !before.contains("AT_FDCWD"), *path));
        }
    }
    found
}

/// The calls that take paths.
const BY_PATH: &[&str] = &[
    "open",
    "openat",
    "openat2",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "symlink",
    "symlinkat",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "rmdir",
    "rename",
    "renameat",
    "renameat2",
    "chmod",
    "fchmodat",
    "chown",
    "lchown",
    "fchownat",
    "mount",
    "umount2",
    "move_mount",
    "open_tree",
    "stat",
    "lstat",
    "newfstatat",
    "statx",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "chdir",
    "chroot",
    "setxattr",
    "lsetxattr",
    "statfs",
];

#[test]
fn root_create_goes_by_no_path_into_the_containers_root() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let data = runtime.folder().join("data");
    std::fs::create_dir(&data).unwrap();
    let calls = created(&runtime, |config| {
        config["mounts"].as_array_mut().unwrap().push(json!({
            "destination": "/deep/down/data", "type": "bind", "source": data, "options": ["bind"],
        }));
        config["linux"]["maskedPaths"] = json!(["/proc/kcore", "/deep/down"]);
        config["linux"]["readonlyPaths"] = json!(["/proc/sys", "/deep"]);
        config["linux"]["devices"] =
            json!([{"path": "/deep/null", "type": "c", "major": 1, "minor": 3}]);
    });
    let into = |call: &&String| call.contains("/rootfs/") && !call.contains("</");
    assert_eq!(calls.iter().filter(into).count(), 0, "paths of the host into the root");
    // What the new process does before it has the new root for its own.
    let first = calls.iter().position(|call| is(call, &["mount"]) && call.contains("MS_SLAVE"));
    let last = calls.iter().position(|call| is(call, &["pivot_root"]));
    let inside = &calls[first.unwrap() + 1..last.unwrap()];
    let (mut below, mut bad) = (0, Vec::new());
    for call in inside.iter().filter(|call| is(call, BY_PATH)) {
        for (at_descriptor, path) in looked_up(call) {
            match at_descriptor {
                true if stays_below(call, path) => below += 1,
                // The parent's, or the new root that is put over the old one.
                false
                    if path == "/"
                        || path.starts_with("/proc/")
                        || path.starts_with("/sys/fs/cgroup/") => {}
                _ => bad.push(call),
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(below > 20, "strace saw {below} look-ups");
    assert_eq!(runtime.leftovers(), [""; 0]);
}

/// Whether a call changes something that others see: the words to standard error do not count.
fn writes(call: &str) -> bool {
    const CHANGES: &[&str] = &[
        "mkdir",
        "mkdirat",
        "mknod",
        "mknodat",
        "symlinkat",
        "linkat",
        "unlink",
        "unlinkat",
        "rmdir",
        "renameat",
        "renameat2",
        "fchmod",
        "fchmodat",
        "fchown",
        "fchownat",
        "mount",
        "umount2",
        "move_mount",
        "mount_setattr",
        "fsmount",
        "pivot_root",
        "clone",
        "clone3",
        "fork",
        "vfork",
        "sendmsg",
        "sendto",
        "connect",
        "bind",
        "setxattr",
        "fsetxattr",
        "bpf",
        "kill",
        "pidfd_send_signal",
        "flock",
        "ftruncate",
        "unshare",
        "setns",
        "sethostname",
    ];
    let opens = ["O_CREAT", "O_TRUNC", "O_WRONLY", "O_RDWR", "O_TMPFILE"];
    is(call, CHANGES)
        || (is(call, &["open", "openat", "openat2"]) && opens.iter().any(|o| call.contains(o)))
        || (is(call, &["write", "writev", "pwrite64"]) && !call.contains("(2<"))
}

/// What is wrong, in the order in which a configuration is looked at.
fn mistakes() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("/ociVersion", json!("2.0.0"), "ociVersion"),
        ("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_NOTIFY"}), "linux.seccomp"),
        ("/linux/cgroupsPath", json!("../.."), "linux.cgroupsPath"),
        ("/linux/resources", json!({"cpu": {"cpus": "x"}}), "linux.resources.cpu.cpus"),
        ("/mounts/0/uidMappings", json!([{"containerID": 0, "hostID": 1, "size": 1}]), "mounts[0]"),
        ("/process/rlimits", json!([{"type": "RLIMIT_NONE", "soft": 1, "hard": 1}]), "rlimits"),
        ("/hooks", json!({"poststop": [{"path": "relative"}]}), "hooks.poststop[0].path"),
        ("/process/execCPUAffinity", json!({"final": "x"}), "process.execCPUAffinity.final"),
        ("/process/args", json!([]), "process.args"),
        ("/hooks", json!({"startContainer": [{"path": "relative"}]}), "startContainer[0].path"),
    ]
}

fn refused(runtime: &Runtime, at: &str, value: Value) -> (Outcome, Vec<String>) {
    let log = NamedTempFile::new().unwrap();
    let bundle = runtime.bundle("true", |config| {
        let (parent, name) = at.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[name] = value;
    });
    let words = ["create", "--bundle", &*bundle.to_string_lossy(), "refused"];
    // What is not refused would wait at its gate, and strace with it.
    assert_eq!(runtime.run(&words).status, 1, "{at}");
    let create = runtime.command(&words);
    (program::run(&mut strace(&log, &create)), calls(&log))
}

#[test]
fn root_nothing_is_written_before_the_last_mistake_is_found() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    for (at, value, words) in mistakes() {
        let (said, calls) = refused(&runtime, at, value);
        assert!(said.status == 1 && said.stderr.contains(words), "{at}: {said}");
        let written: Vec<&String> = calls.iter().filter(|call| writes(call)).collect();
        // Its own mount of its own binary, which nobody else sees: see `coffer_sys::own`.
        let own = calls.iter().find(|call| is(call, &["open_tree"])).unwrap();
        let own = own.split_once("\"/proc/self/exe\", ").unwrap().1.split_once(" = ").unwrap().1;
        let own = format!("mount_setattr({own}, ");
        assert!(written.iter().all(|call| call.starts_with(&own)), "{at}: {written:#?}");
        assert!(written.len() <= 2, "{at}: {written:#?}");
        assert!(!Path::exists(&runtime.states()), "{at}: even the folder of states");
    }
    let calls = created(&runtime, |_| ());
    assert!(
        calls.iter().filter(|call| writes(call)).count() > 20,
        "the same eyes see what create does"
    );
}
