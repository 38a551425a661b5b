//! What clients expect of a runtime since runc has always done it; each was found by runc's own
//! suite (`cargo xtask suites runc`), and holds on runc too where that is here.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use coffer_tests::oci::{Kind, Runtime};
use coffer_tests::program;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// How long something that is expected may take.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

fn id(what: &str) -> String {
    format!("{what}-{}", std::process::id())
}

fn path(bundle: &std::path::Path) -> String {
    bundle.to_string_lossy().into_owned()
}

/// What a container says that runs `line`, changed by `change`.
#[track_caller]
fn said(runtime: &Runtime, line: &str, change: impl FnOnce(&mut Value)) -> String {
    let bundle = runtime.bundle(line, change);
    runtime.must(&["run", "-b", &path(&bundle), &id("said")])
}

#[test]
fn root_a_user_is_at_home_where_its_passwd_says() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::beside_newest() {
        for (env, home) in [
            (json!(["PATH=/bin"]), "/home/u"),
            (json!(["PATH=/bin", "HOME="]), "/home/u"),
            (json!(["PATH=/bin", "HOME=/x", "HOME="]), "/home/u"),
            (json!(["PATH=/bin", "HOME=/x"]), "/x"),
        ] {
            let bundle = runtime.bundle("env | grep -c HOME=; echo $HOME", |config| {
                config["process"]["env"] = env;
                config["process"]["user"] = json!({"uid": 7, "gid": 7});
            });
            std::os::unix::fs::symlink("busybox", bundle.join("rootfs/bin/grep")).unwrap();
            fs::write(bundle.join("rootfs/etc/passwd"), "u:x:7:7::/home/u:/bin/sh\n").unwrap();
            let said = runtime.must(&["run", "-b", &path(&bundle), &id("home")]);
            assert_eq!(said, format!("1\n{home}\n"), "{:?}", runtime.kind());
        }
        let bundle = runtime.bundle("sleep 1000", |_| ());
        fs::write(bundle.join("rootfs/etc/passwd"), "u:x:7:7::/home/u:/bin/sh\n").unwrap();
        let id = id("home");
        runtime.must(&["run", "-d", "-b", &path(&bundle), &id]);
        for (user, home) in [("7", "/home/u"), ("8", "/")] {
            let said = runtime.must(&["exec", "-u", user, &id, "sh", "-c", "echo $HOME"]);
            assert_eq!(said.trim(), home, "{:?}", runtime.kind());
        }
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_who_has_the_right_to_mount_can_and_reaches_no_binary_of_the_hosts() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::beside_newest() {
        let line = "busybox mount -t tmpfs none /etc && busybox grep -c ' /etc ' /proc/mounts; \
            for p in /proc/[0-9]*; do (: >>$p/exe) 2>/dev/null && echo written; done; true";
        let bundle = runtime.bundle(line, |config| {
            for set in ["bounding", "effective", "permitted"] {
                let set = config["process"]["capabilities"][set].as_array_mut().unwrap();
                set.extend([json!("CAP_SYS_ADMIN"), json!("CAP_SYS_PTRACE")]);
            }
        });
        let said = runtime.must(&["run", "-b", &path(&bundle), &id("mounts")]);
        assert_eq!(said, "1\n", "{:?}", runtime.kind());
        // Its program is the runtime itself, which stays what it is.
        let before = fs::read(runtime.program()).unwrap_or_default();
        let trap = runtime.bundle("true", |config| {
            config["process"]["args"] = json!(["/proc/self/exe", "--version"]);
            let capabilities = &mut config["process"]["capabilities"];
            capabilities["bounding"] = json!(["CAP_SYS_ADMIN"]);
        });
        runtime.run(&["run", "-b", &path(&trap), &id("trap")]);
        assert!(fs::read(runtime.program()).unwrap_or_default() == before);
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_one_that_waits_holds_nothing_of_its_callers_and_ends_when_asked() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::beside_newest() {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let bundle = runtime.bundle("sleep 1000", |_| ());
        let id = id("waits");
        runtime.must(&["create", "-b", &path(&bundle), &id]);
        drop(writer);
        let mut ended = [PollFd::new(&reader, PollFlags::IN)];
        assert_eq!(poll(&mut ended, Some(&PATIENCE)), Ok(1), "{:?}", runtime.kind());
        let pid = runtime.pid(&id);
        runtime.must(&["kill", &id, "TERM"]);
        Runtime::ends(pid);
        assert_eq!(runtime.status(&id), "stopped", "{:?}", runtime.kind());
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_lines_in_a_file_end_as_the_program_wrote_them() {
    if !program::root() {
        return;
    }
    // runc wants a terminal of its caller's for this.
    let runtime = Runtime::ours();
    let with_terminal = |config: &mut Value| config["process"]["terminal"] = json!(true);
    assert_eq!(said(&runtime, "echo one; echo two", with_terminal), "one\ntwo\n");
    let sealed = |config: &mut Value| {
        with_terminal(config);
        let mounts = config["mounts"].as_array_mut().unwrap();
        let dev = mounts.iter_mut().find(|mount| mount["destination"] == "/dev").unwrap();
        dev["options"].as_array_mut().unwrap().push(json!("ro"));
    };
    let line = "busybox grep -c '/dev tmpfs ro' /proc/mounts; test -c /dev/console && echo there";
    assert_eq!(said(&runtime, line, sealed), "1\nthere\n");
}

#[test]
fn root_the_callers_processors_are_not_the_containers() {
    if !program::root() {
        return;
    }
    let all = std::thread::available_parallelism().unwrap().get();
    if all < 2 {
        return;
    }
    for runtime in Runtime::beside_newest() {
        let bundle = runtime.bundle("sleep 1000", |_| ());
        let id = id("cpus");
        runtime.must(&["run", "-d", "-b", &path(&bundle), &id]);
        let exec = runtime.command(&["exec", &id, "busybox", "nproc"]);
        let mut bound = Command::new("taskset");
        bound.args(["-c", "0"]).arg(exec.get_program()).args(exec.get_args());
        let said = runtime.finish(&mut bound).success();
        assert_eq!(said.trim(), all.to_string(), "{:?}", runtime.kind());
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_a_process_may_come_through_a_pipe() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::beside_newest() {
        let bundle = runtime.bundle("sleep 1000", |_| ());
        let id = id("piped");
        runtime.must(&["run", "-d", "-b", &path(&bundle), &id]);
        let process = json!({"args": ["echo", "read"], "cwd": "/", "env": ["PATH=/bin"],
            "user": {"uid": 0, "gid": 0}});
        let mut exec = runtime.command(&["exec", "--process", "/dev/stdin", &id]);
        let mut child = exec.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(process.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.stdout, b"read\n", "{:?}", runtime.kind());
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_without_a_pid_namespace_all_processes_are_killed() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::beside_newest() {
        let id = id("shared");
        for init_first in [false, true] {
            let bundle = runtime.bundle("sleep 1000", |config| {
                let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
                namespaces.retain(|namespace| namespace["type"] != "pid");
            });
            runtime.must(&["run", "-d", "-b", &path(&bundle), &id]);
            let file = runtime.folder().join("pid");
            runtime.must(&["exec", "-d", "--pid-file", &path(&file), &id, "sleep", "1000"]);
            let other: i32 = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
            let init = runtime.pid(&id);
            if init_first {
                kill_process(Pid::from_raw(init).unwrap(), Signal::KILL).unwrap();
                Runtime::ends(init);
            }
            runtime.must(&["kill", &id, "KILL"]);
            Runtime::ends(init);
            Runtime::ends(other);
            runtime.must(&["delete", "--force", &id]);
        }
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_a_hook_of_the_start_is_behind_the_filter_and_has_the_processs_environment() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::beside_newest() {
        let hooked = |script: &str| {
            let bundle = runtime.bundle("true", |config| {
                config["process"]["env"] = json!(["PATH=/bin", "ONE=two"]);
                config["process"]["rlimits"] =
                    json!([{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]);
                config["hooks"]["startContainer"] =
                    json!([{"path": "/bin/busybox", "args": ["sh", "-c", script]}]);
                config["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW",
                    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL"}]});
            });
            runtime.run(&["run", "-b", &path(&bundle), &id("hooked")])
        };
        hooked("test $ONE = two && test -n \"$HOME\"").success();
        let failed = hooked("echo too bad >&2; exit 3");
        assert_ne!(failed.status, 0, "{failed}");
        assert!(failed.stderr.contains("error running startContainer hook #0"), "{failed}");
        assert!(failed.stderr.contains("too bad"), "{failed}");
        let killed = hooked("exec busybox mkdir /tmp/a");
        assert!(killed.stderr.contains("bad system call"), "{killed}");
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_mounts_are_what_their_options_say() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::beside_newest() {
        let folder = runtime.folder().join("held");
        fs::create_dir_all(&folder).unwrap();
        rustix::mount::mount("none", &folder, "tmpfs", rustix::mount::MountFlags::RDONLY, None)
            .unwrap();
        rustix::mount::mount_remount(
            &folder,
            rustix::mount::MountFlags::BIND
                | rustix::mount::MountFlags::RDONLY
                | rustix::mount::MountFlags::NOSUID,
            "",
        )
        .unwrap();
        let line = "busybox awk '$2 == \"/vol\" {print $4}' /proc/mounts; stat -c %a /mnt";
        let bundle = runtime.bundle(line, |config| {
            let mounts = config["mounts"].as_array_mut().unwrap();
            mounts.push(json!({"destination": "/vol", "type": "bind", "source": folder,
                "options": ["bind", "suid", "noexec"]}));
            // Without a mode it has that of the folder below.
            mounts.push(json!({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs"}));
        });
        fs::create_dir(bundle.join("rootfs/vol")).unwrap();
        let below = bundle.join("rootfs/mnt");
        fs::create_dir(&below).unwrap();
        fs::set_permissions(&below, std::os::unix::fs::PermissionsExt::from_mode(0o710)).unwrap();
        let said = runtime.must(&["run", "-b", &path(&bundle), &id("options")]);
        rustix::mount::unmount(&folder, rustix::mount::UnmountFlags::DETACH).unwrap();
        assert!(!said.contains("nosuid") && said.contains("noexec"), "{said}");
        assert!(said.ends_with("710\n"), "{said}");
        if runtime.kind() == Kind::Ours {
            // What no option names stays as it is on the host; runc takes that away too.
            assert!(said.starts_with("ro,"), "{said}");
        }
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_a_root_that_is_moved_leaves_no_bare_proc() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::beside_newest() {
        for options in [&["--no-pivot"][..], &[]] {
            let line = "busybox unshare -mrpf busybox mount -t proc none /proc || echo refused";
            let bundle = runtime.bundle(line, |config| {
                for set in ["bounding", "permitted"] {
                    let set = config["process"]["capabilities"][set].as_array_mut().unwrap();
                    set.push(json!("CAP_SETFCAP"));
                }
                config["linux"]["maskedPaths"] = json!(["/proc/keys"]);
                config["linux"]["readonlyPaths"] = json!(["/proc/sys"]);
            });
            let (bundle, id) = (path(&bundle), id("moved"));
            let outcome = runtime.run(&[&["run", "-b", &bundle], options, &[&*id]].concat());
            assert_eq!(outcome.stdout, "refused\n", "{:?} {options:?}: {outcome}", runtime.kind());
        }
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_no_tasks_are_one() {
    if !program::root() {
        return;
    }
    for runtime in Runtime::beside_newest() {
        let bundle = runtime.bundle("busybox true; echo alone", |config| {
            config["linux"]["resources"] = json!({"pids": {"limit": 0}});
        });
        let outcome = runtime.run(&["run", "-b", &path(&bundle), &id("alone")]);
        assert!(!outcome.stdout.contains("alone"), "{:?}: {outcome}", runtime.kind());
    }
}
