//! The fence as those who use the crate see it.

use std::collections::BTreeMap;

use coffer_confine::capability::{CapSet, Capability};
use coffer_confine::confinement::{
    Filter, Host, Labels, NewPrivileges, Privilege, Standing, SystemPaths, Wishes,
};
use coffer_confine::ids::{ContainerUid, IdMap};
use coffer_confine::{Confinement, ConfinementError, user};
use coffer_oci::runtime::{Namespace, NamespaceKind};

const PASSWD: &[u8] = b"root:x:0:0::/root:\nweb:x:33:33::/srv:\nfar:x:70000:70000::/:\n";

fn own() -> Vec<Namespace> {
    use NamespaceKind::{Cgroup, Ipc, Mount, Network, Pid, User, Uts};
    [User, Pid, Mount, Ipc, Uts, Cgroup, Network]
        .map(|kind| Namespace { kind, path: String::new() })
        .to_vec()
}

#[expect(clippy::unwrap_used, reason = "only tests call it")]
fn wishes<'a>(
    who: &str,
    cap_add: &'a [String],
    sysctls: &'a BTreeMap<String, String>,
) -> Wishes<'a> {
    Wishes {
        identity: user::resolve(who, PASSWD, b"").unwrap(),
        ids: Some(IdMap::contiguous(0x7000_0000, 65_536)),
        namespaces: own(),
        cap_add,
        cap_drop: &[],
        filter: Filter::Default,
        system_paths: SystemPaths::Confined(Vec::new()),
        rlimits: &[],
        sysctls,
        landlock: None,
        devices: Vec::new(),
        labels: Labels {
            apparmor_by: Standing::Absent,
            selinux_by: Standing::Absent,
            ..Labels::default()
        },
        privileges: NewPrivileges::Never,
        privilege: Privilege::Fenced,
    }
}

#[test]
fn the_default_fence_is_whole() {
    let fence = Confinement::new(wishes("web", &[], &BTreeMap::new()), &Host::read()).unwrap();
    assert_eq!(fence.granted, CapSet::DEFAULT);
    assert!(fence.capabilities().effective.is_empty());
    assert_eq!(fence.capabilities_of(ContainerUid::ROOT).effective, CapSet::DEFAULT);
    assert!(fence.program().unwrap().is_some());
    assert!(fence.weakenings().is_empty());
}

#[test]
fn a_record_gives_the_same_fence_back() {
    let add = ["SYS_ADMIN".to_owned()];
    let sysctls = BTreeMap::from([("net.ipv4.ip_forward".to_owned(), "1".to_owned())]);
    let fence = Confinement::new(wishes("33", &add, &sysctls), &Host::read()).unwrap();
    let record = serde_json::to_vec(&fence).unwrap();
    let again: Confinement = serde_json::from_slice(&record).unwrap();
    assert_eq!(again, fence);
    assert_eq!(again.program(), fence.program());
    again.check(&Host::read()).unwrap();
}

/// With the host's ids, what a caller has not got cannot be given, and is named.
#[test]
fn nobody_gives_more_than_the_caller_has() {
    let none = BTreeMap::new();
    let add = ["NET_ADMIN".to_owned()];
    let host = Host { held: CapSet::DEFAULT, ..Host::read() };
    let wishes = Wishes { ids: None, namespaces: Vec::new(), ..wishes("0", &add, &none) };
    let missing = CapSet::of(&[Capability::NetAdmin]);
    let error = Confinement::new(wishes.clone(), &host).unwrap_err();
    assert_eq!(error, ConfinementError::CallerLacks(missing));
    assert!(error.help().is_some());
    let all = Wishes { cap_add: &[], privilege: Privilege::Privileged, ..wishes };
    assert_eq!(Confinement::new(all, &host).unwrap().granted, CapSet::DEFAULT);
}

#[test]
fn wishes_that_cannot_be_had_are_named() {
    let none = BTreeMap::new();
    let error = |wishes| Confinement::new(wishes, &Host::read()).unwrap_err();
    let far = error(wishes("far", &[], &none));
    assert_eq!(far, ConfinementError::UnmappedUser(ContainerUid::new(70_000)));
    assert!(far.help().is_some());
    let slip = ["NET_ADMN".to_owned()];
    assert!(error(wishes("web", &slip, &none)).to_string().contains("did you mean NET_ADMIN"));
    let shared = Wishes { namespaces: Vec::new(), ..wishes("web", &[], &none) };
    assert_eq!(error(shared), ConfinementError::NoUserNamespace);
    let host_ids = Wishes { ids: None, ..wishes("web", &[], &none) };
    assert_eq!(error(host_ids), ConfinementError::NoIds);
}

#[test]
fn every_weakening_is_said() {
    let add = ["SYS_ADMIN".to_owned(), "CAP_NET_RAW".to_owned()];
    let none = BTreeMap::new();
    let weak = Wishes {
        ids: None,
        namespaces: Vec::new(),
        filter: Filter::Unconfined,
        system_paths: SystemPaths::Unconfined,
        ..wishes("", &add, &none)
    };
    let fence = Confinement::new(weak, &Host::read()).unwrap();
    let from: Vec<String> = fence.weakenings().into_iter().filter_map(|gap| gap.from).collect();
    for flag in [
        "--userns host",
        "--network host",
        "--cap-add SYS_ADMIN",
        "--cap-add NET_RAW",
        "--security-opt seccomp=unconfined",
        "--security-opt systempaths=unconfined",
    ] {
        assert!(from.iter().any(|said| said == flag), "{flag} in {from:?}");
    }
    assert!(fence.granted.has(Capability::SysAdmin));
    assert_eq!(fence.program().unwrap(), None);
}

/// AppArmor's profile has the families of the filter, and all where the caller has another.
#[test]
fn a_profile_allows_the_families_of_the_filter() {
    let profile = |cap_add: &[String], filter| {
        let none = BTreeMap::new();
        let wishes = Wishes { filter, ..wishes("", cap_add, &none) };
        let fence = Confinement::new(wishes, &Host::read()).unwrap();
        let text = coffer_confine::apparmor::profile("coffer-x", &fence);
        let families = text.lines().filter_map(|line| line.trim().strip_prefix("network"));
        families.map(|family| family.trim_matches([' ', ',']).to_owned()).collect::<Vec<_>>()
    };
    let usual = ["unix", "inet", "inet6", "netlink"];
    assert_eq!(profile(&[], Filter::Default), usual);
    let raw = [&usual[..], &["packet"]].concat();
    assert_eq!(profile(&["NET_RAW".to_owned()], Filter::Default), raw);
    assert_eq!(profile(&[], Filter::Unconfined), [""]);
}

#[test]
fn explain_says_who_set_what_and_what_does_not_hold() {
    let add = ["NET_BIND_SERVICE".to_owned()];
    let fence = Confinement::new(wishes("web", &add, &BTreeMap::new()), &Host::read()).unwrap();
    let explained = fence.explain();
    let line = |name: &str| explained.controls.iter().find(|line| line.control == name).unwrap();
    assert!(line("capabilities").set_by.contains("--cap-add NET_BIND_SERVICE"));
    assert_eq!(line("ids").value, "1879048192+65536");
    for what in [
        "shares the host kernel",
        "Landlock is not applied",
        "AppArmor and SELinux hold nothing: this host has neither",
    ] {
        assert!(explained.gaps.iter().any(|gap| gap.what == what), "{what}: {explained:?}");
    }
}
