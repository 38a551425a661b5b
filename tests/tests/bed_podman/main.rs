//! podman with `--cgroup-manager=systemd` and `coffer-oci`, beside a real systemd: as root and as
//! an ordinary user, for whom podman calls the runtime from within a user namespace.

#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]
#![expect(clippy::disallowed_methods, reason = "copies the host's own programs by path")]

mod init;
mod pods;

use std::path::Path;
use std::process::Command;

use coffer_tests::bed::{self, Kernel, Machine, Variant};
use coffer_tests::image::Recipe;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;
use tempfile::TempDir;

/// What runs in the guest, before `LIFE`. The host's podman lies in /host/podman with all of its
/// libraries but those of libc.
const SET_UP: &str = r#"
set -eu
export PATH=/host/podman:$PATH
mkdir -p /etc/containers /etc/ld.so.conf.d /disk/containers /var/lib/containers
mount --bind /disk/containers /var/lib/containers
echo /host/podman > /etc/ld.so.conf.d/podman.conf
ldconfig
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > /etc/containers/policy.json
echo '[engine]
runtime_supports_json = ["coffer-oci"]
infra_image = "localhost/pause:latest"' > /etc/containers/containers.conf
ln -s /host/coffer /tmp/coffer-oci
"#;

/// A container's life, by what podman, systemd and the kernel say of it.
const LIFE: &str = r#"
set -eu
cd "$HOME"
podman() {
    command podman --storage-driver overlay --events-backend none --cgroup-manager systemd \
        --runtime /tmp/coffer-oci --conmon /host/podman/conmon "$@"
}
image=$(podman pull -q oci:/host/busybox:latest)
limits="--memory 64m --pids-limit 50 --cpus 0.5"
podman run --rm --network none $limits $image \
    sh -c 'cd /sys/fs/cgroup; cat /proc/self/cgroup memory.max pids.max cpu.max'
id=$(podman run -d --name web --network none $image sleep 1000)
$SYSTEMCTL show --value -p Slice -p Delegate -p ActiveState libpod-$id.scope
podman exec web cat /proc/1/comm
podman stats --no-stream --format '{{.PIDs}}' web
podman pause web > /dev/null
podman inspect --format '{{.State.Status}}' web
podman unpause web > /dev/null
podman update --memory 128m web > /dev/null
$SYSTEMCTL show --value -p MemoryMax libpod-$id.scope
podman exec web cat /sys/fs/cgroup/memory.max
podman rm -f -t 0 web > /dev/null
$SYSTEMCTL show --value -p LoadState libpod-$id.scope
podman ps -aq
"#;

/// The host's podman and conmon with their libraries. Those of libc are the guest's own.
fn programs() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let take = |file: &str| {
        let target = folder.path().join(Path::new(file).file_name().unwrap());
        std::fs::copy(file, target).unwrap();
    };
    for file in ["/usr/bin/podman", "/usr/bin/conmon"] {
        take(file);
        let needed = program::must("ldd", [file]);
        let files = needed.lines().filter_map(|line| line.split_once("=> ")?.1.split(' ').next());
        files.filter(|file| !is_libc(file)).for_each(take);
    }
    folder
}

fn is_libc(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or_default();
    ["libc.", "libm.", "libdl.", "librt.", "libpthread.", "libresolv."]
        .iter()
        .any(|library| name.starts_with(library))
}

/// Runs the life in the guest, with `become_user` before the shell; gives what was said.
fn life(machine: impl Into<Machine>, become_user: &str) -> String {
    told(machine, become_user, &[&BUSYBOX], LIFE)
}

/// The user of the guest's, with a manager of his own.
const DIVER: &str = "setpriv --reuid=diver --regid=diver --init-groups env -i PATH=$PATH \
    HOME=/home/diver XDG_RUNTIME_DIR=/run/user/1000 SYSTEMCTL='systemctl --user'";

/// What `script` says in the guest, where the layouts of `recipes` are.
fn told(
    machine: impl Into<Machine>,
    become_user: &str,
    recipes: &[&Recipe],
    script: &str,
) -> String {
    let programs = programs();
    std::fs::write(programs.path().join("life"), script).unwrap();
    let with = format!("{}=podman", programs.path().display());
    let mut bed: Command = bed::run(machine, recipes, &["--with", &with]);
    let line = format!("{SET_UP}{become_user} bash /host/podman/life");
    program::run(bed.args(["--", "bash", "-c", &line])).success()
}

/// What a life says whose scope is in this slice.
fn expected(slice: &str) -> String {
    let limits = "0::/\n67108864\n50\n50000 100000\n";
    let lives = format!("{slice}\nyes\nactive\nsleep\n1\npaused\n134217728\n134217728\n");
    format!("{limits}{lives}not-found\n")
}

#[test]
fn bed_systemd_podman_has_scopes_made() {
    if program::root() {
        let said = life(Variant::Systemd, "SYSTEMCTL=systemctl");
        assert_eq!(said, expected("machine.slice"));
    }
}

#[test]
fn bed_systemd_podman_of_an_ordinary_user_has_scopes_made() {
    if program::root() {
        let said = life(Variant::Systemd.on(Kernel::Debian13), DIVER);
        assert_eq!(said, expected("user.slice"));
    }
}
