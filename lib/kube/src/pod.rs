//! A pod: what its containers share.

use std::collections::BTreeMap;

use coffer_confine::sysctl::{self, SysctlError};
use coffer_oci::runtime::NamespaceKind;

use crate::container::Container;
use crate::security::{self, AppArmor, Context};
use crate::volume::Volume;
use crate::yaml::At;
use crate::{ManifestError, fields, quantity};

/// A pod.
#[derive(Debug)]
pub(crate) struct Pod {
    /// Where it comes from: `Deployment/web`.
    pub(crate) name: String,
    /// Namespaces that it shares with the node.
    pub(crate) shared: Vec<NamespaceKind>,
    /// Whether its root is the node's.
    pub(crate) users: Users,
    /// What holds for containers that say nothing else.
    pub(crate) context: Context,
    pub(crate) sysctls: Vec<(String, String)>,
    /// What its node has to run it with, beside the default.
    pub(crate) runtime_class: Option<String>,
    pub(crate) token: bool,
    /// Whether all its containers together have a limit of memory.
    pub(crate) memory: bool,
    pub(crate) containers: Vec<Container>,
}

/// Whose ids a pod has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Users {
    /// The node's.
    Host,
    /// A range of its own.
    Own,
}

/// Fields of the pod by which it shares a namespace. The name of a node goes with its network.
/// Source: containerd, internal/cri/server/podsandbox.
const SHARED: [(&str, &[NamespaceKind]); 3] = [
    ("hostNetwork", &[NamespaceKind::Network, NamespaceKind::Uts]),
    ("hostPID", &[NamespaceKind::Pid]),
    ("hostIPC", &[NamespaceKind::Ipc]),
];

const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

impl Pod {
    pub(crate) fn read(
        template: &At<'_>,
        name: String,
        claims: &[String],
    ) -> Result<Self, ManifestError> {
        let spec = template.need("spec")?;
        spec.only(fields::POD)?;
        refuse_other_systems(&spec)?;
        let shared = shared(&spec)?;
        let users = users(&spec, &shared)?;
        let security = spec.get("securityContext")?;
        if let Some(security) = &security {
            security.only(fields::POD_SECURITY)?;
        }
        let context = security.as_ref().map(security::context).transpose()?.unwrap_or_default();
        let volumes = Volume::read(&spec, claims)?;
        let profiles = annotated(template)?;
        let mut containers = Vec::new();
        for list in LISTS {
            for at in spec.items(list)? {
                containers.push(Container::read(&at, &volumes, &profiles)?);
            }
        }
        if containers.is_empty() {
            return Err(spec.need("containers")?.wrong("a list with a container in it"));
        }
        Ok(Self {
            name,
            users,
            context,
            sysctls: security.as_ref().map_or(Ok(Vec::new()), |at| sysctls(at, &shared))?,
            runtime_class: spec.read("runtimeClassName", At::text)?,
            token: spec.read("automountServiceAccountToken", At::flag)?.unwrap_or(true),
            memory: quantity::limits(&spec)?.contains_key("memory"),
            shared,
            containers,
        })
    }
}

fn refuse_other_systems(spec: &At<'_>) -> Result<(), ManifestError> {
    let Some(os) = spec.get("os")? else { return Ok(()) };
    os.need("name")?.one_of(&["linux"]).map(drop)
}

fn shared(spec: &At<'_>) -> Result<Vec<NamespaceKind>, ManifestError> {
    let mut shared = Vec::new();
    for (field, kinds) in SHARED {
        if spec.read(field, At::flag)? == Some(true) {
            shared.extend_from_slice(kinds);
        }
    }
    Ok(shared)
}

/// Kubernetes refuses a user namespace of its own beside any other of the node's.
fn users(spec: &At<'_>, shared: &[NamespaceKind]) -> Result<Users, ManifestError> {
    let Some(field) = spec.get("hostUsers")? else { return Ok(Users::Host) };
    match (field.flag()?, shared) {
        (true, _) => Ok(Users::Host),
        (false, []) => Ok(Users::Own),
        (false, _) => Err(field.contradicts("false beside hostNetwork, hostPID or hostIPC: true")),
    }
}

fn sysctls(
    security: &At<'_>,
    shared: &[NamespaceKind],
) -> Result<Vec<(String, String)>, ManifestError> {
    use NamespaceKind::{Ipc, Network, Uts};
    let own: Vec<NamespaceKind> =
        [Ipc, Network, Uts].into_iter().filter(|kind| !shared.contains(kind)).collect();
    let mut read = Vec::new();
    for at in security.items("sysctls")? {
        at.only(fields::SYSCTL)?;
        let (name, value) = (at.need("name")?, at.need("value")?.text()?);
        let text = name.text()?;
        sysctl::check(&text, &value, &own).map_err(|error| match error {
            SysctlError::Shared { .. } => name.contradicts(format!("{text}: {error}")),
            _ => name.wrong(format!("one that a namespace separates: {error}")),
        })?;
        read.push((text, value));
    }
    Ok(read)
}

/// AppArmor profiles in annotations, which old clusters read and new ones still honour. Source:
/// Kubernetes, "Restrict a Container's Access to Resources with AppArmor".
fn annotated(template: &At<'_>) -> Result<BTreeMap<String, AppArmor>, ManifestError> {
    const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
    let mut found = BTreeMap::new();
    let metadata = template.get("metadata")?;
    let Some(all) = metadata.and_then(|at| at.get("annotations").transpose()).transpose()? else {
        return Ok(found);
    };
    for (name, value) in all.fields()? {
        if let Some(container) = name.strip_prefix(PREFIX) {
            found.insert(container.to_owned(), AppArmor::annotation(&value)?);
        }
    }
    Ok(found)
}
