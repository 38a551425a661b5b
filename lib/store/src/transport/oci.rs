//! OCI image layouts. Source: image-spec image-layout.md.

use coffer_oci::{Descriptor, Index, Kind, REF_NAME, Reference};
use serde::Deserialize;

use super::contents::Contents;
use super::{Found, TransportError, check_whole};
use crate::{Store, layout};

/// The file that names the images of a layout.
pub(super) const INDEX: &str = layout::INDEX;

/// What containerd, and with it docker, puts an image's whole name into.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// What `oci-layout` says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    image_layout_version: String,
}

impl Version {
    /// The one version that there is.
    pub(super) fn is_known(&self) -> bool {
        self.image_layout_version == "1.0.0"
    }
}

/// The images of a layout in an archive, each checked to be whole.
pub(super) fn images(store: &Store, contents: &Contents<'_>) -> Result<Vec<Found>, TransportError> {
    if !contents.has(layout::LAYOUT) || !contents.has(INDEX) {
        return Err(TransportError::NoImages(layout::LAYOUT.to_owned()));
    }
    if !contents.json::<Version>(layout::LAYOUT)?.is_known() {
        return Err(TransportError::NoImages("a layout of version 1.0.0".to_owned()));
    }
    let found = entries(contents.json(INDEX)?);
    for image in &found {
        check_whole(store, &image.descriptor)?;
    }
    Ok(found)
}

/// The images that an index names. One that has several names occurs once.
pub(super) fn entries(index: Index) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for entry in index.manifests {
        if !matches!(entry.media_type.kind(), Kind::Index | Kind::Manifest) {
            continue;
        }
        let tag = entry.ref_name().map(str::to_owned);
        let name = name(&entry);
        let descriptor = bare(entry);
        let same = |f: &&mut Found| f.tag == tag && f.descriptor.digest == descriptor.digest;
        match found.iter_mut().find(same) {
            Some(same) => same.names.extend(name),
            None => found.push(Found { descriptor, names: Vec::from_iter(name), tag }),
        }
    }
    found
}

/// The name of an image that an entry gives. A tag alone, such as `latest`, is none.
fn name(entry: &Descriptor) -> Option<Reference> {
    let tag = entry.ref_name().filter(|tag| tag.contains([':', '/', '@']));
    let whole = entry.annotations.get(CONTAINERD_NAME).map(String::as_str);
    whole.or(tag).and_then(|text| text.parse().ok())
}

/// An entry without the annotations that name it.
fn bare(mut entry: Descriptor) -> Descriptor {
    entry.annotations.remove(REF_NAME);
    entry.annotations.remove(CONTAINERD_NAME);
    entry
}

/// An entry with the annotations by which coffer, skopeo, podman and docker find its name.
pub(super) fn named(mut entry: Descriptor, name: &Reference) -> Descriptor {
    entry.annotations.insert(REF_NAME.to_owned(), name.to_string());
    entry.annotations.insert(CONTAINERD_NAME.to_owned(), name.to_string());
    entry
}
