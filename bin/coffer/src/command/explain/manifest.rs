//! What is known of a Kubernetes manifest: a fence for each container of its pods.

use std::path::Path;

use coffer_confine::posture::Words;
use coffer_kube::Fence;
use rustix::fs::Access;
use serde_json::{Map, json};

use super::Subject;
use crate::context::Context;
use crate::failure::Failure;
use crate::flags;

/// How the names of manifests end.
const ENDS: [&str; 3] = [".yaml", ".yml", ".json"];

/// A file that is there, and which of its containers is meant: `pod.yaml#web`.
pub(super) fn file(name: &str) -> Option<(&Path, Option<&str>)> {
    let (file, part) = match name.rsplit_once('#') {
        Some((file, part)) => (file, Some(part)),
        None => (name, None),
    };
    let named = ENDS.iter().any(|end| file.ends_with(end));
    let there = named && rustix::fs::access(file, Access::EXISTS).is_ok();
    there.then(|| (Path::new(file), part))
}

/// The containers of a manifest, or the one that `part` names.
pub(super) fn subjects(
    context: &Context,
    file: &Path,
    part: Option<&str>,
) -> Result<Vec<Subject>, Failure> {
    let text = flags::read(file, "the manifest")?;
    let manifest = coffer_kube::read(text.as_bytes())
        .map_err(|error| Failure::from(error).at(file.display().to_string()))?;
    if !manifest.others.is_empty() {
        let others = manifest.others.join(", ");
        context.ui.note(format_args!("no pods were looked for in {others}"));
    }
    let Some(part) = part else {
        return Ok(manifest.fences.into_iter().map(|fence| subject(file, fence)).collect());
    };
    let names: Vec<String> = manifest.fences.iter().map(|fence| fence.name.clone()).collect();
    let mut meant = manifest.fences.into_iter().filter(|fence| ends(&fence.name, part));
    match (meant.next(), meant.next()) {
        (Some(one), None) => Ok(vec![subject(file, one)]),
        (None, _) => Err(Failure::new(format!("there is no container {part:?}"))
            .at(file.display().to_string())
            .help(format!("there are {}", names.join(", ")))),
        (Some(_), Some(_)) => Err(Failure::new(format!("{part:?} is more than one container"))
            .at(file.display().to_string())
            .help(format!("there are {}", names.join(", ")))),
    }
}

/// The one container of a manifest that is meant.
pub(super) fn one(context: &Context, file: &Path, part: Option<&str>) -> Result<Subject, Failure> {
    let mut subjects = subjects(context, file, part)?;
    let names: Vec<String> = subjects.iter().map(name).collect();
    match (subjects.pop(), subjects.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(Failure::new("there is more than one container in it")
            .at(file.display().to_string())
            .help(format!("name one after a #: {}", names.join(", ")))),
    }
}

fn name(subject: &Subject) -> String {
    subject.facts.get("container").and_then(|name| name.as_str()).unwrap_or_default().to_owned()
}

/// Whether `Deployment/web/nginx` is meant by `nginx`, `web/nginx` or all of it.
fn ends(name: &str, part: &str) -> bool {
    let rest = name.strip_suffix(part);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

fn subject(file: &Path, fence: Fence) -> Subject {
    let image = if fence.image.is_empty() { "no image" } else { &fence.image };
    Subject {
        headline: format!("{}  {image}  {}", fence.name, file.display()),
        facts: Map::from_iter([
            ("manifest".to_owned(), json!(file)),
            ("container".to_owned(), json!(fence.name)),
            ("image".to_owned(), json!(fence.image)),
        ]),
        controls: fence.controls,
        gaps: fence.gaps,
        posture: fence.posture,
        words: Words::Kubernetes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_meant_by_the_end_of_its_name() {
        for part in ["nginx", "web/nginx", "Deployment/web/nginx"] {
            assert!(ends("Deployment/web/nginx", part), "{part}");
        }
        assert!(!ends("Deployment/web/nginx", "inx"));
    }
}
