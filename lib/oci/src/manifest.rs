//! Indexes and manifests. Sources: image-spec image-index.md and manifest.md.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Descriptor, Kind, MediaType, Platform};

/// A list of manifests, usually one for each platform. docker's "manifest list" has the same form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// Its own media type, where it says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// What it lists.
    pub manifests: Vec<Descriptor>,
    /// Free words about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// One image: its configuration and its layers, lowest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// Its own media type, where it says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// What kind of artifact this is, where it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<MediaType>,
    /// The image's configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// What it is about, where it is a signature, an SBOM or the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free words about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What a name resolves to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// A list to choose from by platform.
    Index(Index),
    /// One image.
    Manifest(Manifest),
}

/// Why bytes are not the index or manifest they were said to be.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The bytes are not such a JSON document.
    #[error("not a valid {media_type}")]
    Json {
        /// What it was said to be.
        media_type: MediaType,
        /// What the parser met.
        #[source]
        source: serde_json::Error,
    },
    /// The media type is neither an index nor a manifest.
    #[error("media type {0} is not an image index or manifest that coffer knows")]
    MediaType(MediaType),
    /// The document contradicts its descriptor, or itself (CVE-2021-41190).
    #[error("said to be {said}, but the document {found}")]
    Confused {
        /// The media type of the descriptor or of the HTTP answer.
        said: MediaType,
        /// What the document is instead.
        found: String,
    },
    /// Schema 1 and anything after 2.
    #[error("schema version {0} is not supported; 2 is")]
    Schema(u32),
}

impl Document {
    /// Parses `bytes` as what `media_type` says they are, and as nothing else.
    ///
    /// A document that names another media type, or that holds both `manifests` and `layers`, is
    /// refused: two clients could take it for two different images (CVE-2021-41190).
    pub fn parse(media_type: &MediaType, bytes: &[u8]) -> Result<Self, DocumentError> {
        let json = |source| DocumentError::Json { media_type: media_type.clone(), source };
        let shape: Shape = serde_json::from_slice(bytes).map_err(json)?;
        shape.check(media_type)?;
        match media_type.kind() {
            Kind::Index => Ok(Self::Index(serde_json::from_slice(bytes).map_err(json)?)),
            Kind::Manifest => Ok(Self::Manifest(serde_json::from_slice(bytes).map_err(json)?)),
            _ => Err(DocumentError::MediaType(media_type.clone())),
        }
    }
}

/// The fields by which a document could be taken for something else.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: u32,
    media_type: Option<MediaType>,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
}

impl Shape {
    fn check(&self, said: &MediaType) -> Result<(), DocumentError> {
        let confused = |found: String| Err(DocumentError::Confused { said: said.clone(), found });
        if self.schema_version != 2 {
            return Err(DocumentError::Schema(self.schema_version));
        }
        if let Some(own) = self.media_type.as_ref().filter(|own| *own != said) {
            return confused(format!("calls itself {own}"));
        }
        match said.kind() {
            Kind::Index if self.layers.is_some() || self.config.is_some() => {
                confused("has layers or a config of its own".to_owned())
            }
            Kind::Manifest if self.manifests.is_some() => {
                confused("lists other manifests".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl Index {
    /// The best manifest for `wanted`, or `None` where no entry can run there.
    ///
    /// Entries without a platform are taken only where no entry names one, as single images in a
    /// layout are. Attestations (platform `unknown/unknown`) never match.
    pub fn choose(&self, wanted: &Platform) -> Option<&Descriptor> {
        let ranked = self
            .manifests
            .iter()
            .filter(|entry| entry.media_type.kind() != Kind::Other)
            .filter_map(|entry| Some((entry.platform.as_ref()?.rank_for(wanted)?, entry)))
            .min_by_key(|(rank, _)| *rank);
        match ranked {
            Some((_, entry)) => Some(entry),
            None if self.manifests.iter().all(|entry| entry.platform.is_none()) => {
                self.manifests.first()
            }
            None => None,
        }
    }

    /// The platforms that there are, for the error when none fits.
    pub fn platforms(&self) -> impl Iterator<Item = &Platform> {
        self.manifests.iter().filter_map(|entry| entry.platform.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    fn entry(platform: Option<&str>, content: &str) -> Descriptor {
        let mut entry = Descriptor::of(MediaType::OCI_MANIFEST, content.as_bytes());
        entry.platform = platform.map(|text| text.parse().unwrap());
        entry
    }

    fn index(manifests: Vec<Descriptor>) -> Index {
        Index { schema_version: 2, media_type: None, manifests, annotations: BTreeMap::new() }
    }

    #[test]
    fn chooses_the_best_variant() {
        let index = index(vec![
            entry(Some("linux/arm/v5"), "5"),
            entry(Some("linux/arm/v7"), "7"),
            entry(Some("unknown/unknown"), "attestation"),
        ]);
        let host = "linux/arm/v8".parse().unwrap();
        assert_eq!(index.choose(&host).unwrap().digest, Digest::of(b"7"));
        assert_eq!(index.choose(&"linux/amd64".parse().unwrap()), None);
    }

    #[test]
    fn an_index_without_platforms_is_taken_as_it_is() {
        let index = index(vec![entry(None, "only")]);
        assert_eq!(index.choose(&Platform::host()).unwrap().digest, Digest::of(b"only"));
    }

    #[test]
    fn a_document_is_what_it_was_said_to_be() {
        let manifest = br#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},"layers":[]}"#;
        let said = MediaType::new(MediaType::OCI_MANIFEST);
        assert!(matches!(Document::parse(&said, manifest), Ok(Document::Manifest(_))));
        let as_index = Document::parse(&MediaType::new(MediaType::OCI_INDEX), manifest);
        assert!(matches!(as_index, Err(DocumentError::Confused { .. })));
        let both = br#"{"schemaVersion":2,"manifests":[],"layers":[]}"#;
        assert!(matches!(Document::parse(&said, both), Err(DocumentError::Confused { .. })));
        let other = br#"{"schemaVersion":2,"mediaType":"application/json","manifests":[]}"#;
        let list = MediaType::new(MediaType::DOCKER_LIST);
        assert!(matches!(Document::parse(&list, other), Err(DocumentError::Confused { .. })));
        assert!(matches!(
            Document::parse(&said, br#"{"schemaVersion":1}"#),
            Err(DocumentError::Schema(1))
        ));
    }
}
