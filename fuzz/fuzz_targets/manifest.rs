//! Kubernetes manifests, and the graph that is drawn of them.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for fence in coffer_kube::read(bytes).map(|manifest| manifest.fences).unwrap_or_default() {
        assert!(fence.posture.score().points <= 100);
    }
});
