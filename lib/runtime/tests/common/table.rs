//! The fields that are tried.

use serde_json::{Value, json};

/// What is asked of a listener.
fn notify() -> Value {
    json!({"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"})
}

/// Fields by their JSON pointers, each with a value that a bundle may have. Where others have to
/// be there for it, the outermost of them is named. Source: runtime-spec 1.3.0, schema/.
#[expect(clippy::too_many_lines, reason = "a list")]
pub(crate) fn fields() -> Vec<(&'static str, Value)> {
    let hook = json!([{"path": "/bin/true", "args": ["true"], "env": ["A=B"], "timeout": 3}]);
    let device = |more: Value| {
        merged(json!([{"path": "/dev/x", "type": "c", "major": 1, "minor": 3}]), more)
    };
    let throttle = json!([{"major": 8, "minor": 0, "rate": 1000}]);
    let map = json!([{"containerID": 0, "hostID": 5000, "size": 9}]);
    let mapped = |more: Value| {
        merged(json!({"destination": "/data", "source": "data", "options": ["rbind"]}), more)
    };
    let deadline = json!({
        "policy": "SCHED_DEADLINE", "runtime": 10_000, "deadline": 20_000, "period": 30_000,
        "flags": ["SCHED_FLAG_RECLAIM"],
    });
    let seccomp = |more: Value| merged(json!({"defaultAction": "SCMP_ACT_ALLOW"}), more);
    let rule = |more: Value| {
        let rule = merged(json!({"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}), more);
        seccomp(json!({"syscalls": [rule]}))
    };
    let cpu = |more: Value| json!({"cpu": more});
    let memory = |more: Value| json!({"memory": more});
    let block = |more: Value| json!({"blockIO": more});
    vec![
        ("/process/terminal", json!(true)),
        (
            "/process",
            json!({
                "terminal": true, "consoleSize": {"height": 30, "width": 90},
                "user": {"uid": 0, "gid": 0}, "args": ["/bin/sh"], "cwd": "/",
            }),
        ),
        ("/annotations", json!({"org.example.key": "value"})),
        ("/process/user/uid", json!(7)),
        ("/process/user/gid", json!(7)),
        ("/process/user/umask", json!(63)),
        ("/process/user/additionalGids", json!([5, 6])),
        ("/process/args", json!(["/bin/other"])),
        ("/process/env", json!(["A=B"])),
        ("/process/cwd", json!("/other")),
        ("/process/capabilities", json!({"bounding": ["CAP_KILL"]})),
        ("/process/capabilities", json!({"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"]})),
        ("/process/capabilities", json!({"permitted": ["CAP_KILL"], "effective": ["CAP_KILL"]})),
        ("/process/capabilities", json!({"inheritable": ["CAP_KILL"]})),
        (
            "/process/capabilities",
            json!({
                "inheritable": ["CAP_KILL"], "permitted": ["CAP_KILL"], "ambient": ["CAP_KILL"],
            }),
        ),
        ("/process/rlimits", json!([{"type": "RLIMIT_CORE", "soft": 1, "hard": 2}])),
        ("/process/noNewPrivileges", json!(true)),
        ("/process/apparmorProfile", json!("some")),
        ("/process/selinuxLabel", json!("a:b:c:s0")),
        ("/process/oomScoreAdj", json!(9)),
        ("/process/scheduler", json!({"policy": "SCHED_BATCH", "nice": 5})),
        ("/process/scheduler", json!({"policy": "SCHED_FIFO", "priority": 5})),
        ("/process/scheduler", deadline),
        ("/process/ioPriority", json!({"class": "IOPRIO_CLASS_BE", "priority": 5})),
        ("/root/path", json!("data")),
        ("/root/readonly", json!(true)),
        ("/hostname", json!("other")),
        ("/domainname", json!("other")),
        ("/mounts/0/destination", json!("/other")),
        ("/mounts/0", json!({"destination": "/data", "type": "tmpfs", "source": "data"})),
        ("/mounts/0/source", json!("rootfs")),
        ("/mounts/0/options", json!(["rbind", "rro"])),
        ("/mounts/0", mapped(json!({"uidMappings": map, "gidMappings": map}))),
        ("/mounts/0", mapped(json!({"uidMappings": map}))),
        ("/mounts/0", mapped(json!({"gidMappings": map}))),
        ("/hooks", json!({"createContainer": hook})),
        ("/hooks", json!({"startContainer": hook})),
        ("/linux/devices", device(json!([{}]))),
        ("/linux/devices", device(json!([{"type": "b"}]))),
        ("/linux/devices", device(json!([{"path": "/dev/y"}]))),
        ("/linux/devices", device(json!([{"fileMode": 384}]))),
        ("/linux/devices", device(json!([{"uid": 5}]))),
        ("/linux/devices", device(json!([{"gid": 5}]))),
        ("/linux/uidMappings", map.clone()),
        ("/linux/gidMappings", map),
        ("/linux/namespaces", json!([{"type": "mount"}])),
        (
            "/linux/namespaces",
            json!([{"type": "mount"}, {"type": "uts", "path": "/proc/self/ns/uts"}]),
        ),
        ("/linux/cgroupsPath", json!("/coffer-test-fields/one")),
        ("/linux/netDevices", json!({"eth0": {"name": "other"}})),
        ("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"})),
        ("/linux/rootfsPropagation", json!("shared")),
        ("/linux/maskedPaths", json!(["/proc/kcore"])),
        ("/linux/readonlyPaths", json!(["/proc/sys"])),
        ("/linux/mountLabel", json!("a:b:c:s0")),
        ("/linux/intelRdt", json!({"closID": "x"})),
        ("/linux/intelRdt", json!({"schemata": ["L3:0=f"]})),
        ("/linux/intelRdt", json!({"l3CacheSchema": "L3:0=f"})),
        ("/linux/intelRdt", json!({"memBwSchema": "MB:0=20"})),
        ("/linux/intelRdt", json!({"enableMonitoring": true})),
        ("/linux/memoryPolicy", json!({"mode": "MPOL_INTERLEAVE", "nodes": "0"})),
        (
            "/linux/memoryPolicy",
            json!({
                "mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"],
            }),
        ),
        ("/linux/personality", json!({"domain": "LINUX32"})),
        ("/linux/personality", json!({"domain": "LINUX", "flags": ["X"]})),
        ("/linux/timeOffsets", json!({"monotonic": {"secs": 5, "nanosecs": 1}})),
        ("/linux/timeOffsets", json!({"boottime": {"secs": 5, "nanosecs": 1}})),
        ("/linux/seccomp", seccomp(json!({}))),
        (
            "/linux/seccomp",
            seccomp(json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 5})),
        ),
        ("/linux/seccomp", seccomp(json!({"architectures": ["SCMP_ARCH_X86"]}))),
        ("/linux/seccomp", seccomp(json!({"flags": ["SECCOMP_FILTER_FLAG_LOG"]}))),
        ("/linux/seccomp", seccomp(json!({"syscalls": [notify()], "listenerPath": "/some"}))),
        (
            "/linux/seccomp",
            seccomp(json!({
                "syscalls": [notify()], "listenerPath": "/some", "listenerMetadata": "x",
            })),
        ),
        ("/linux/seccomp", rule(json!({}))),
        ("/linux/seccomp", rule(json!({"errnoRet": 7}))),
        (
            "/linux/seccomp",
            rule(json!({
                "args": [{"index": 1, "value": 5, "valueTwo": 4, "op": "SCMP_CMP_MASKED_EQ"}],
            })),
        ),
        (
            "/linux/resources",
            json!({"devices": [
                {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
            ]}),
        ),
        ("/linux/resources", json!({"pids": {"limit": 9}})),
        ("/linux/resources", block(json!({"weight": 100}))),
        ("/linux/resources", block(json!({"leafWeight": 100}))),
        (
            "/linux/resources",
            block(json!({"weightDevice": [
                {"major": 8, "minor": 0, "weight": 100, "leafWeight": 90},
            ]})),
        ),
        ("/linux/resources", block(json!({"throttleReadBpsDevice": throttle}))),
        ("/linux/resources", block(json!({"throttleWriteBpsDevice": throttle}))),
        ("/linux/resources", block(json!({"throttleReadIOPSDevice": throttle}))),
        ("/linux/resources", block(json!({"throttleWriteIOPSDevice": throttle}))),
        ("/linux/resources", cpu(json!({"shares": 100}))),
        ("/linux/resources", cpu(json!({"quota": 10_000}))),
        ("/linux/resources", cpu(json!({"burst": 1000}))),
        ("/linux/resources", cpu(json!({"period": 100_000}))),
        ("/linux/resources", cpu(json!({"realtimeRuntime": 1000}))),
        ("/linux/resources", cpu(json!({"realtimePeriod": 100_000}))),
        ("/linux/resources", cpu(json!({"cpus": "0"}))),
        ("/linux/resources", cpu(json!({"mems": "0"}))),
        ("/linux/resources", cpu(json!({"idle": 1}))),
        ("/linux/resources", memory(json!({"limit": 10_000_000}))),
        ("/linux/resources", memory(json!({"reservation": 10_000_000}))),
        ("/linux/resources", memory(json!({"limit": 10_000_000, "swap": 20_000_000}))),
        ("/linux/resources", memory(json!({"kernel": 10_000_000}))),
        ("/linux/resources", memory(json!({"kernelTCP": 10_000_000}))),
        ("/linux/resources", memory(json!({"swappiness": 50}))),
        ("/linux/resources", memory(json!({"disableOOMKiller": true}))),
        ("/linux/resources", memory(json!({"useHierarchy": true}))),
        ("/linux/resources", memory(json!({"limit": 10_000_000, "checkBeforeUpdate": true}))),
        ("/linux/resources", json!({"hugepageLimits": [{"pageSize": "2MB", "limit": 4_194_304}]})),
        ("/linux/resources", json!({"network": {"classID": 5}})),
        ("/linux/resources", json!({"network": {"priorities": [{"name": "lo", "priority": 5}]}})),
        ("/linux/resources", json!({"rdma": {"mlx": {"hcaHandles": 3}}})),
        ("/linux/resources", json!({"rdma": {"mlx": {"hcaObjects": 3}}})),
        ("/linux/resources", json!({"unified": {"memory.high": "10000000"}})),
    ]
}

/// `base` with what `more` names in place of its own.
fn merged(base: Value, more: Value) -> Value {
    match (base, more) {
        (Value::Object(mut base), Value::Object(more)) => {
            base.extend(more);
            Value::Object(base)
        }
        (Value::Array(base), Value::Array(more)) => {
            base.into_iter().zip(more).map(|(base, more)| merged(base, more)).collect()
        }
        (_, more) => more,
    }
}
