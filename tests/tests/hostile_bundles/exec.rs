//! `exec` into a container that waits for it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use coffer_tests::program::{Outcome, root};
use serde_json::json;

use crate::bundle::{Bundle, SECRET};

/// A bundle that runs until it is dropped.
struct Running(Bundle);

impl Running {
    #[track_caller]
    fn start(bundle: Bundle) -> Self {
        let mut command = bundle.command(&["run", "--detach", &bundle.id()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().unwrap().success());
        Self(bundle)
    }

    /// `exec OPTIONS hostile COMMAND`.
    fn exec(&self, options: &[&str], command: &[&str]) -> Outcome {
        self.0.oci(&[&["exec"], options, &[&*self.0.id()], command].concat())
    }

    #[track_caller]
    fn end(self) {
        self.0.oci(&["delete", "--force", &self.0.id()]).success();
        self.0.untouched();
    }
}

impl Drop for Running {
    /// After a test that failed.
    fn drop(&mut self) {
        self.0.oci(&["delete", "--force", &self.0.id()]);
    }
}

#[test]
fn root_cve_2019_5736_the_runtime_that_enters_is_neither_run_nor_overwritten() {
    if root() {
        enter_a_trap(0o777);
        enter_a_trap(0o755);
    }
}

/// Enters a container that waits for it, with a runtime of these permissions.
fn enter_a_trap(mode: u32) {
    // The container waits for whoever enters, and tries to open its program for writing.
    let watcher = "while :; do for p in /proc/[0-9]*; do \
        [ $p = /proc/1 ] || [ $p = /proc/$$ ] || (: >>$p/exe) 2>/dev/null && echo $p >>/tmp/opened; \
        done; done";
    let bundle = Bundle::new(watcher);
    let runtime = bundle.own_runtime(mode);
    let bytes = fs::read(&runtime).unwrap();
    bundle.relink("bin/evil", "/proc/self/exe");
    let script = bundle.rootfs().join("bin/script");
    fs::write(&script, "#!/proc/self/exe\n").unwrap();
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    let running = Running::start(bundle);
    for _ in 0..10 {
        for program in ["/bin/evil", "/bin/script", "/proc/self/exe"] {
            let outcome = running.exec(&[], &[program]);
            assert_ne!(outcome.status, 0, "{outcome}");
            assert!(!outcome.stderr.to_lowercase().contains("usage"), "{outcome}");
        }
        assert_eq!(running.exec(&[], &["/bin/true"]).status, 0);
    }
    assert!(fs::read(&runtime).unwrap() == bytes);
    running.end();
}

#[test]
fn root_cve_2022_29162_exec_makes_nothing_inheritable() {
    if !root() {
        return;
    }
    let running = Running::start(Bundle::new("sleep 1000"));
    let line = ["/bin/grep", "-E", "Cap(Inh|Amb)", "/proc/self/status"];
    for options in [&[][..], &["--cap", "CAP_NET_RAW"], &["--user", "1000"]] {
        let outcome = running.exec(options, &line);
        assert!(outcome.stdout.contains("CapInh:\t0000000000000000"), "{options:?} {outcome}");
    }
    running.end();
}

#[test]
fn root_cve_2024_21626_exec_starts_in_no_folder_of_the_host() {
    if !root() {
        return;
    }
    let running = Running::start(Bundle::new("sleep 1000"));
    let script = "cat secret ../secret host/secret ../../../../secret; pwd";
    for place in 3..20 {
        for rest in ["", "/..", "/../../../../../../.."] {
            let folder = format!("/proc/self/fd/{place}{rest}");
            let outcome = running.exec(&["--cwd", &folder], &["/bin/sh", "-c", script]);
            assert!(!outcome.stdout.contains(SECRET), "{outcome}");
            assert!(outcome.status != 0 || outcome.stdout.starts_with("/"), "{outcome}");
        }
    }
    running.end();
}

#[test]
fn root_cve_2026_30892_a_user_is_a_number_or_refused() {
    if !root() {
        return;
    }
    let mut bundle = Bundle::new("sleep 1000");
    bundle.config["process"]["user"] = json!({ "uid": 1000, "gid": 1000 });
    fs::write(bundle.rootfs().join("etc/passwd"), "1x:x:0:0::/:/bin/sh\nroot:x:0:0::/:/bin/sh\n")
        .unwrap();
    let running = Running::start(bundle);
    let id = ["/bin/sh", "-c", "id -u; id -g"];
    for user in [
        "1x",
        "1 ",
        " 1",
        "+1",
        "-1",
        "0x0",
        "",
        ":",
        "1:",
        ":1",
        "1:1:1",
        "1:x",
        "4294967295",
        "4294967296",
        "18446744073709551616",
        "1\n",
        "١",
    ] {
        let outcome = running.exec(&["--user", user], &id);
        let refused = outcome.status != 0 && outcome.stdout.is_empty();
        assert!(refused, "{user:?}: {outcome}");
    }
    assert_eq!(running.exec(&["--user", "1234:567"], &id).stdout, "1234\n567\n");
    assert_eq!(running.exec(&[], &id).stdout, "1000\n1000\n");
    running.end();
}
