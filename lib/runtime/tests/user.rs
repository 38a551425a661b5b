//! Containers of an ordinary user. Root becomes one: in a mount namespace of its own, whose
//! `/etc` knows a user with sub-ids, the same test is run again as that user.
#![expect(clippy::disallowed_methods, reason = "the tests' own folders")]
#![expect(clippy::unwrap_used, reason = "a container that cannot be started fails the test")]

mod common;

use std::process::Command;

use coffer_confine::ids::subid;
use coffer_runtime::launch::Gate;
use coffer_runtime::plan::Authority;
use coffer_runtime::spec::{
    Access, BindMount, ExecRequest, Init, MissingSource, MountRequest, Network, Recursion, Sharers,
};
use common::{Bench, finish, needs_root, start};
use rustix::process::{Signal, pidfd_send_signal};

/// Number and name of the user.
const USER: u32 = 54321;
/// Set for the test that is run again.
const AGAIN: &str = "COFFER_TEST_AS_USER";

/// Gives the user an entry in the files that `newuidmap` reads, and becomes it.
const BECOME: &str = r#"set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
for f in passwd group subuid subgid; do cp /etc/$f "$tmp/$f" 2>/dev/null || : > "$tmp/$f"; touch /etc/$f; done
echo "cofferuser:x:54321:54321::/:/bin/sh" >> "$tmp/passwd"
echo "cofferuser:x:54321:" >> "$tmp/group"
for f in subuid subgid; do echo "cofferuser:700000:65536" >> "$tmp/$f"; done
for f in passwd group subuid subgid; do mount --bind "$tmp/$f" /etc/$f; done
cp "$1" "$tmp/own"; shift; chmod 755 "$tmp"; chown 54321 "$tmp/own"
setpriv --reuid 54321 --regid 54321 --clear-groups --inh-caps=-all "$tmp/own" "$@"
"#;

/// Runs the test `name` as the user; `true` in that second run.
fn as_user(name: &str) -> bool {
    if std::env::var_os(AGAIN).is_some() {
        assert_eq!(rustix::process::getuid().as_raw(), USER);
        return true;
    }
    if needs_root() {
        let own = std::env::current_exe().unwrap();
        let mut again = Command::new("unshare");
        again.args(["--mount", "sh", "-c", BECOME, "become"]).arg(own);
        let output = again.args(["--exact", name]).env(AGAIN, "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    false
}

fn shell(line: &str) -> Bench {
    let mut bench = Bench::shell(line);
    bench.authority = Authority::User;
    bench.ids = subid::of_caller().unwrap();
    bench
}

#[test]
fn root_a_user_runs_a_container() {
    if !as_user("root_a_user_runs_a_container") {
        return;
    }
    let ended = shell(
        "id -u; cat /etc/hostname; touch /made; ls /dev/null /proc/1/status; \
        cat /proc/self/uid_map; echo out > /dev/stdout",
    )
    .run()
    .unwrap();
    assert!(
        ended.output.starts_with("0\nours: hostname\n/dev/null\n/proc/1/status\n"),
        "{ended:?}"
    );
    assert!(ended.output.ends_with("out\n") && ended.output.contains("700000"), "{ended:?}");
}

#[test]
fn root_coffers_own_binary_cannot_be_executed_inside() {
    if !as_user("root_coffers_own_binary_cannot_be_executed_inside") {
        return;
    }
    // The user owns the binary of this test, as of CVE-2019-5736.
    let script = |bench: &Bench, name: &str, text: &str| {
        let path = bench.root().join("bin").join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
    };
    let bench = shell("echo never");
    std::fs::remove_file(bench.root().join("bin/sh")).unwrap();
    std::os::unix::fs::symlink("/proc/self/exe", bench.root().join("bin/sh")).unwrap();
    assert_eq!(bench.run().unwrap_err().status(), 126);
    let mut bench = shell("");
    script(&bench, "evil", "#!/proc/self/exe\n");
    bench.command(&["evil"]);
    assert_eq!(bench.run().unwrap_err().status(), 126);
    let bench = shell("mkdir a b && touch a/x && mv a/x b/y && ls b && /bin/cat /etc/hosts");
    assert_eq!(bench.run().unwrap().output, "y\nours: hosts\n");
}

#[test]
fn root_a_user_has_other_users_inside() {
    if !as_user("root_a_user_has_other_users_inside") {
        return;
    }
    let mut bench = shell("id -u; echo out > /dev/stdout; grep CapEff /proc/self/status");
    bench.user(1000, 1000);
    assert_eq!(bench.run().unwrap().output, "1000\nout\nCapEff:\t0000000000000000\n");
}

#[test]
fn root_a_user_has_volumes_and_the_hosts_network() {
    if !as_user("root_a_user_has_volumes_and_the_hosts_network") {
        return;
    }
    let volume = tempfile::tempdir().unwrap();
    let mut bench = shell("touch /v/made; grep ' /v ' /proc/mounts; ls /sys/class");
    bench.request.network = Network::Host;
    bench.request.mounts.push(MountRequest::Bind(BindMount {
        source: volume.path().to_owned(),
        target: "/v".to_owned(),
        access: Access::ReadWrite,
        recursion: Recursion::Recursive,
        sharers: Sharers::AsLabelled,
        missing: MissingSource::Refuse,
    }));
    let output = bench.run().unwrap().output;
    assert!(output.contains("nosuid,nodev") && output.contains("net\n"), "{output}");
    assert!(volume.path().join("made").exists());
}

#[test]
fn root_a_user_joins_a_container() {
    if !as_user("root_a_user_joins_a_container") {
        return;
    }
    for init in [Init::Program, Init::Tiny] {
        let mut bench = shell("sleep 100");
        bench.request.init = init;
        let (reader, container) = bench.start(Gate::Open).unwrap();
        let command = ["cat", "/proc/1/comm"].map(str::to_owned).to_vec();
        let request = ExecRequest { command, ..ExecRequest::default() };
        let joined = start(&bench.join(&container, &request), Gate::Open)
            .map(|(output, process)| finish(output, &process));
        pidfd_send_signal(&container.pidfd, Signal::KILL).unwrap();
        finish(reader, &container);
        assert_eq!(joined.unwrap().status, Some(0), "{init:?}");
    }
}
