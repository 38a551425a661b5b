//! `/proc/PID/mountinfo`: what covers its `/proc`, and what it can write that is not its own.
//! Source: man 5 proc_pid_mountinfo.

use crate::posture::is_socket_of_engine;

/// What the mounts of a process say about its fence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounts {
    /// Whether something is mounted over files of `/proc`.
    pub covers: bool,
    /// Where a part of another file system is mounted writable, and sockets of engines, by the
    /// names that they have outside: those can be connected to however they are mounted.
    pub writable: Vec<String>,
}

/// File systems that hold nothing of the host's: the kernel's own, memory, and a container's root.
const HARMLESS: [&str; 14] = [
    "proc",
    "sysfs",
    "tmpfs",
    "devpts",
    "mqueue",
    "cgroup",
    "cgroup2",
    "overlay",
    "devtmpfs",
    "securityfs",
    "debugfs",
    "tracefs",
    "bpf",
    "nsfs",
];

/// Files that every engine mounts, of the container's own.
const OWN: [&str; 4] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/"];

/// Reads the table. A line that makes no sense is passed over.
pub fn mounts(text: &str) -> Mounts {
    let mut found = Mounts::default();
    for line in text.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let words: Vec<&str> = left.split(' ').collect();
        let [_, _, _, root, point, options, ..] = words[..] else { continue };
        let kind = right.split(' ').next().unwrap_or_default();
        // More than the read-only binds of its own parts.
        found.covers |= point.starts_with("/proc/") && kind != "binfmt_misc" && kind != "autofs";
        let writable = options.split(',').any(|option| option == "rw");
        if is_socket_of_engine(root) {
            found.writable.push(root.to_owned());
        } else if writable && !HARMLESS.contains(&kind) && !OWN.contains(&point) {
            found.writable.push(point.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "1 0 0:1 / / rw - overlay overlay rw\n\
        2 1 0:2 / /proc rw,nosuid - proc proc rw\n\
        3 2 0:5 /null /proc/kcore rw - tmpfs tmpfs rw\n\
        4 1 8:1 /srv/data /data rw,nosuid - ext4 /dev/sda1 rw\n\
        5 1 8:1 /srv/more /more ro - ext4 /dev/sda1 rw\n\
        6 1 8:1 /c/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n";

    #[test]
    fn what_is_writable_and_what_is_covered() {
        let found = mounts(TEXT);
        assert_eq!((found.covers, found.writable), (true, vec!["/data".to_owned()]));
        assert!(!mounts("2 1 0:2 / /proc rw - proc proc rw\n").covers);
    }

    #[test]
    fn the_socket_of_an_engine_is_seen_wherever_it_is_mounted() {
        let text = "4 1 0:9 /docker.sock /s ro,nosuid - tmpfs tmpfs rw\n";
        assert_eq!(mounts(text).writable, ["/docker.sock"]);
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,300}") {
            let _ = mounts(&text);
        }
    }
}
