//! Interfaces of the host that become a container's, in a network namespace of the test's.

use std::process::Command;

use coffer_tests::oci::Runtime;
use coffer_tests::program;
use serde_json::json;

/// A pair of interfaces; then the runtime; then what is left.
const SCRIPT: &str = "ip link add v0 type veth peer name v1; ip link set v1 up; \
    ip addr add 10.9.8.7/24 dev v0; ip -6 addr add fd00::7/64 dev v0 nodad; \
    ip link set v0 mtu 1400 address 02:00:00:00:00:07; \
    \"$0\" --root \"$1\" run --bundle \"$2\" \"$3\"; echo status $?; ip link show v0 2>&1";

#[test]
fn root_an_interface_moves_in_with_its_addresses() {
    if !program::root() {
        return;
    }
    let runtime = Runtime::ours();
    let id = format!("interface-{}", std::process::id());
    let run = |name: &str, into: &str| {
        let bundle = runtime.bundle("busybox ip addr show in0", |config| {
            config["linux"]["netDevices"] = json!({name: {"name": into}});
        });
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", SCRIPT]).arg(runtime.program());
        command.arg(runtime.states()).arg(bundle).arg(&id);
        runtime.finish(&mut command)
    };
    let said = run("v0", "in0").stdout;
    for part in ["mtu 1400", "UP", "02:00:00:00:00:07", "10.9.8.7/24", "fd00::7/64", "status 0"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains("\"v0\" does not exist"), "{said}");
    for (name, into, why) in [
        ("v7", "", "linux.netDevices.v7: there is no such interface"),
        ("v0", "a/b", "linux.netDevices.v0: is no name of an interface"),
        ("v0", "lo", "cannot move the interface v0 into the container"),
    ] {
        let said = run(name, into);
        assert!(said.stderr.contains(why), "{said}");
        assert!(said.stdout.contains("status 1") && said.stdout.contains("v0@v1"), "{said}");
    }
    assert_eq!(runtime.leftovers(), [""; 0]);
}
