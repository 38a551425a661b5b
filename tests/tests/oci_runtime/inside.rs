//! What a program inside is free to do, as under runc: nothing of the runtime's own stays on it.

use coffer_tests::oci::Runtime;
use coffer_tests::program;
use serde_json::json;

#[test]
fn root_who_may_mount_mounts() {
    if !program::root() {
        return;
    }
    let line = "/bin/busybox mount -t tmpfs none /tmp && echo mounted";
    for runtime in Runtime::all() {
        let bundle = runtime.bundle(line, |config| {
            let capabilities = &mut config["process"]["capabilities"];
            for set in ["bounding", "effective", "permitted"] {
                capabilities[set] = json!(["CAP_SYS_ADMIN"]);
            }
        });
        let outcome = runtime.run(&["run", "-b", &bundle.to_string_lossy(), "mounts"]);
        assert_eq!(outcome.stdout, "mounted\n", "{:?}: {outcome}", runtime.kind());
        let bundle = runtime.bundle("exec sleep 1000", |_| ());
        runtime.must(&["run", "--detach", "-b", &bundle.to_string_lossy(), "joined"]);
        let exec = ["exec", "--cap", "CAP_SYS_ADMIN", "joined", "sh", "-c", line];
        assert_eq!(runtime.must(&exec), "mounted\n", "{:?}", runtime.kind());
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_who_joins_and_who_is_joined_look_into_each_other() {
    if !program::root() {
        return;
    }
    let first = "read joined </ask; cat /proc/$joined/environ >/answer; exec sleep 1000";
    let joins = "cat /proc/1/environ; echo; echo $$ >/ask; cat /answer";
    for runtime in Runtime::all() {
        let bundle = runtime.bundle(first, |config| {
            config["root"]["readonly"] = json!(false);
            config["process"]["env"] = json!(["PATH=/bin", "HOME=/first"]);
        });
        for pipe in ["ask", "answer"] {
            let pipe = bundle.join("rootfs").join(pipe);
            rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
        }
        runtime.must(&["run", "--detach", "-b", &bundle.to_string_lossy(), "looked-at"]);
        let exec = ["exec", "--env", "HOME=/second", "looked-at", "sh", "-c", joins];
        let seen = runtime.must(&exec).replace('\0', " ");
        let lines: Vec<&str> = seen.lines().collect();
        assert!(lines[0].contains("HOME=/first"), "{:?}: {seen}", runtime.kind());
        assert!(lines[1].contains("HOME=/second"), "{:?}: {seen}", runtime.kind());
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_home_is_the_users_where_nobody_says_another() {
    if !program::root() {
        return;
    }
    let passwd = "root:x:0:0::/root:/bin/sh\nweb:x:33:33::/var/www:/bin/sh\n";
    for runtime in Runtime::beside_newest() {
        let bundle = runtime.bundle("", |config| {
            config["process"]["args"] = json!(["sleep", "1000"]);
            config["process"]["user"] = json!({"uid": 33, "gid": 33});
            config["process"]["env"] = json!(["PATH=/bin", "HOME=", "TWICE=1", "TWICE=2"]);
        });
        std::fs::write(bundle.join("rootfs/etc/passwd"), passwd).unwrap();
        runtime.must(&["run", "--detach", "-b", &bundle.to_string_lossy(), "at-home"]);
        let environment = ["sh", "-c", "cat /proc/1/environ"];
        let first = runtime.must(&[&["exec", "at-home"], &environment[..]].concat());
        let entries: Vec<&str> = first.split_terminator('\0').collect();
        assert_eq!(entries, ["PATH=/bin", "TWICE=2", "HOME=/var/www"], "{:?}", runtime.kind());
        for (user, home) in [("0", "/root"), ("33", "/var/www"), ("7", "/")] {
            let said = runtime.must(&["exec", "--user", user, "at-home", "sh", "-c", "echo $HOME"]);
            assert_eq!(said.trim(), home, "{:?}: {user}", runtime.kind());
        }
        let said = runtime.must(&["exec", "-e", "HOME=/own", "at-home", "sh", "-c", "echo $HOME"]);
        assert_eq!(said, "/own\n", "{:?}", runtime.kind());
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_without_a_cgroup_namespace_a_container_of_v1_sees_its_own_groups() {
    if !program::root() || !std::path::Path::new("/sys/fs/cgroup/memory/tasks").exists() {
        return println!("skipped: it needs root, and version 1's memory controller");
    }
    let line = "cd /sys/fs/cgroup/memory; cat memory.limit_in_bytes; \
        for pid in $(cat tasks); do [ -d /proc/$pid ] && echo mine; done; \
        for group in */; do echo \"$group\"; done; (echo 0 >>tasks) 2>/dev/null && echo writable; exit 0";
    for runtime in Runtime::all() {
        let bundle = runtime.bundle(line, |config| {
            let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
            namespaces.retain(|namespace| namespace["type"] != "cgroup");
            namespaces.retain(|namespace| namespace["type"] != "pid");
            config["linux"]["resources"] = json!({"memory": {"limit": 67_108_864}});
            config["mounts"].as_array_mut().unwrap().push(json!({
                "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                "options": ["nosuid", "noexec", "nodev", "ro"],
            }));
        });
        let outcome = runtime.run(&["run", "-b", &bundle.to_string_lossy(), "groups"]);
        // The shell, and the program that reads the list.
        let seen = "67108864\nmine\n*/\n";
        assert_eq!(outcome.stdout, seen, "{:?}: {outcome}", runtime.kind());
        assert_eq!(runtime.leftovers(), [""; 0]);
    }
}

#[test]
fn root_what_cannot_be_ambient_is_said_in_one_line() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    // As buildah asks for them, which shows what the runtime says to whoever builds.
    let bundle = runtime.bundle("grep CapAmb /proc/self/status", |config| {
        config["process"]["capabilities"]["ambient"] = json!(["CAP_KILL", "CAP_AUDIT_WRITE"]);
    });
    let outcome = runtime.run(&["run", "-b", &bundle.to_string_lossy(), "ambient"]);
    assert_eq!(outcome.stdout, "CapAmb:\t0000000000000000\n", "{outcome}");
    let warnings: Vec<&str> = outcome.stderr.lines().collect();
    assert!(warnings.len() == 1 && warnings[0].contains("CAP_KILL, CAP_AUDIT_WRITE"), "{outcome}");
    assert_eq!(runtime.leftovers(), [""; 0]);
}
