//! Images in files: round trips, what docker and skopeo write, and hostile archives.

use crate::common::{Item, config, gzip, name, put_gzipped, put_image, put_manifest, scratch, tar};
use coffer_oci::{Descriptor, Digest, ImageName, MediaType, Platform};
use coffer_store::{Format, ImageError, Store, StoreError, TransportError, WriteError};

fn amd64() -> Platform {
    "linux/amd64".parse().unwrap()
}

fn save(store: &Store, images: &[(&str, &Descriptor)], format: Format) -> Vec<u8> {
    let images: Vec<_> =
        images.iter().map(|(text, image)| (Some(name(text)), (*image).clone())).collect();
    let mut archive = Vec::new();
    store.save(&images, &amd64(), format, &mut archive).unwrap();
    archive
}

/// A layer as a tar archive of one file.
fn layer(content: &str) -> Vec<u8> {
    tar(&[Item::File("file", content.as_bytes())])
}

#[test]
fn both_archives_come_back_with_names_and_digests() {
    for format in [Format::Docker, Format::Oci] {
        let (_folder, store) = scratch();
        let one = put_gzipped(&store, &[layer("1"), layer("2")]);
        let two = put_image(&store, &layer("3"), 1);
        let images = [("web:1", &one), ("r.example/x:2", &two), ("web:also", &one)];
        let archive = save(&store, &images, format);
        assert_eq!(archive, save(&store, &images, format), "not deterministic");
        for bytes in [archive.clone(), gzip(&archive), zstd::encode_all(&archive[..], 1).unwrap()] {
            let (_folder, other) = scratch();
            assert_eq!(other.load(&bytes[..]).unwrap().len(), 3);
            for (text, image) in images {
                let found = other.resolve(&name(text)).unwrap().unwrap();
                assert_eq!(found.digest, image.digest);
                other.image(&found).unwrap();
            }
        }
    }
}

#[test]
fn an_image_without_a_name_is_kept_without_one() {
    let (_folder, store) = scratch();
    let image = put_image(&store, &layer("1"), 1);
    let mut archive = Vec::new();
    store.save(&[(None, image.clone())], &amd64(), Format::Docker, &mut archive).unwrap();
    let (_folder, other) = scratch();
    other.load(&archive[..]).unwrap();
    let kept = other.images().unwrap();
    assert_eq!((kept.len(), &kept[0].name), (1, &None));
    assert_eq!(kept[0].descriptor.digest, image.digest);
}

/// What docker before 25 writes: layers that images share are links.
fn legacy() -> (Vec<u8>, [Digest; 2]) {
    let layers = [layer("base"), layer("top")];
    let ids = [Digest::of(&layers[0]), Digest::of(&layers[1])];
    let config = config(&[ids[0].clone(), ids[1].clone(), ids[0].clone()]);
    let manifest = serde_json::json!([{
        "Config": "c.json",
        "RepoTags": ["shop/web:1.4", "not valid"],
        "Layers": ["a/layer.tar", "b/layer.tar", "c/layer.tar"],
    }]);
    let manifest = manifest.to_string();
    let archive = tar(&[
        Item::Folder("a/"),
        Item::File("a/VERSION", b"1.0"),
        Item::File("a/layer.tar", &layers[0]),
        Item::File("./b/layer.tar", &layers[1]),
        Item::Symlink("c/layer.tar", "../d/layer.tar"),
        Item::HardLink("d/layer.tar", "a/layer.tar"),
        Item::File("c.json", &config),
        Item::File("manifest.json", manifest.as_bytes()),
    ]);
    (archive, ids)
}

#[test]
fn the_old_docker_form_gets_a_manifest() {
    let (archive, ids) = legacy();
    let (_folder, store) = scratch();
    let found = store.load(&archive[..]).unwrap();
    assert_eq!(found[0].names, [name("shop/web:1.4")]);
    let image = store.image(&store.resolve(&name("shop/web:1.4")).unwrap().unwrap()).unwrap();
    let layers: Vec<_> = image.manifest.layers.iter().map(|layer| &layer.digest).collect();
    assert_eq!(layers, [&ids[0], &ids[1], &ids[0]]);
    assert_eq!(store.read(&image.manifest.layers[1], 9999).unwrap(), layer("top"));
    assert!(store.check(coffer_store::Repair::Report).unwrap().findings.is_empty());
}

