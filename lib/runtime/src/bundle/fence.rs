//! The fence that a bundle asks for.

use coffer_confine::confinement::{Confinement, Filter, Host, SystemPaths, Wishes};
use coffer_confine::ids::{ContainerGid, ContainerUid, IdMap, Range};
use coffer_confine::user::Identity;
use coffer_oci::runtime::{IdMapping, Linux, NamespaceKind, Process, Spec};

use super::BundleError;

/// The fence of `spec`, checked against `host`.
pub(super) fn of_bundle(spec: &Spec, host: &Host) -> Result<Confinement, BundleError> {
    let (no_process, no_linux) = (Process::default(), Linux::default());
    let process = spec.process.as_ref().unwrap_or(&no_process);
    let linux = spec.linux.as_ref().unwrap_or(&no_linux);
    let sets = process.capabilities.clone().unwrap_or_default();
    let own_users = linux.namespaces.iter().any(|n| n.kind == NamespaceKind::User);
    let ids = own_users.then(|| IdMap {
        uids: linux.uid_mappings.iter().map(range).collect(),
        gids: linux.gid_mappings.iter().map(range).collect(),
    });
    let mut confinement = Confinement::new(
        Wishes {
            identity: identity(process),
            ids,
            namespaces: linux.namespaces.clone(),
            cap_add: &sets.bounding,
            cap_drop: &["ALL".to_owned()],
            filter: linux.seccomp.as_ref().map_or(Filter::Unconfined, Filter::Profile),
            system_paths: SystemPaths::Unconfined,
            rlimits: &process.rlimits,
            sysctls: &linux.sysctl,
        },
        host,
    )?;
    confinement.masked_paths.clone_from(&linux.masked_paths);
    confinement.readonly_paths.clone_from(&linux.readonly_paths);
    Ok(confinement)
}

fn identity(process: &Process) -> Identity {
    let gid = ContainerGid::new(process.user.gid);
    let more = process.user.additional_gids.iter().map(|gid| ContainerGid::new(*gid));
    Identity {
        uid: ContainerUid::new(process.user.uid),
        gid,
        groups: more.collect(),
        home: "/".to_owned(),
    }
}

fn range(mapping: &IdMapping) -> Range {
    let IdMapping { container_id: container, host_id: host, size } = *mapping;
    Range { container, host, size }
}
