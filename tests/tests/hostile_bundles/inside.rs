//! What a process finds inside: descriptors, working folder, capabilities, control groups.

use std::fs;

use coffer_tests::program::{self, root};
use serde_json::{Value, json};

use crate::bundle::{Bundle, SECRET};

#[test]
fn root_cve_2019_5736_the_runtime_is_not_run_from_inside() {
    if !root() {
        return;
    }
    let programs = ["/proc/self/exe", "/bin/evil", "/bin/script"];
    for (program, mode) in programs.iter().flat_map(|program| [(program, 0o777), (program, 0o755)])
    {
        let mut bundle = Bundle::new("");
        let runtime = bundle.own_runtime(mode);
        let bytes = fs::read(&runtime).unwrap();
        bundle.relink("bin/evil", "/proc/self/exe");
        fs::write(bundle.rootfs().join("bin/script"), "#!/proc/self/exe\n").unwrap();
        let script = bundle.rootfs().join("bin/script");
        fs::set_permissions(script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        bundle.config["process"]["args"] = json!([program]);
        let error = bundle.refused();
        // Had the runtime been run, it would have said which verbs it has.
        assert!(!error.to_lowercase().contains("usage"), "{error}");
        assert!(fs::read(&runtime).unwrap() == bytes);
    }
}

#[test]
fn root_cve_2021_43784_lengths_do_not_wrap() {
    if !root() {
        return;
    }
    // 16 bits of length, written over by a map that is longer.
    let mut bundle = Bundle::new("id -u; cat /proc/self/uid_map | wc -l");
    let line = |n: u32| json!({ "containerID": n, "hostID": 1_879_048_192 + n, "size": 1 });
    let many: Vec<Value> = (0..6000).map(line).collect();
    let namespaces = bundle.config["linux"]["namespaces"].as_array_mut().unwrap();
    namespaces.push(json!({ "type": "user" }));
    bundle.config["linux"]["uidMappings"] = json!(many);
    bundle.config["linux"]["gidMappings"] = json!(many);
    bundle.refused();
    for path in ["x".repeat(66_000), format!("/{}", "n/".repeat(33_000))] {
        let mut bundle = Bundle::new("echo inside");
        let namespaces = bundle.config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "network");
        namespaces.push(json!({ "type": "network", "path": path }));
        bundle.refused();
    }
}

#[test]
fn root_cve_2022_0492_no_release_agent_can_be_opened() {
    if !root() {
        return;
    }
    // Opened to append and nothing written: an answer without an effect.
    let script = "mount -t cgroup -o memory none /tmp; mount -t cgroup2 none /tmp; \
        unshare -Ur sh -c 'mount -t cgroup -o memory none /tmp'; \
        for f in $(find /sys/fs/cgroup /tmp -name release_agent); do (: >>$f) && echo opened $f; done; \
        echo inside";
    for namespaced in ["own control groups", "the host's"] {
        let mut bundle = Bundle::new(script);
        if namespaced == "the host's" {
            let namespaces = bundle.config["linux"]["namespaces"].as_array_mut().unwrap();
            namespaces.retain(|namespace| namespace["type"] != "cgroup");
        }
        cgroup_mount(&mut bundle);
        let outcome = bundle.run();
        assert!(!outcome.stdout.contains("opened"), "{namespaced}: {outcome}");
        bundle.untouched();
    }
}

fn cgroup_mount(bundle: &mut Bundle) {
    bundle.mount(json!({
        "type": "cgroup", "source": "cgroup", "destination": "/sys/fs/cgroup",
        "options": ["nosuid", "noexec", "nodev", "relatime", "ro"],
    }));
}

#[test]
fn root_cve_2022_24769_and_29162_nothing_is_inheritable_unless_it_was_said() {
    if !root() {
        return;
    }
    let bundle = Bundle::new("grep -E 'Cap(Inh|Amb)' /proc/self/status");
    let zeros = "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000\n";
    let outcome = bundle.run();
    assert_eq!(outcome.stdout, zeros, "{outcome}");
    bundle.untouched();
}

#[test]
fn root_cve_2023_25809_control_groups_are_not_written_without_a_namespace_of_their_own() {
    if !root() {
        return;
    }
    let script = "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/hostile && echo made $d; done; \
        mount -o remount,rw /sys/fs/cgroup && echo remounted; echo inside";
    for own in ["cgroup", "none"] {
        let mut bundle = Bundle::new(script);
        let namespaces = bundle.config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "cgroup" || own == "cgroup");
        namespaces.push(json!({ "type": "user" }));
        let map = json!([{ "containerID": 0, "hostID": 1_879_048_192_u32, "size": 65_536 }]);
        bundle.config["linux"]["uidMappings"] = map.clone();
        bundle.config["linux"]["gidMappings"] = map;
        std::os::unix::fs::chown(bundle.rootfs(), Some(1_879_048_192), Some(1_879_048_192))
            .unwrap();
        cgroup_mount(&mut bundle);
        let outcome = bundle.run();
        let made = outcome.stdout.contains("made") || outcome.stdout.contains("remounted");
        assert!(!made, "{own}: {outcome}");
        bundle.untouched();
    }
}

#[test]
fn root_cve_2024_21626_no_descriptor_and_no_folder_of_the_host_is_reached() {
    if !root() {
        return;
    }
    let script = "ls -l /proc/self/fd; for n in 3 4 5 6 7 8 9 10 11 12; do \
        cat /proc/self/fd/$n/secret /proc/self/fd/$n/../secret; done; cat secret ../secret; pwd";
    for place in 3..14 {
        for rest in ["", "/..", "/../../../../../../.."] {
            let mut bundle = Bundle::new(script);
            bundle.config["process"]["cwd"] = json!(format!("/proc/self/fd/{place}{rest}"));
            let outcome = with_open_folder(&bundle);
            assert!(!outcome.contains(SECRET) && !outcome.contains("/host"), "{outcome}");
            bundle.untouched();
        }
    }
    let outcome = with_open_folder(&Bundle::new(script));
    assert!(!outcome.contains(SECRET) && outcome.ends_with("/\n"), "{outcome}");
}

/// What the bundle says when the runtime's caller leaves a folder of the host's open.
fn with_open_folder(bundle: &Bundle) -> String {
    // What std opens closes by itself; the shell gives it on.
    let inner = bundle.command(&["run", &bundle.id()]);
    let mut shell = std::process::Command::new("sh");
    shell.current_dir(inner.get_current_dir().unwrap());
    shell.args(["-c", "exec 7<\"$0\" 8<\"$0\" 9<\"$0\"; exec \"$@\""]).arg(bundle.host());
    shell.arg(inner.get_program()).args(inner.get_args());
    program::run(&mut shell).stdout
}
