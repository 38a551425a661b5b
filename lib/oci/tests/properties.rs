//! Parsers of this crate, for every text and every byte string: no panic, and what they take they
//! give back unchanged.

use coffer_oci::{
    Descriptor, Digest, Document, ImageConfig, ImageName, MediaType, Platform, Reference,
};
use proptest::prelude::*;

fn reference() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        Just(String::new()),
        "[a-z]{1,8}\\.[a-z]{2,4}/".prop_map(String::from),
        "localhost:[1-9][0-9]{0,3}/".prop_map(String::from),
    ];
    // A dot before the first slash would make a host of it.
    let path =
        "[a-z0-9]{1,6}((_|__|-{1,3})[a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,6}(\\.[a-z0-9]{1,4})?){0,2}";
    let tag = prop_oneof![Just(String::new()), ":[A-Za-z0-9_][A-Za-z0-9._-]{0,20}"];
    (host, path, tag).prop_map(|(host, path, tag)| format!("{host}{path}{tag}"))
}

proptest! {
    #[test]
    fn a_reference_in_its_whole_form_reads_as_itself(text in reference()) {
        let reference: Reference = text.parse().unwrap();
        let again: Reference = reference.to_string().parse().unwrap();
        prop_assert_eq!(&reference, &again);
        let familiar: Reference = reference.familiar().parse().unwrap();
        prop_assert_eq!(&reference, &familiar);
    }

    #[test]
    fn a_reference_never_holds_a_way_out(text in "[a-zA-Z0-9./:@_\\-\\[\\] ]{0,60}") {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert!(!reference.repository().split('/').any(|part| part.is_empty() || part.starts_with('.')));
            prop_assert!(!reference.host().contains('/'));
        }
    }

    #[test]
    fn any_text_is_taken_or_refused(text in "\\PC{0,80}") {
        if let Ok(digest) = text.parse::<Digest>() {
            prop_assert_eq!(digest.to_string(), text.clone());
        }
        let name = text.parse::<ImageName>();
        if let Ok(name) = name {
            prop_assert!(!name.to_string().is_empty());
        }
        if let Ok(platform) = text.parse::<Platform>() {
            let again: Platform = platform.to_string().parse().unwrap();
            prop_assert_eq!(platform.rank_for(&again), Some(0));
        }
    }

    #[test]
    fn any_bytes_are_a_document_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for media_type in [MediaType::OCI_INDEX, MediaType::OCI_MANIFEST, "text/plain"] {
            prop_assert!(Document::parse(&MediaType::new(media_type), &bytes).is_err());
        }
        prop_assert!(serde_json::from_slice::<ImageConfig>(&bytes).is_err());
    }

    #[test]
    fn a_descriptor_survives_json(content in proptest::collection::vec(any::<u8>(), 0..64)) {
        let descriptor = Descriptor::of(MediaType::OCI_LAYER, &content);
        let json = serde_json::to_vec(&descriptor).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Descriptor>(&json).unwrap(), descriptor.clone());
        prop_assert!(descriptor.digest.matches(&content));
    }
}
