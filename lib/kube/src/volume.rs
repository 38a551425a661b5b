//! Volumes: only those of the node's own files matter to a fence.

use coffer_confine::posture::{Access, HostPath};

use crate::yaml::At;
use crate::{ManifestError, fields};

/// A volume of a pod.
#[derive(Debug)]
pub(crate) struct Volume {
    name: String,
    /// Where it is on the node, where it is the node's.
    host: Option<String>,
}

/// Source: Kubernetes API reference, "HostPathVolumeSource".
const TYPES: [&str; 8] = [
    "",
    "DirectoryOrCreate",
    "Directory",
    "FileOrCreate",
    "File",
    "Socket",
    "CharDevice",
    "BlockDevice",
];

impl Volume {
    /// Those of a pod's `spec`, and `claims`, which stand outside of it.
    pub(crate) fn read(spec: &At<'_>, claims: &[String]) -> Result<Vec<Self>, ManifestError> {
        let mut volumes: Vec<Self> = Vec::new();
        for at in spec.items("volumes")? {
            at.only(fields::VOLUME)?;
            let name = at.need("name")?;
            let volume = Self { name: name.text()?, host: at.read("hostPath", host)? };
            if volumes.iter().any(|other| other.name == volume.name) {
                return Err(name.contradicts("the name of two volumes"));
            }
            volumes.push(volume);
        }
        // Of two with one name the claim's is mounted.
        volumes.retain(|volume| !claims.contains(&volume.name));
        volumes.extend(claims.iter().map(|name| Self { name: name.clone(), host: None }));
        Ok(volumes)
    }
}

fn host(at: &At<'_>) -> Result<String, ManifestError> {
    at.only(fields::HOST_PATH)?;
    at.read("type", |kind| kind.one_of(&TYPES))?;
    let path = at.need("path")?;
    let text = path.text()?;
    match text.split('/').any(|part| part == "..") {
        true => Err(path.wrong("a path without ..")),
        false => Ok(text),
    }
}

/// What a container's mounts give it of the node's files.
pub(crate) fn mounted(
    container: &At<'_>,
    volumes: &[Volume],
) -> Result<Vec<HostPath>, ManifestError> {
    let mut paths = Vec::new();
    for at in container.items("volumeMounts")? {
        at.only(fields::MOUNT)?;
        at.need("mountPath")?.text()?;
        let propagation = ["None", "HostToContainer", "Bidirectional"];
        at.read("mountPropagation", |at| at.one_of(&propagation))?;
        let Some(host) = &named(&at, volumes)?.host else { continue };
        let access = match at.read("readOnly", At::flag)? {
            Some(true) => Access::Read,
            _ => Access::Write,
        };
        // What a variable makes of `subPathExpr` nobody knows: all of the volume counts.
        let below = at.read("subPath", At::text)?.map_or_else(String::new, |sub| format!("/{sub}"));
        paths.push(HostPath { path: format!("{host}{below}"), access });
    }
    for at in container.items("volumeDevices")? {
        named(&at, volumes)?;
    }
    Ok(paths)
}

/// The volume that a mount names.
fn named<'a>(at: &At<'_>, volumes: &'a [Volume]) -> Result<&'a Volume, ManifestError> {
    let name = at.need("name")?;
    let text = name.text()?;
    volumes
        .iter()
        .find(|volume| volume.name == text)
        .ok_or_else(|| name.wrong("the name of one of the pod's volumes"))
}