#[test]
fn one_image_of_an_archive_is_picked_by_its_name() {
    let (folder, store) = scratch();
    let [one, two] = ["1", "2"].map(|content| put_image(&store, &layer(content), 1));
    let file = folder.path().join("images.tar");
    let import = |text: String| store.import(&text.parse::<ImageName>().unwrap(), &amd64());
    let images = [("web:1", &one), ("web:2", &two)];
    std::fs::write(&file, save(&store, &images, Format::Docker)).unwrap();
    let [path, docker] = [file.display(), file.display()];
    let found = import(format!("docker-archive:{docker}:web:2")).unwrap();
    let wanted = store.image(&two).unwrap().manifest.config;
    assert_eq!(store.image(&found.descriptor).unwrap().manifest.config.digest, wanted.digest);
    let several = import(format!("docker-archive:{path}")).unwrap_err();
    assert!(matches!(several, TransportError::Several { count: 2, .. }));
    let missing = import(format!("docker-archive:{path}:web:3")).unwrap_err();
    assert!(missing.to_string().contains("web:1, web:2"), "{missing}");
    std::fs::write(&file, save(&store, &images[..1], Format::Oci)).unwrap();
    let found = import(format!("oci-archive:{path}")).unwrap();
    assert_eq!(found.descriptor.digest, one.digest);
    std::fs::write(&file, save(&store, &images, Format::Oci)).unwrap();
    for text in ["web:2", "docker.io/library/web:2"] {
        let found = import(format!("oci-archive:{path}:{text}")).unwrap();
        assert_eq!(found.descriptor.digest, two.digest);
    }
}

#[test]
fn a_folder_comes_back() {
    let (folder, store) = scratch();
    let [one, two] = ["1", "2"].map(|content| put_gzipped(&store, &[layer(content)]));
    let path = folder.path().join("new/layout");
    store.export_folder(&one, &amd64(), &path, Some("v1")).unwrap();
    store.export_folder(&one, &amd64(), &path, Some("v2")).unwrap();
    store.export_folder(&two, &amd64(), &path, Some("v2")).unwrap();
    let (_folder, other) = scratch();
    let import = |tag: &str| {
        let name = format!("oci:{}{tag}", path.display());
        other.import(&name.parse::<ImageName>().unwrap(), &amd64())
    };
    assert_eq!(import(":v1").unwrap().descriptor.digest, one.digest);
    assert_eq!(import(":v2").unwrap().descriptor.digest, two.digest);
    other.image(&two).unwrap();
    assert!(matches!(import(":v3"), Err(TransportError::NoImage { .. })));
    assert!(matches!(import(""), Err(TransportError::Several { count: 2, .. })));
}

#[test]
fn a_folder_is_read_without_links_and_a_wrong_blob_leaves_nothing() {
    let (folder, store) = scratch();
    let image = put_image(&store, &layer("1"), 1);
    let path = folder.path().join("layout");
    store.export_folder(&image, &amd64(), &path, None).unwrap();
    let digest = Digest::of(&layer("1"));
    let blob = path.join("blobs/sha256").join(digest.hex());
    let outside = folder.path().join("outside");
    std::fs::rename(&blob, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &blob).unwrap();
    let name: ImageName = format!("oci:{}", path.display()).parse().unwrap();
    let (_folder, other) = scratch();
    assert!(matches!(other.import(&name, &amd64()), Err(TransportError::Path { .. })));
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, layer("2")).unwrap();
    let error = other.import(&name, &amd64()).unwrap_err();
    assert!(matches!(error, TransportError::Blob(WriteError::Digest { .. })));
    assert_eq!(other.has(&digest).unwrap(), None);
    std::fs::write(&blob, layer("1")).unwrap();
    other.import(&name, &amd64()).unwrap();
}

#[test]
fn only_the_platform_that_is_wanted_is_copied_from_a_folder() {
    let (folder, store) = scratch();
    let mut entries = ["amd64", "arm64"].map(|content| put_image(&store, &layer(content), 1));
    let path = folder.path().join("layout");
    for entry in &entries {
        store.export_folder(entry, &amd64(), &path, None).unwrap();
    }
    entries[0].platform = Some(amd64());
    entries[1].platform = Some("linux/arm64".parse().unwrap());
    let json = serde_json::json!({ "schemaVersion": 2, "manifests": entries }).to_string();
    let index = Descriptor::of(MediaType::OCI_INDEX, json.as_bytes());
    std::fs::write(path.join("blobs/sha256").join(index.digest.hex()), &json).unwrap();
    let json = serde_json::json!({ "schemaVersion": 2, "manifests": [index] }).to_string();
    std::fs::write(path.join("index.json"), json).unwrap();
    let (_folder, other) = scratch();
    let name: ImageName = format!("oci:{}", path.display()).parse().unwrap();
    assert_eq!(other.import(&name, &amd64()).unwrap().descriptor.digest, index.digest);
    other.image(&entries[0]).unwrap();
    assert!(matches!(other.image(&entries[1]), Err(ImageError::Store(StoreError::Missing(_)))));
}

