//! Why the kernel lets somebody make no user namespace, and what to do about it. It says EPERM and
//! no more. Sources: linux/kernel/user_namespace.c, `create_user_ns`; man 7 user_namespaces; the
//! patches of Debian and Ubuntu for the two settings.

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Statx, StatxAttributes, StatxFlags, statx};
use rustix::io::Errno;

/// Settings of the host's that refuse it to ordinary users: where each is, and what it then says.
const SETTINGS: [(&str, &str, &str); 2] = [
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
];

/// What would help where a user namespace was refused with `errno`.
pub fn hint(errno: Errno) -> Option<String> {
    match errno {
        Errno::NOSPC => {
            Some("the host's limit of namespaces is reached: see /proc/sys/user".to_owned())
        }
        Errno::PERM => Some(why(is_chroot(), setting_of_host)),
        Errno::AGAIN => {
            Some("the limit of processes is reached: see ulimit -u and pids.max".to_owned())
        }
        _ => None,
    }
}

/// What refuses it, as far as can be told.
fn why(is_chroot: bool, setting: impl Fn(&str) -> Option<String>) -> String {
    if is_chroot {
        return "coffer runs in a chroot, where the kernel makes no user namespaces: run it \
                outside, or make the folder a root with pivot_root (systemd-nspawn does)"
            .to_owned();
    }
    let refuses = |(name, value, _): &&(&str, &str, &str)| setting(name).as_deref() == Some(*value);
    match SETTINGS.iter().find(refuses) {
        Some((name, _, open)) => format!(
            "the host lets ordinary users make no user namespaces; as root: sysctl -w {name}={open}"
        ),
        None => "something around coffer lets it make no user namespaces: a chroot, a system call \
                 filter, or a security module"
            .to_owned(),
    }
}

/// Whether the root of this process is a folder that nothing is mounted on. A chroot into a mount
/// cannot be told from the root of a mount namespace.
fn is_chroot() -> bool {
    let flags = AtFlags::NO_AUTOMOUNT;
    let is_mount = |about: Statx| {
        let known = StatxAttributes::MOUNT_ROOT;
        !about.stx_attributes_mask.contains(known) || about.stx_attributes.contains(known)
    };
    statx(CWD, "/", flags, StatxFlags::empty()).is_ok_and(|about| !is_mount(about))
}

/// A setting of the kernel's, by its name with dots; root is not held by these.
fn setting_of_host(name: &str) -> Option<String> {
    if rustix::process::geteuid().is_root() {
        return None;
    }
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    let file = rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let mut bytes = [0; 16];
    let count = rustix::io::read(file.ok()?, &mut bytes).ok()?;
    let text = String::from_utf8_lossy(bytes.get(..count)?);
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refuses_is_named() {
        let none = |_: &str| None;
        assert!(why(true, none).starts_with("coffer runs in a chroot"));
        let set = |word: &'static str, value: &'static str| {
            move |name: &str| name.contains(word).then(|| value.to_owned())
        };
        let said = why(false, set("userns_clone", "0"));
        assert!(said.ends_with("sysctl -w kernel.unprivileged_userns_clone=1"), "{said}");
        let said = why(false, set("apparmor", "1"));
        assert!(said.ends_with("kernel.apparmor_restrict_unprivileged_userns=0"), "{said}");
        for said in [why(false, none), why(false, set("userns_clone", "1"))] {
            assert!(said.contains("a chroot, a system call filter"), "{said}");
        }
        assert!(!is_chroot(), "the tests run in none");
        assert_eq!(hint(Errno::INVAL), None);
    }
}
