//! The guest's root: Debian 12's packages unpacked, and what their scripts would have made.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use coffer_tests::image::debian;

use super::apt::output;
use super::machine::Variant;
use super::place::{Place, key};
use super::policy;

/// What the guest has; apt adds what these need.
const PACKAGES: &[&str] = &[
    "apparmor",
    "attr",
    "base-files",
    "base-passwd",
    "bash",
    "coreutils",
    "dbus",
    "dbus-user-session",
    "debianutils",
    "e2fsprogs",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "init-system-helpers",
    "iproute2",
    "kmod",
    "libc-bin",
    "libpam-systemd",
    "login",
    "mount",
    "nftables",
    "passwd",
    "policycoreutils",
    "procps",
    "sed",
    "selinux-policy-default",
    "selinux-utils",
    "strace",
    "systemd",
    "systemd-sysv",
    "uidmap",
    "util-linux",
];

/// Scripts of ours in it.
const SCRIPTS: [(&str, &str); 2] =
    [("plain", include_str!("guest/plain.sh")), ("agent", include_str!("guest/agent.sh"))];

/// Services that a machine for tests has no use for.
const MASKED: &[&str] = &[
    "apt-daily.service",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
    "getty@.service",
    "ldconfig.service",
    "systemd-firstboot.service",
    "systemd-hwdb-update.service",
    "systemd-journal-catalog-update.service",
    "systemd-journal-flush.service",
    "systemd-random-seed.service",
    "systemd-sysusers.service",
    "systemd-timesyncd.service",
    "systemd-tmpfiles-clean.timer",
    "systemd-udev-settle.service",
    "systemd-udev-trigger.service",
    "systemd-udevd.service",
    "systemd-update-utmp.service",
];

/// The files that make the system ours: path below the root, text.
const FILES: &[(&str, &str)] = &[
    ("etc/hostname", "bed\n"),
    ("etc/hosts", "127.0.0.1 localhost bed\n"),
    ("etc/fstab", ""),
    ("etc/machine-id", ""),
    ("etc/subuid", "diver:200000:65536\n"),
    ("etc/subgid", "diver:200000:65536\n"),
    // An account that lingers has its user manager from boot.
    ("var/lib/systemd/linger/diver", ""),
    ("etc/systemd/system/bed.service", UNIT),
    ("etc/systemd/system/user@.service.d/delegate.conf", DELEGATE),
    // What pam-auth-update would write, without a password anywhere.
    ("etc/pam.d/common-auth", "auth required pam_permit.so\n"),
    ("etc/pam.d/common-account", "account required pam_permit.so\n"),
    ("etc/pam.d/common-password", "password required pam_permit.so\n"),
    ("etc/pam.d/common-session", SESSION),
    ("etc/pam.d/common-session-noninteractive", SESSION),
];

const UNIT: &str = "\
[Unit]
Description=The bed's agent
[Service]
ExecStart=/bed/agent
Delegate=yes
[Install]
WantedBy=multi-user.target
";

const DELEGATE: &str = "[Service]\nDelegate=cpu cpuset io memory pids\n";

const SESSION: &str = "session required pam_permit.so\nsession optional pam_systemd.so\n";

/// Accounts beside those of Debian's base-passwd: name, id, home, shell.
const ACCOUNTS: &[(&str, u32, &str, &str)] = &[
    ("messagebus", 100, "/nonexistent", "/usr/sbin/nologin"),
    ("diver", 1000, "/home/diver", "/bin/bash"),
];

/// Raised when the same inputs give another tree.
const VERSION: &[u8] = b"1";

/// The root's image, made if it is not there. All variants share one but that of SELinux, whose
/// policy takes a while to make.
///
/// # Errors
/// A package cannot be had, or the tree cannot be made.
pub(super) fn ensure(place: &Place, variant: Variant) -> Result<PathBuf> {
    let mut recipe = format!("{PACKAGES:?}{SCRIPTS:?}{MASKED:?}{FILES:?}{ACCOUNTS:?}");
    if variant == Variant::Selinux {
        recipe += &format!("{:?}{}{}", policy::MODULES, policy::CONTAINER, policy::FIRST);
    }
    let state = debian::archive_state();
    let key = key([recipe.as_bytes(), &state, VERSION]);
    let folder = place.made(&format!("root-{key}"), |folder| make(place, variant, folder))?;
    Ok(folder.join("image"))
}

fn make(place: &Place, variant: Variant, folder: &Path) -> Result<()> {
    eprintln!("bed: the root, from Debian's packages");
    let tree = folder.join("tree");
    fs::create_dir(&tree)?;
    fs::set_permissions(&tree, fs::Permissions::from_mode(0o755))?;
    debian::unpack(&tree, debian::closure(place.folder(), PACKAGES));
    configure(&tree).context("configure the root")?;
    if variant == Variant::Selinux {
        policy::install(&tree)?;
    }
    output(Command::new("mkfs.erofs").arg("-zlz4").arg(folder.join("image")).arg(&tree))?;
    Ok(fs::remove_dir_all(&tree)?)
}

/// What maintainer scripts would make, in little.
fn configure(tree: &Path) -> Result<()> {
    accounts(tree)?;
    for (path, text) in FILES {
        write(&tree.join(path), text, 0o644)?;
    }
    for (name, text) in SCRIPTS {
        write(&tree.join("bed").join(name), text, 0o755)?;
    }
    for folder in
        ["dev", "disk", "host", "proc", "run", "sys", "tmp", "usr/lib/modules", "var/lib/coffer"]
    {
        fs::create_dir_all(tree.join(folder))?;
    }
    let units = tree.join("etc/systemd/system");
    for unit in MASKED {
        link("/dev/null", &units.join(unit))?;
    }
    link("/lib/systemd/system/multi-user.target", &units.join("default.target"))?;
    link("../bed.service", &units.join("multi-user.target.wants/bed.service"))?;
    link("bash", &tree.join("usr/bin/sh"))?;
    output(Command::new("ldconfig").arg("-r").arg(tree)).map(drop)
}

fn accounts(tree: &Path) -> Result<()> {
    let etc = tree.join("etc");
    let mut passwd = fs::read_to_string(tree.join("usr/share/base-passwd/passwd.master"))?;
    let mut group = fs::read_to_string(tree.join("usr/share/base-passwd/group.master"))?;
    for (name, id, home, shell) in ACCOUNTS {
        passwd.push_str(&format!("{name}:x:{id}:{id}::{home}:{shell}\n"));
        group.push_str(&format!("{name}:x:{id}:\n"));
    }
    let shadow: String = passwd
        .lines()
        .filter_map(|line| Some(format!("{}:*:19000:0:99999:7:::\n", line.split(':').next()?)))
        .collect();
    write(&etc.join("passwd"), &passwd, 0o644)?;
    write(&etc.join("group"), &group, 0o644)?;
    write(&etc.join("shadow"), &shadow, 0o640)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    fs::create_dir_all(path.parent().context("a file has a folder")?)?;
    let mut file = fs::File::create(path).with_context(|| path.display().to_string())?;
    file.write_all(text.as_bytes())?;
    Ok(file.set_permissions(fs::Permissions::from_mode(mode))?)
}

/// A link in the place of whatever is there.
fn link(target: &str, path: &Path) -> Result<()> {
    fs::create_dir_all(path.parent().context("a link has a folder")?)?;
    if fs::symlink_metadata(path).is_ok() {
        fs::remove_file(path)?;
    }
    symlink(target, path).with_context(|| path.display().to_string())
}
