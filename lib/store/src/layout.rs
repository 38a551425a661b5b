//! Names of files below the data root. `docs/store.md` is their authority.

use coffer_oci::{Algorithm, Digest};

pub(crate) const LOCK: &str = "lock";
pub(crate) const INDEX_LOCK: &str = "index.lock";
pub(crate) const LAYOUT: &str = "oci-layout";
pub(crate) const INDEX: &str = "index.json";
pub(crate) const BLOBS: &str = "blobs";
pub(crate) const INGEST: &str = "ingest";

/// What `oci-layout` holds. Source: image-spec image-layout.md, "oci-layout file".
pub(crate) const LAYOUT_CONTENT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The hash functions that have a folder below `blobs/`.
pub(crate) const ALGORITHMS: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

/// Where a blob lies, from the root of a layout.
pub(crate) fn blob(digest: &Digest) -> String {
    format!("{BLOBS}/{}/{}", digest.algorithm().name(), digest.hex())
}

/// The name of a blob's part in `ingest/`.
pub(crate) fn part(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().name(), digest.hex())
}
