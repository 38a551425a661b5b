//! systemd in a container, with services of its own in control groups of its own.

use coffer_tests::bed::{Kernel, Machine, Variant};
use coffer_tests::image::catalogue::SYSTEMD;
use coffer_tests::program;

use super::pods::PODMAN;
use super::{DIVER, told};

/// Its life: up, a service, down.
const INIT: &str = r#"
image=$(podman pull -q oci:/host/systemd:latest)
podman run -d --name init --systemd always --network none $image > /dev/null
inside() { podman exec init "$@" 2>&1 || true; }
until_says active inside systemctl is-active word.service
inside cat /srv/word
inside cat /proc/1/comm
inside cat /proc/1/cgroup
inside systemctl show --value -p ControlGroup systemd-journald.service
inside sh -c 'cat /sys/fs/cgroup/system.slice/systemd-journald.service/cgroup.procs | wc -l'
inside sh -c 'tr "\0" "\n" < /proc/1/environ | grep ^container='
inside systemctl stop word.service
inside cat /srv/word
inside systemctl start word.service
inside systemctl is-active word.service
podman stop -t 60 init > /dev/null
podman inspect --format '{{.State.Status}} {{.State.ExitCode}}' init
podman rm init > /dev/null
podman ps -aq
"#;

fn lives(machine: impl Into<Machine>, become_user: &str) {
    let script = format!("{PODMAN}{INIT}");
    let said = told(machine, become_user, &[&SYSTEMD], &script);
    let service = "/system.slice/systemd-journald.service";
    let expected = format!(
        "served\nsystemd\n0::/init.scope\n{service}\n1\ncontainer=podman\nstopped\nactive\nexited 0\n"
    );
    assert_eq!(said, expected);
}

#[test]
fn bed_systemd_podman_runs_systemd() {
    if program::root() {
        lives(Variant::Systemd, "HOME=/root");
    }
}

#[test]
fn bed_systemd_podman_of_an_ordinary_user_runs_systemd() {
    if program::root() {
        lives(Variant::Systemd.on(Kernel::Debian13), DIVER);
    }
}
