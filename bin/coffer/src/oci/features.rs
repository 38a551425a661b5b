//! `features`: what the runtime honours. Source: runtime-spec features.md, features-linux.md.

use coffer_confine::capability::Capability;
use coffer_confine::seccomp::{Arch, FLAGS};
use coffer_oci::runtime::{NamespaceKind, SeccompAction, SeccompOperator, VERSION};
use coffer_runtime::plan::{memory_mode_flags, memory_modes};
use serde_json::{Value, json};

use super::Outcome;
use super::globals::{Globals, print};
use super::grammar::{Grammar, Words};

/// The options of `features`.
pub(super) const GRAMMAR: Grammar =
    Grammar { flags: &[], operands: (0, 0), verbatim_after: usize::MAX };

/// Options that the specification names; those that the plan's own reader takes are told.
/// Source: runtime-spec config.md, "Linux mount options".
const MOUNT_OPTIONS: &[&str] = &[
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "idmap",
    "iversion",
    "lazytime",
    "loud",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "ridmap",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "symfollow",
    "sync",
    "tmpcopyup",
    "unbindable",
];

const HOOKS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// `features`.
pub(super) fn run(_globals: &Globals, _words: &Words) -> Outcome {
    print(&format!("{:#}\n", features()))
}

fn features() -> Value {
    let options: Vec<&&str> =
        MOUNT_OPTIONS.iter().filter(|option| coffer_runtime::plan::knows_option(option)).collect();
    json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": VERSION,
        "hooks": HOOKS,
        "mountOptions": options,
        "linux": linux(),
        "annotations": {
            "org.opencontainers.runc.checkpoint.enabled": "true",
            "org.opencontainers.runc.version": env!("CARGO_PKG_VERSION"),
        },
        "potentiallyUnsafeConfigAnnotations": ["org.systemd.property."],
    })
}

fn linux() -> Value {
    let capabilities: Vec<String> = Capability::ALL.iter().map(ToString::to_string).collect();
    json!({
        "namespaces": NamespaceKind::ALL,
        "capabilities": capabilities,
        "cgroup": { "v1": true, "v2": true, "systemd": true, "systemdUser": true, "rdma": true },
        "seccomp": seccomp(),
        "apparmor": { "enabled": true },
        "selinux": { "enabled": true },
        "intelRdt": { "enabled": true, "schemata": true, "monitoring": true },
        "memoryPolicy": memory_policy(),
        "mountExtensions": { "idmap": { "enabled": true } },
        "netDevices": { "enabled": true },
    })
}

/// A filter is for the calls of this program's own architecture; those of others kill.
fn seccomp() -> Value {
    json!({
        "enabled": true,
        "actions": SeccompAction::ALL,
        "operators": SeccompOperator::ALL,
        "archs": [Arch::HOST.oci()],
        "knownFlags": FLAGS,
        "supportedFlags": FLAGS,
    })
}

fn memory_policy() -> Value {
    let sorted = |mut names: Vec<&'static str>| {
        names.sort_unstable();
        names
    };
    json!({
        "modes": sorted(memory_modes().collect()),
        "flags": sorted(memory_mode_flags().collect()),
    })
}

#[cfg(test)]
mod tests {
    use coffer_oci::runtime::Hooks;

    use super::*;

    #[test]
    fn only_what_is_honoured_is_told() {
        let features = features();
        let options = features["mountOptions"].as_array().unwrap();
        assert!(options.contains(&json!("rbind")) && !options.contains(&json!("remount")));
    }

    #[test]
    fn every_hook_is_one_of_the_specification() {
        for name in HOOKS {
            let hooks: Hooks = serde_json::from_value(json!({ name: [{"path": "/x"}] })).unwrap();
            assert_ne!(hooks, Hooks::default(), "{name}");
        }
    }
}
