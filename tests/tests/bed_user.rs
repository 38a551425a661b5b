//! `coffer` for an ordinary user with a service manager of his own: delegated control groups.

use std::path::Path;
use std::process::Command;

use coffer_tests::bed::{self, Kernel, Variant};
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program::{self, Outcome};

/// Runs `words` as the guest's user.
fn diver(words: &[&str]) -> Outcome {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "diver", "--regid", "diver", "--init-groups", "env", "-i"]);
    command.args(["PATH=/host:/usr/sbin:/usr/bin", "HOME=/home/diver"]);
    command.args(["XDG_RUNTIME_DIR=/run/user/1000"]);
    command.args(["DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus"]);
    program::run(command.args(words).current_dir("/home/diver"))
}

/// The id of busybox in his store.
fn take_in() -> String {
    let layout = BUSYBOX.layout();
    assert!(layout.starts_with(Path::new("/host")), "{}", layout.display());
    let layout = format!("oci:{}:latest", layout.display());
    diver(&["coffer", "pull", "--quiet", &layout]).success().trim().to_owned()
}

/// The controls that the container sees on itself.
const LIMITS: &str = "cd /sys/fs/cgroup; cat memory.max cpu.max pids.max";

fn limits_hold() {
    let name = take_in();
    let scope = ["systemd-run", "--quiet", "--user", "--scope", "-p", "Delegate=yes", "coffer"];
    let limits = ["run", "--rm", "--memory", "64m", "--cpus", "0.5", "--pids-limit", "20"];
    let seen = diver(&[&scope[..], &limits, &[&name, "sh", "-c", LIMITS]].concat());
    assert_eq!(seen.success(), "67108864\n50000 100000\n20\n");
    let small =
        ["run", "--rm", "--memory", "24m", &name, "dd", "if=/dev/zero", "bs=48M", "of=/dev/null"];
    let killed = diver(&[&scope[..], &small].concat());
    assert_eq!(killed.status, 137, "{killed}");
}

#[test]
fn bed_systemd_an_ordinary_user_limits_where_it_is_delegated() {
    bed::enter!(Variant::Systemd, [&BUSYBOX]);
    limits_hold();
}

#[test]
fn bed_systemd_an_ordinary_user_limits_on_linux_6_12() {
    bed::enter!(Variant::Systemd.on(Kernel::Debian13), [&BUSYBOX]);
    limits_hold();
}

#[test]
fn bed_plain_a_limit_without_delegation_is_refused_with_the_way_on() {
    bed::enter!(Variant::Plain, [&BUSYBOX]);
    let name = take_in();
    let said = diver(&["coffer", "run", "--rm", "--memory", "64m", &name, "true"]).failure(125);
    assert!(said.contains("memory controller is not delegated"), "{said}");
    assert!(said.contains("help: "), "{said}");
    assert_eq!(diver(&["coffer", "run", "--rm", &name, "echo", "free"]).success(), "free\n");
}

#[test]
fn bed_systemd_the_demo_holds_for_an_ordinary_user() {
    bed::enter!(Variant::Systemd);
    let outcome = diver(&["coffer", "demo"]);
    assert_eq!(outcome.status, 0, "{outcome}");
}
