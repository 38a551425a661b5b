//! Names that a person, a manifest or a file gives.
#![no_main]

use coffer_oci::{Digest, ImageName, Platform, Reference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse::<Reference>().as_ref(), Ok(&reference));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text);
    }
    let _: (Result<ImageName, _>, Result<Platform, _>) = (text.parse(), text.parse());
});
