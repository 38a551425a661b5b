//! What is known of a fence that coffer has computed.

use super::{Calls, Covers, HostPath, Label, Limits, Posture, Root, SetId, Token};
use crate::Confinement;
use crate::capability::CapSet;
use crate::confinement::{NewPrivileges, SystemCalls};
use crate::ids::ContainerUid;
use crate::seccomp;

impl Posture {
    /// Of a fence, with what stands beside it in the container's specification: the paths of the
    /// host that it is given, and its limits.
    pub fn of(confinement: &Confinement, host_paths: Vec<HostPath>, limits: Limits) -> Self {
        let devices = confinement.devices.iter().map(|d| d.source.display().to_string());
        let labels = &confinement.labels;
        let label = [&labels.apparmor, &labels.selinux].into_iter().find(|name| !name.is_empty());
        Self {
            own: confinement.namespaces.iter().map(|namespace| namespace.kind).collect(),
            root: root(confinement),
            capabilities: reachable(confinement),
            set_id: match confinement.privileges {
                NewPrivileges::Never => SetId::Inert,
                NewPrivileges::ByFile => SetId::Works,
            },
            calls: match &confinement.seccomp {
                SystemCalls::Unconfined => Calls::All,
                SystemCalls::Profile(profile) => Calls::Filtered(profile.clone()),
                SystemCalls::Default => {
                    Calls::Filtered(Box::new(seccomp::default::profile(confinement.granted)))
                }
            },
            system_paths: match confinement.masked_paths.is_empty() {
                true => Covers::None,
                false => Covers::There,
            },
            label: label.map_or(Label::None, |name| Label::Held(name.clone())),
            host_paths,
            token: Token::None,
            devices: devices.collect(),
            limits,
        }
    }
}

/// What its processes can come to have: where no file gives rights, what the first one has.
fn reachable(confinement: &Confinement) -> CapSet {
    match confinement.privileges {
        NewPrivileges::Never => confinement.capabilities().permitted,
        NewPrivileges::ByFile => confinement.granted,
    }
}

/// A map of one id for root is the one of the user who started it.
fn root(confinement: &Confinement) -> Root {
    let inert = confinement.privileges == NewPrivileges::Never;
    let powerless = inert && reachable(confinement) == CapSet::EMPTY;
    match &confinement.ids {
        None if powerless && confinement.identity.uid != ContainerUid::ROOT => Root::Nobody,
        None => Root::Host,
        Some(ids) if ids.uids.iter().any(|r| r.container == 0 && r.host == 0) => Root::Host,
        Some(ids) if ids.uids.iter().any(|r| r.size == 1 && r.container == 0) => Root::Caller,
        Some(_) => Root::Range,
    }
}
