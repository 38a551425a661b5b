//! The AppArmor profile of one container, as text for apparmor_parser.
//!
//! It says once more what the rest of the fence says, to a part of the kernel that does not depend
//! on that rest: what is mounted over a path does not matter to it, and neither do capabilities in
//! a user namespace. What is not allowed is refused: mounting, changing the root and changing the
//! profile are not named at all. Source: man 5 apparmor.d.

use coffer_oci::runtime::NamespaceKind;

use crate::Confinement;
use crate::capability::Capability;
use crate::confinement::SystemCalls;

/// The families that the default filter knows; the last one is for `NET_RAW`.
const FAMILIES: &[&str] =
    &["network unix", "network inet", "network inet6", "network netlink", "network packet"];

/// What a process may never write, whatever is mounted over it. In `/proc` a folder that does not
/// begin with a digit belongs to no process.
const KERNEL: &[&str] = &["/proc/*", "/proc/[^1-9]*/**", "/sys/**"];

/// What a process may not even read.
const SECRET: &[&str] = &[
    "/proc/kcore",
    "/sys/firmware/**",
    "/sys/kernel/debug/**",
    "/sys/kernel/security/**",
    "/sys/kernel/tracing/**",
];

/// The name of the profile of the container `id`.
pub fn name(id: &str) -> String {
    format!("coffer-{id}")
}

/// The families of sockets that coffer's own filter allows, once more; all of them where the
/// caller has chosen another. The parser takes four fifths of its time for `network` without a
/// family.
fn families(confinement: &Confinement) -> &'static [&'static str] {
    let packets = confinement.granted.has(Capability::NetRaw);
    match (&confinement.seccomp, packets) {
        (SystemCalls::Default, false) => FAMILIES.split_last().map_or(FAMILIES, |(_, rest)| rest),
        (SystemCalls::Default, true) => FAMILIES,
        _ => &["network"],
    }
}

/// The profile `name` for a container with this fence. The name is coffer's own: letters, digits
/// and dashes.
///
/// Signals are taken from everybody: the sender needs leave of its own, and a host that confines
/// coffer has to be able to end its containers. Only those of the same profile are sent signals
/// and traced. The rules are those of AppArmor 3.0 whatever the parser knows beside, so that a
/// newer one refuses nothing that could not be allowed here.
pub fn profile(name: &str, confinement: &Confinement) -> String {
    let mut rules = vec![
        "file".to_owned(),
        "signal receive".to_owned(),
        format!("signal send peer={name}"),
        format!("ptrace peer={name}"),
    ];
    rules.extend(families(confinement).iter().map(|family| (*family).to_owned()));
    // Who joins another container's processes may end them; its profile lets nobody trace it.
    rules.extend(
        confinement
            .joins(NamespaceKind::Pid)
            .map(|other| format!("signal send peer={}", self::name(other))),
    );
    rules.extend(
        confinement.granted.iter().map(|capability| {
            format!("capability {}", capability.to_string().to_ascii_lowercase())
        }),
    );
    // Who has opened these paths has opened them here too.
    if !confinement.masked_paths.is_empty() {
        rules.extend(KERNEL.iter().map(|path| format!("deny {path} wkl")));
        rules.extend(SECRET.iter().map(|path| format!("deny {path} rwklx")));
    }
    let rules: String = rules.iter().map(|rule| format!("  {rule},\n")).collect();
    format!(
        "abi <abi/3.0>,\nprofile {name} flags=(attach_disconnected,mediate_deleted) {{\n{rules}}}\n"
    )
}
