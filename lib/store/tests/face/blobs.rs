//! The face of the store: blobs, names and images.

use std::io::{Read, Write};

use crate::common::{config, name, put_image, scratch};
use coffer_oci::{Descriptor, Digest, MediaType, Platform};
use coffer_store::{Finding, ImageError, IndexError, Repair, Store, StoreError, WriteError};

#[test]
fn a_blob_is_found_by_its_digest() {
    let (_folder, store) = scratch();
    let blob = store.put(b"content", MediaType::OCI_LAYER).unwrap();
    assert_eq!(store.has(&blob.digest).unwrap(), Some(7));
    assert_eq!(store.read(&blob, 7).unwrap(), b"content");
    let mut text = String::new();
    store.open_blob(&blob).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "content");
    assert!(matches!(store.read(&blob, 6), Err(StoreError::TooLong { .. })));
    let other = Descriptor::of(MediaType::OCI_LAYER, b"other");
    assert!(matches!(store.read(&other, 9), Err(StoreError::Missing(_))));
    assert!(store.writer(&blob).unwrap().is_none());
}

#[test]
fn a_writer_resumes_what_another_left() {
    let (_folder, store) = scratch();
    let blob = Descriptor::of(MediaType::OCI_LAYER, b"first second");
    let mut writer = store.writer(&blob).unwrap().unwrap();
    writer.write_all(b"first ").unwrap();
    drop(writer);
    let mut writer = store.writer(&blob).unwrap().unwrap();
    assert_eq!(writer.offset(), 6);
    writer.write_all(b"second").unwrap();
    writer.commit().unwrap();
    assert_eq!(store.read(&blob, 99).unwrap(), b"first second");
}

#[test]
fn a_wrong_byte_leaves_nothing() {
    let (folder, store) = scratch();
    let blob = Descriptor::of(MediaType::OCI_LAYER, b"right");
    let mut writer = store.writer(&blob).unwrap().unwrap();
    writer.write_all(b"wrong").unwrap();
    assert!(matches!(writer.commit(), Err(WriteError::Digest { .. })));
    let mut writer = store.writer(&blob).unwrap().unwrap();
    assert_eq!(writer.offset(), 0);
    let error = writer.write_all(b"right and more").unwrap_err();
    assert!(matches!(writer.failed(error), WriteError::TooMany { size: 5, .. }));
    drop(writer);
    let ingest = std::fs::read_dir(folder.path().join("a/root/ingest"));
    assert_eq!(ingest.unwrap().count(), 0);
    let mut writer = store.writer(&blob).unwrap().unwrap();
    writer.write_all(b"rig").unwrap();
    assert!(matches!(writer.commit(), Err(WriteError::TooFew { found: 3, .. })));
}