fn load(items: &[Item<'_>]) -> TransportError {
    let (_folder, store) = scratch();
    let error = store.load(&tar(items)[..]).unwrap_err();
    assert_eq!(store.images().unwrap(), []);
    error
}

fn docker_items<'a>(config: &'a [u8], manifest: &'a str, layer: &'a [u8]) -> Vec<Item<'a>> {
    vec![
        Item::File("c.json", config),
        Item::File("l.tar", layer),
        Item::File("manifest.json", manifest.as_bytes()),
    ]
}

#[test]
fn layers_are_those_of_the_configuration() {
    let layer = layer("1");
    let manifest = r#"[{"Config":"c.json","RepoTags":["a:1"],"Layers":["l.tar"]}]"#;
    let wrong = config(&[Digest::of(b"another")]);
    let error = load(&docker_items(&wrong, manifest, &layer));
    assert!(matches!(error, TransportError::Layer { .. }));
    let error = load(&docker_items(&config(&[]), manifest, &layer));
    assert!(matches!(error, TransportError::Layers { diff_ids: 0, layers: 1, .. }));
    let manifest = r#"[{"Config":"c.json","RepoTags":null,"Layers":["../l.tar"]}]"#;
    let right = config(&[Digest::of(&layer)]);
    let error = load(&docker_items(&right, manifest, &layer));
    assert!(matches!(error, TransportError::NoFile { .. }));
}

#[test]
fn names_lead_nowhere_outside_the_archive() {
    for item in [
        Item::File("../../etc/passwd", b"x"),
        Item::Symlink("a", "../../etc/passwd"),
        Item::Symlink("a/b/c", "../../../x"),
        Item::HardLink("a", "../x"),
        Item::Device("null"),
    ] {
        assert!(matches!(load(&[item]), TransportError::Entry { .. }));
    }
    let manifest = r#"[{"Config":"/etc/hostname","RepoTags":null,"Layers":[]}]"#;
    let error = load(&[Item::File("manifest.json", manifest.as_bytes())]);
    assert!(matches!(error, TransportError::NoFile { .. }));
    let manifest = r#"[{"Config":"a","RepoTags":null,"Layers":[]}]"#;
    let circle = [
        Item::Symlink("a", "b"),
        Item::Symlink("b", "a"),
        Item::File("manifest.json", manifest.as_bytes()),
    ];
    assert!(matches!(load(&circle), TransportError::NoFile { .. }));
}

#[test]
fn a_blob_is_what_its_name_says() {
    let path = format!("blobs/sha256/{}", Digest::of(b"right").hex());
    let error = load(&[Item::File(&path, b"wrong")]);
    assert!(matches!(error, TransportError::Blob(WriteError::Digest { .. })));
}

#[test]
fn an_image_that_lacks_a_blob_is_not_named() {
    let (_folder, store) = scratch();
    let absent = Descriptor::of(MediaType::OCI_LAYER, b"absent");
    let config = config(std::slice::from_ref(&absent.digest));
    let image = put_manifest(&store, &config, &[absent]);
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [image] }).to_string();
    let path = format!("blobs/sha256/{}", image.digest.hex());
    let manifest = store.read(&image, 9999).unwrap();
    let error = load(&[
        Item::File("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
        Item::File("index.json", index.as_bytes()),
        Item::File(&path, &manifest),
    ]);
    assert!(matches!(error, TransportError::NoBlob { .. }));
}

#[test]
fn what_is_no_archive_says_so() {
    let (_folder, store) = scratch();
    let load = |bytes: &[u8]| store.load(bytes).unwrap_err();
    assert!(matches!(load(b""), TransportError::NoImages(_)));
    assert!(matches!(load(&[7; 4096]), TransportError::Tar(_)));
    assert!(matches!(load(b"\xfd7zXZ\0\0"), TransportError::Compression("xz")));
    assert!(matches!(load(&[0; 10240]), TransportError::NoImages(_)));
    let (archive, _) = legacy();
    for length in (0..archive.len()).step_by(100) {
        store.load(&archive[..length]).ok();
        store.load(&gzip(&archive)[..length.min(600)]).unwrap_err();
    }
    assert!(matches!(
        load(&archive[..1000]),
        TransportError::Tar(coffer_tar::TarError::Truncated { .. })
    ));
}
