//! Images in files: OCI layouts and what `docker save` writes, compressed or not, into a store.
#![no_main]

use std::sync::OnceLock;

use coffer_store::Store;
use libfuzzer_sys::fuzz_target;

/// A store of this process's own, on a file system that is gone with the machine at the latest.
fn store() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("coffer-fuzz-{}", std::process::id()));
        Store::open(&folder).expect("a store in the temporary folder")
    })
}

fuzz_target!(|bytes: &[u8]| {
    let store = store();
    for found in store.load(bytes).unwrap_or_default() {
        // What was taken in is whole: its documents and blobs are there, by their own digests.
        assert!(store.document(&found.descriptor).is_ok());
        if let Ok(image) = store.image(&found.descriptor) {
            for layer in &image.manifest.layers {
                assert!(store.open_blob(layer).is_ok());
            }
        }
    }
});