#[test]
fn two_writers_of_one_blob_take_turns() {
    let (_folder, store) = scratch();
    let content = vec![7; 1 << 20];
    let blob = Descriptor::of(MediaType::OCI_LAYER, &content);
    let wrote = std::thread::scope(|scope| {
        let put = || {
            let Some(mut writer) = store.writer(&blob).unwrap() else { return 0 };
            assert_eq!(writer.offset(), 0);
            writer.write_all(&content).unwrap();
            writer.commit().unwrap();
            1
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(put)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<i32>()
    });
    assert_eq!(wrote, 1);
    assert_eq!(store.read(&blob, 2 << 20).unwrap(), content);
}

#[test]
fn names_move_and_go() {
    let (_folder, store) = scratch();
    let [one, two] = [b"one", b"two"].map(|layer| put_image(&store, layer, 1));
    store.tag(&name("web"), &one).unwrap();
    store.tag(&name("web:1"), &one).unwrap();
    assert_eq!(store.resolve(&name("docker.io/library/web:latest")).unwrap(), Some(one.clone()));
    store.tag(&name("web"), &two).unwrap();
    assert_eq!(store.resolve(&name("web")).unwrap(), Some(two.clone()));
    assert_eq!(store.images().unwrap().len(), 2);
    store.tag(&name("web:1"), &two).unwrap();
    let unnamed: Vec<_> =
        store.images().unwrap().into_iter().filter(|entry| entry.name.is_none()).collect();
    assert_eq!(unnamed.len(), 1);
    assert_eq!(unnamed[0].descriptor, one);
    assert_eq!(store.untag(&name("web:2")).unwrap(), None);
    assert_eq!(store.untag(&name("web")).unwrap(), Some(two.clone()));
    assert_eq!(store.forget(&two).unwrap(), [name("web:1")]);
    assert_eq!(store.resolve(&name("web:1")).unwrap(), None);
}

#[test]
fn a_digest_is_found_by_any_name_of_its_repository() {
    let (_folder, store) = scratch();
    let image = put_image(&store, b"layer", 1);
    store.tag(&name("shop/web:1"), &image).unwrap();
    let pinned = name("shop/web").with_digest(image.digest.clone());
    assert_eq!(store.resolve(&pinned).unwrap(), Some(image.clone()));
    let other = name("shop/other").with_digest(image.digest.clone());
    assert_eq!(store.resolve(&other).unwrap(), None);
    store.tag(&name(&format!("shop/web:9@{}", image.digest)), &image).unwrap();
    assert_eq!(store.resolve(&name("shop/web:9")).unwrap(), None);
}

#[test]
fn nothing_is_named_that_is_not_there() {
    let (_folder, store) = scratch();
    let absent = Descriptor::of(MediaType::OCI_MANIFEST, b"absent");
    assert!(matches!(store.tag(&name("web"), &absent), Err(IndexError::Target(..))));
}

#[test]
fn an_image_has_as_many_layers_as_diff_ids() {
    let (_folder, store) = scratch();
    let good = put_image(&store, b"layer", 1);
    let image = store.image(&good).unwrap();
    assert_eq!(image.config.architecture, "amd64");
    assert_eq!(image.blobs().count(), 2);
    let bad = put_image(&store, b"layer", 2);
    assert!(matches!(store.image(&bad), Err(ImageError::Layers { layers: 1, diff_ids: 2, .. })));
}

#[test]
fn the_platform_is_chosen_from_an_index() {
    let (_folder, store) = scratch();
    let mut image = put_image(&store, b"layer", 1);
    image.platform = Some("linux/arm64".parse().unwrap());
    let json = serde_json::json!({ "schemaVersion": 2, "manifests": [image] });
    let index = store.put(json.to_string().as_bytes(), MediaType::OCI_INDEX).unwrap();
    let arm: Platform = "linux/arm64".parse().unwrap();
    assert_eq!(store.choose(&index, &arm).unwrap().digest, image.digest);
    assert!(matches!(store.image(&index), Err(ImageError::NotManifest { .. })));
    let error = store.choose(&index, &"linux/s390x".parse().unwrap()).unwrap_err();
    assert!(error.to_string().contains("linux/arm64"), "{error}");
}

#[test]
fn a_root_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mode = std::fs::Permissions::from_mode(0o770);
    std::fs::set_permissions(folder.path(), mode).unwrap();
    assert!(matches!(Store::open(folder.path()), Err(StoreError::NotOurs { .. })));
}

#[test]
fn prune_takes_what_nothing_names() {
    let (_folder, mut store) = scratch();
    let [named, kept, moved] = [b"a", b"b", b"c"].map(|layer| put_image(&store, layer, 1));
    store.tag(&name("web"), &moved).unwrap();
    store.tag(&name("web"), &named).unwrap();
    let part = Descriptor::of(MediaType::OCI_LAYER, b"interrupted");
    store.writer(&part).unwrap().unwrap().write_all(b"inter").unwrap();
    let keep = std::slice::from_ref(&kept);
    let pruned = store.exclusive().unwrap().prune(keep).unwrap();
    assert_eq!(pruned.images, std::slice::from_ref(&moved.digest));
    assert_eq!((pruned.blobs.len(), pruned.parts, pruned.chains.len()), (3, 1, 2));
    assert!(pruned.bytes > moved.size);
    store.image(&named).unwrap();
    store.image(&kept).unwrap();
    assert_eq!(store.has(&moved.digest).unwrap(), None);
    let again = store.exclusive().unwrap().prune(keep).unwrap();
    assert_eq!((again.blobs.len(), again.bytes), (0, 0));
}

#[test]
fn prune_keeps_what_an_index_reaches() {
    let (_folder, mut store) = scratch();
    let image = put_image(&store, b"layer", 1);
    let absent = Descriptor::of(MediaType::OCI_MANIFEST, b"another platform");
    let json = serde_json::json!({ "schemaVersion": 2, "manifests": [image, absent] });
    let index = store.put(json.to_string().as_bytes(), MediaType::OCI_INDEX).unwrap();
    store.tag(&name("web"), &index).unwrap();
    assert_eq!(store.exclusive().unwrap().prune(&[]).unwrap().blobs, []);
    store.image(&image).unwrap();
    assert!(store.check(Repair::Report).unwrap().findings.is_empty());
}

#[test]
fn prune_waits_for_those_in_the_store() {
    let (folder, mut store) = scratch();
    let other = Store::open(&folder.path().join("a/root")).unwrap();
    assert!(store.try_exclusive().unwrap().is_none());
    drop(other);
    // The children of other tests have a copy of it for a moment.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while store.try_exclusive().unwrap().is_none() {
        assert!(std::time::Instant::now() < until, "somebody is in the store");
        std::thread::yield_now();
    }
    assert!(Store::open(&folder.path().join("a/root")).is_ok());
}

