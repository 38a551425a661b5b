//! The words of the runtime specification, version 1.3.0: `config.json` for Linux.
//!
//! Fields of other platforms are not kept, and fields that this version does not know are
//! ignored, as config.md, "Extensibility" asks. Types only: what a value means, and whether it
//! may be done, is decided in `coffer-runtime`.

mod linux;
mod list;
mod namespace;
mod process;
mod resources;
mod seccomp;
mod spec;

pub use linux::{
    Clock, Device, IdMapping, IntelRdt, Linux, MemoryPolicy, NetDevice, Personality, TimeOffset,
};
pub use list::{ListError, numbers};
pub use namespace::{Namespace, NamespaceKind};
pub use process::{
    Capabilities, ConsoleSize, CpuAffinity, IoPriority, Process, Rlimit, Scheduler, User,
};
pub use resources::{
    BlockIo, Cpu, DeviceRule, HugepageLimit, InterfacePriority, Memory, Network, Pids, Rdma,
    Resources, ThrottleDevice, WeightDevice,
};
pub use seccomp::{Seccomp, SeccompAction, SeccompArg, SeccompOperator, SeccompRule};
pub use spec::{Hook, Hooks, Mount, Root, Spec};

/// The version of the specification that these types follow.
pub const VERSION: &str = "1.3.0";

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{
        "ociVersion": "1.3.0",
        "process": {
            "user": {"uid": 1, "gid": 2, "additionalGids": [3]},
            "args": ["sh"], "env": null, "cwd": "/",
            "capabilities": {"bounding": ["CAP_CHOWN"]},
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 2, "soft": 1}],
            "noNewPrivileges": true, "execCPUAffinity": {"final": "0-1"}
        },
        "root": {"path": "rootfs", "readonly": true},
        "mounts": [{"destination": "/x", "type": "tmpfs", "source": "tmpfs",
            "options": ["idmap", "ro"],
            "uidMappings": [{"containerID": 0, "hostID": 7, "size": 9}]}],
        "windows": {"ignored": true},
        "linux": {
            "namespaces": [{"type": "pid"}, {"type": "network", "path": "/ns"}],
            "timeOffsets": {"monotonic": {"secs": -5}},
            "netDevices": {"eth0": {"name": "in0"}},
            "resources": {"memory": {"limit": -1}, "blockIO": {"weight": 10}},
            "seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
                {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
                 "args": [{"index": 0, "value": 1, "valueTwo": 2, "op": "SCMP_CMP_MASKED_EQ"}]}]}
        }
    }"#;

    #[test]
    fn reads_what_the_spec_shows_and_writes_it_back() {
        let spec: Spec = serde_json::from_str(CONFIG).unwrap();
        let linux = spec.linux.as_ref().unwrap();
        assert_eq!(linux.namespaces[1].kind, NamespaceKind::Network);
        assert_eq!(linux.time_offsets[&Clock::Monotonic].secs, -5);
        assert_eq!(spec.mounts[0].uid_mappings[0].host_id, 7);
        assert!(spec.root.as_ref().unwrap().readonly);
        let again = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
        assert_eq!(spec, again);
    }

    #[test]
    fn absent_is_not_written() {
        let json = serde_json::to_string(&Spec::default()).unwrap();
        assert_eq!(json, r#"{"ociVersion":""}"#);
    }
}
