//! Images made by the tests, in a store or behind a server.

use std::collections::HashMap;
use std::net::TcpStream;

use coffer_oci::{Descriptor, Digest, MediaType, Platform};
use coffer_store::Store;
use serde_json::json;

use crate::common::hostile::{Asked, Hostile, reply};

/// Gives other bytes than those that were asked for, or leaves them.
type Change = dyn Fn(&Asked, &[u8]) -> Option<Vec<u8>>;

/// An image, or an index of images for several platforms. Each has three layers.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) blobs: HashMap<Digest, Vec<u8>>,
    types: HashMap<Digest, MediaType>,
    layers: Vec<Descriptor>,
    pub(crate) target: Descriptor,
}

impl Sample {
    pub(crate) fn new(platforms: &[&str]) -> Self {
        let mut sample = Self {
            blobs: HashMap::new(),
            types: HashMap::new(),
            layers: Vec::new(),
            target: Descriptor::of(MediaType::OCI_MANIFEST, b""),
        };
        let mut manifests: Vec<_> = platforms.iter().map(|text| sample.image(text)).collect();
        match &mut manifests[..] {
            [] => {}
            [only] => sample.target = Descriptor { platform: None, ..only.clone() },
            _ => {
                let index = json!({
                    "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": manifests,
                });
                sample.target = sample.add(MediaType::OCI_INDEX, index.to_string().as_bytes());
            }
        }
        sample
    }

    fn image(&mut self, platform: &str) -> Descriptor {
        let seed = platform.len() * platform.bytes().map(usize::from).sum::<usize>();
        let content = |n: usize| -> Vec<u8> {
            (0..5000 * (n + 1)).map(|i| u8::try_from((i * (n + 3) + seed) % 251).unwrap()).collect()
        };
        let layers: Vec<_> = (0..3).map(|n| self.add(MediaType::OCI_LAYER, &content(n))).collect();
        let parsed: Platform = platform.parse().unwrap();
        let config = config(&parsed.architecture, &layers);
        let config = self.add(MediaType::OCI_CONFIG, config.as_bytes());
        let manifest = self.manifest(&config, &layers);
        self.layers = layers;
        Descriptor { platform: Some(parsed), ..manifest }
    }

    pub(crate) fn manifest(&mut self, config: &Descriptor, layers: &[Descriptor]) -> Descriptor {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST,
            "config": config, "layers": layers,
        });
        self.add(MediaType::OCI_MANIFEST, manifest.to_string().as_bytes())
    }

    pub(crate) fn add(&mut self, media_type: &str, bytes: &[u8]) -> Descriptor {
        let blob = Descriptor::of(media_type, bytes);
        self.blobs.insert(blob.digest.clone(), bytes.to_vec());
        self.types.insert(blob.digest.clone(), blob.media_type.clone());
        blob
    }

    /// The layer `n` of the last platform.
    pub(crate) fn descriptor(&self, n: usize) -> Descriptor {
        self.layers[n].clone()
    }

    pub(crate) fn layer(&self, n: usize) -> Digest {
        self.layers[n].digest.clone()
    }

    /// Puts all of it into a store and says what a name is to stand for.
    pub(crate) fn put(&self, store: &Store) -> Descriptor {
        for (digest, bytes) in &self.blobs {
            store.put(bytes, self.types[digest].as_str()).unwrap();
        }
        self.target.clone()
    }

    /// A registry that has it under every name and tag; `change` may give other bytes.
    pub(crate) fn serve(
        &self,
        change: impl Fn(&Asked, &[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Hostile {
        let sample = self.clone();
        Hostile::start(move |asked, stream| sample.answer(asked, stream, &change))
    }

    /// The same, where `other` may answer instead.
    pub(crate) fn serve_with(
        &self,
        other: impl Fn(&Asked, &mut TcpStream) -> Option<std::io::Result<()>> + Send + Sync + 'static,
    ) -> Hostile {
        let sample = self.clone();
        Hostile::start(move |asked, stream| match other(asked, stream) {
            Some(done) => done,
            None => sample.answer(asked, stream, &|_, _| None),
        })
    }

    fn answer(
        &self,
        asked: &Asked,
        stream: &mut TcpStream,
        change: &Change,
    ) -> std::io::Result<()> {
        let last = asked.target.rsplit('/').next().unwrap();
        let digest = last.parse().unwrap_or_else(|_| self.target.digest.clone());
        let Some(bytes) = self.blobs.get(&digest) else { return reply(stream, 404, &[], b"") };
        let changed = change(asked, bytes);
        let bytes = changed.as_deref().unwrap_or(bytes);
        let [kind, promise] = [
            format!("Content-Type: {}", self.types[&digest]),
            format!("Docker-Content-Digest: {digest}"),
        ];
        if asked.method == "HEAD" {
            let length = format!("Content-Length: {}", bytes.len());
            return reply(stream, 200, &[&kind, &promise, &length], b"");
        }
        let range = asked.header("range").and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-'));
        match range.map(|first| first.parse::<usize>().unwrap()) {
            None => reply(stream, 200, &[&kind, &promise], bytes),
            Some(first) => {
                let range =
                    format!("Content-Range: bytes {first}-{}/{}", bytes.len() - 1, bytes.len());
                reply(stream, 206, &[&range], &bytes[first..])
            }
        }
    }
}

/// A configuration for `architecture`, with the layers' own digests as diff ids.
pub(crate) fn config(architecture: &str, layers: &[Descriptor]) -> String {
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer.digest.to_string()).collect();
    json!({
        "architecture": architecture, "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    })
    .to_string()
}
