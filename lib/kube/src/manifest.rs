//! Documents to pods: which kinds have a pod in them, and where.

use crate::fence::Fence;
use crate::pod::Pod;
use crate::yaml::{At, documents};
use crate::{ManifestError, fence};

/// What stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The containers of its pods, in their order.
    pub fences: Vec<Fence>,
    /// Kinds that stand beside the pods; a custom one may make pods of its own.
    pub others: Vec<String>,
}

/// Where a kind has its pod's `metadata` and `spec`. Source: Kubernetes API reference, "Workload
/// resources".
const KINDS: [(&str, &str, &[&str]); 9] = [
    ("v1", "Pod", &[]),
    ("v1", "PodTemplate", &["template"]),
    ("v1", "ReplicationController", &["spec", "template"]),
    ("apps", "Deployment", &["spec", "template"]),
    ("apps", "DaemonSet", &["spec", "template"]),
    ("apps", "StatefulSet", &["spec", "template"]),
    ("apps", "ReplicaSet", &["spec", "template"]),
    ("batch", "Job", &["spec", "template"]),
    ("batch", "CronJob", &["spec", "jobTemplate", "spec", "template"]),
];

/// Reads a file of one or more documents, in YAML or JSON.
///
/// # Errors
/// A [`ManifestError`] for the first thing that Kubernetes would refuse or pass over, and
/// [`ManifestError::NoPod`] where there is no pod.
pub fn read(bytes: &[u8]) -> Result<Manifest, ManifestError> {
    let mut manifest = Manifest { fences: Vec::new(), others: Vec::new() };
    for document in documents(bytes)? {
        let document = At::document(&document);
        match document.need("kind")?.text()?.as_str() {
            list if list.ends_with("List") => {
                for item in document.items("items")? {
                    one(&item, &mut manifest)?;
                }
            }
            _ => one(&document, &mut manifest)?,
        }
    }
    match manifest.fences.is_empty() {
        true => Err(ManifestError::NoPod(manifest.others)),
        false => Ok(manifest),
    }
}

fn one(object: &At<'_>, manifest: &mut Manifest) -> Result<(), ManifestError> {
    let kind = object.need("kind")?.text()?;
    let version = object.need("apiVersion")?.text()?;
    let group = version.split_once('/').map_or(version.as_str(), |(group, _)| group);
    let known = KINDS.iter().find(|(of, name, _)| (*of, *name) == (group, kind.as_str()));
    let Some((_, _, way)) = known else {
        manifest.others.push(kind);
        return Ok(());
    };
    let name = name(object)?;
    let mut template = object.clone();
    for step in *way {
        template = template.need(step)?;
    }
    let claims = if kind == "StatefulSet" { claims(object)? } else { Vec::new() };
    let pod = Pod::read(&template, format!("{kind}/{name}"), &claims)?;
    manifest.fences.extend(fence::of(&pod));
    Ok(())
}

/// The names of the volumes that a stateful set claims for each of its pods.
fn claims(set: &At<'_>) -> Result<Vec<String>, ManifestError> {
    let claims = set.need("spec")?.items("volumeClaimTemplates")?;
    claims.iter().map(|claim| claim.need("metadata")?.need("name")?.text()).collect()
}

/// The name of an object; one that the cluster makes up ends in `…`.
fn name(object: &At<'_>) -> Result<String, ManifestError> {
    let Some(metadata) = object.get("metadata")? else { return Ok("…".to_owned()) };
    if let Some(name) = metadata.read("name", At::text)? {
        return Ok(name);
    }
    let start = metadata.read("generateName", At::text)?.unwrap_or_default();
    Ok(start + "…")
}
