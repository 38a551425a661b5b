//! Indexes, manifests and image configurations: what a registry sends.
#![no_main]

use coffer_oci::{Document, ImageConfig, MediaType};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for media_type in [MediaType::OCI_INDEX, MediaType::OCI_MANIFEST, MediaType::DOCKER_LIST] {
        // A document that one type takes is refused as any other: no image is two images.
        if let Ok(Document::Index(_)) = Document::parse(&MediaType::new(media_type), bytes) {
            assert!(Document::parse(&MediaType::new(MediaType::OCI_MANIFEST), bytes).is_err());
        }
    }
    if let Ok(config) = serde_json::from_slice::<ImageConfig>(bytes) {
        assert_eq!(config.chain_ids().len(), config.rootfs.diff_ids.len());
    }
});
