//! `spec`: a `config.json` to begin with.

use std::os::fd::AsFd;
use std::path::Path;

use coffer_oci::runtime::{IdMapping, Linux, Mount, Namespace, NamespaceKind, Spec};
use coffer_sys::dir;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use super::Outcome;
use super::failure::Failure;
use super::globals::Globals;
use super::grammar::{Grammar, Words, switch, value};

/// The options of `spec`.
pub(super) const GRAMMAR: Grammar = Grammar {
    flags: &[value("bundle", Some('b')), value("file", Some('f')), switch("rootless", None)],
    operands: (0, 0),
    verbatim_after: usize::MAX,
};

/// What it is for root.
const DEFAULT: &str = include_str!("spec.json");

/// `spec`. A file that is there stays as it is.
pub(super) fn run(_globals: &Globals, words: &Words) -> Outcome {
    let mut spec: Spec = serde_json::from_str(DEFAULT)?;
    if words.has("rootless") {
        become_rootless(&mut spec);
    }
    let text = format!("{}\n", serde_json::to_string_pretty(&spec)?);
    let folder = dir::open(Path::new(words.value("bundle").unwrap_or(".")))?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let name = words.value("file").unwrap_or("config.json");
    match openat(folder.as_fd(), name, flags, Mode::from_raw_mode(0o644)) {
        Ok(file) => std::io::Write::write_all(&mut std::fs::File::from(file), text.as_bytes())?,
        Err(Errno::EXIST) => {
            return Err(Failure::new(format!("File {name} exists. Remove it first")));
        }
        Err(errno) => return Err(errno.into()),
    }
    Ok(0)
}

/// For an ordinary user: one id, the host's network, no groups. As runc's `specconv` has it.
fn become_rootless(spec: &mut Spec) {
    let linux = spec.linux.get_or_insert_with(Linux::default);
    linux.namespaces.retain(|n| n.kind != NamespaceKind::Network);
    linux.namespaces.push(Namespace { kind: NamespaceKind::User, path: String::new() });
    let own = |host_id| vec![IdMapping { container_id: 0, host_id, size: 1 }];
    linux.uid_mappings = own(geteuid().as_raw());
    linux.gid_mappings = own(getegid().as_raw());
    linux.resources = None;
    spec.mounts.retain(|mount| mount.kind != "cgroup");
    for mount in &mut spec.mounts {
        mount.options.retain(|option| !option.starts_with("gid=") && !option.starts_with("uid="));
        if mount.kind == "sysfs" {
            *mount = host_sys();
        }
    }
}

/// sysfs belongs to the network namespace: with the host's network it can only be shown.
fn host_sys() -> Mount {
    let options = ["rbind", "nosuid", "noexec", "nodev", "ro"].map(str::to_owned);
    Mount {
        destination: "/sys".to_owned(),
        kind: "none".to_owned(),
        source: "/sys".to_owned(),
        options: options.to_vec(),
        ..Mount::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_specification_of_ours() {
        let mut spec: Spec = serde_json::from_str(DEFAULT).unwrap();
        assert_eq!(spec.oci_version, coffer_oci::runtime::VERSION);
        become_rootless(&mut spec);
        assert_eq!(spec.linux.unwrap().uid_mappings.len(), 1);
    }
}