#[test]
fn check_finds_each_fault() {
    let (folder, store) = scratch();
    let image = put_image(&store, b"layer", 1);
    store.tag(&name("web"), &image).unwrap();
    assert!(store.check(Repair::Report).unwrap().findings.is_empty());
    let blobs = folder.path().join("a/root/blobs/sha256");
    let layer = blobs.join(Digest::of(b"layer").hex());
    std::fs::remove_file(&layer).unwrap();
    std::fs::write(&layer, b"lawyer").unwrap();
    std::fs::write(blobs.join("stray"), b"").unwrap();
    let found = store.check(Repair::Remove).unwrap();
    assert_eq!(found.blobs, 3);
    assert!(matches!(
        &found.findings[..],
        [Finding::Stray { .. }, Finding::Corrupt { .. }, Finding::Missing { .. }]
    ));
    assert_eq!(store.has(&Digest::of(b"layer")).unwrap(), None);
    store.put(b"layer", MediaType::OCI_LAYER).unwrap();
    assert_eq!(store.check(Repair::Report).unwrap().findings.len(), 1);
}

#[test]
fn a_hostile_image_hides_nothing_from_prune() {
    let (_folder, mut store) = scratch();
    let victim = put_image(&store, b"layer", 1);
    let mut as_layer = victim.clone();
    as_layer.media_type = MediaType::new(MediaType::OCI_LAYER);
    let config = store.put(&config(&[]), MediaType::OCI_CONFIG).unwrap();
    let json = serde_json::json!({ "schemaVersion": 2, "config": config, "layers": [as_layer] });
    let hostile = store.put(json.to_string().as_bytes(), MediaType::OCI_MANIFEST).unwrap();
    let mut as_index = victim.clone();
    as_index.media_type = MediaType::new(MediaType::OCI_INDEX);
    let json = serde_json::json!({ "schemaVersion": 2, "manifests": [as_index] });
    let confused = store.put(json.to_string().as_bytes(), MediaType::OCI_INDEX).unwrap();
    for (text, target) in [("a", &hostile), ("b", &confused), ("c", &victim)] {
        store.tag(&name(text), target).unwrap();
    }
    assert_eq!(store.exclusive().unwrap().prune(&[]).unwrap().blobs, []);
    store.image(&victim).unwrap();
    let found = store.check(Repair::Report).unwrap().findings;
    assert!(matches!(&found[..], [Finding::Broken { .. }]));
}

#[test]
fn collect_takes_only_what_the_removed_image_had() {
    let (_folder, mut store) = scratch();
    let [gone, left] = [b"a", b"b"].map(|layer| put_image(&store, layer, 1));
    store.tag(&name("gone"), &gone).unwrap();
    store.tag(&name("left"), &left).unwrap();
    let waste = store.put(b"unnamed", MediaType::OCI_LAYER).unwrap();
    store.forget(&gone).unwrap();
    let exclusive = store.exclusive().unwrap();
    assert_eq!(exclusive.store().images().unwrap().len(), 1);
    let both = std::slice::from_ref(&gone);
    let kept = exclusive.collect(both, both).unwrap();
    assert_eq!(kept, coffer_store::Collected::default());
    let collected = exclusive.collect(&[gone], &[]).unwrap();
    assert_eq!((collected.blobs.len(), collected.chains.len()), (3, 1));
    drop(exclusive);
    store.image(&left).unwrap();
    assert_eq!(store.has(&waste.digest).unwrap(), Some(7));
}

#[test]
fn commands_at_once_lose_nothing() {
    let (_folder, store) = scratch();
    let path = store.path().to_owned();
    drop(store);
    let command = |number: usize| {
        for round in 0..10 {
            let store = Store::open(&path).unwrap();
            // Every thread puts the same image, and another of its own that it renames.
            store.tag(&name("same"), &put_image(&store, b"same", 1)).unwrap();
            let own = put_image(&store, format!("{number} {round}").as_bytes(), 1);
            store.tag(&name(&format!("own:{number}")), &own).unwrap();
            store.tag(&name(&format!("short:{number}")), &own).unwrap();
            store.image(&own).unwrap();
            store.untag(&name(&format!("short:{number}"))).unwrap().unwrap();
        }
    };
    let prune = || {
        for _ in 0..10 {
            let mut store = Store::open(&path).unwrap();
            store.exclusive().unwrap().prune(&[]).unwrap();
        }
    };
    std::thread::scope(|scope| {
        for number in 0..6 {
            let command = &command;
            scope.spawn(move || command(number));
        }
        scope.spawn(prune);
    });
    let mut store = Store::open(&path).unwrap();
    store.exclusive().unwrap().prune(&[]).unwrap();
    let checked = store.check(Repair::Report).unwrap();
    assert!(checked.findings.is_empty(), "{:?}", checked.findings);
    assert_eq!((checked.images, checked.blobs), (7, 21));
    for entry in store.images().unwrap() {
        store.image(&entry.descriptor).unwrap();
    }
}
