//! Pull, push and admit: between two stores and Debian's docker-registry, and from a server that lies.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails ends the test")]

#[path = "../../registry/tests/common/mod.rs"]
mod common;
mod sample;

use std::io::{Read as _, Write as _};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};

use coffer_intake::{
    AdmitError, Event, Extent, Progress, PullError, PullPolicy, Silent, Wanted, admit, pull, push,
};
use coffer_oci::{ImageName, Kind, MediaType, Platform, Reference};
use coffer_registry::{Cause, Client, Error, Host};
use coffer_store::{Store, WriteError};
use common::hostile::reply;
use common::{Registry, client, run, settings};
use sample::Sample;

fn amd64() -> Platform {
    "linux/amd64".parse().unwrap()
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("root")).unwrap();
    (folder, store)
}

/// Remembers what it is told.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Progress for Log {
    fn event(&self, event: Event<'_>) {
        let line = match event {
            Event::Resolved { .. } => "resolved".to_owned(),
            Event::Present(blob) => format!("present {}", blob.size),
            Event::Moving { done, .. } => format!("moving {done}"),
            Event::Done(blob) => format!("done {}", blob.size),
        };
        self.0.lock().unwrap().push(line);
    }
}

#[test]
fn what_is_pushed_is_pulled() {
    let registry = Registry::plain();
    let client = client(&registry.host);
    let name = registry.name("shop/web:1");
    let (_one, from) = store();
    let sample = Sample::new(&["linux/amd64"]);
    let target = sample.put(&from);
    let sent = push(&from, &client, &target, &name, &amd64(), &Silent).unwrap();
    assert_eq!((&sent.target, sent.extent), (&target, Extent::Whole));

    let (folder, to) = store();
    let log = Log::default();
    let pulled = pull(&to, &client, &name, &amd64(), &log).unwrap();
    assert_eq!((&pulled.target, &pulled.manifest), (&target, &target));
    assert_eq!(pulled.layers, 3);
    assert_eq!(to.resolve(&name).unwrap().unwrap().digest, target.digest);
    let image = to.image(&pulled.manifest).unwrap();
    for blob in image.blobs() {
        assert_eq!(to.read(blob, 1 << 20).unwrap(), sample.blobs[&blob.digest]);
    }
    let log = log.0.into_inner().unwrap();
    assert_eq!(log[0], "resolved");
    assert_eq!(log.iter().filter(|line| line.starts_with("done")).count(), 4, "{log:?}");

    // The store is a layout that others read, and what others push is pulled.
    drop(to);
    let layout = format!("oci:{}/root:{name}", folder.path().display());
    let other = registry.name("other:1");
    run(
        "skopeo",
        &[
            "copy",
            "--preserve-digests",
            "--dest-tls-verify=false",
            &layout,
            &format!("docker://{other}"),
        ],
    );
    let (_folder, third) = store();
    assert_eq!(pull(&third, &client, &other, &amd64(), &Silent).unwrap().target, target);
}

#[test]
fn a_second_pull_asks_only_whether_it_is_current() {
    let sample = Sample::new(&["linux/amd64"]);
    let server = sample.serve(|_, _| None);
    let (_folder, store) = store();
    let pull =
        || pull(&store, &client(&server.host), &server.name("a:1"), &amd64(), &Silent).unwrap();
    assert_eq!(pull().layers, 3);
    let before = server.asked().len();
    let again = pull();
    assert_eq!((again.layers, again.bytes), (0, 0));
    let asked = server.asked().split_off(before);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].method, "HEAD");
}

#[test]
fn the_platform_is_chosen_and_the_others_are_named() {
    let registry = Registry::plain();
    let client = client(&registry.host);
    let name = registry.name("multi:1");
    let (_one, from) = store();
    let target = Sample::new(&["linux/arm64", "linux/amd64", "unknown/unknown"]).put(&from);
    push(&from, &client, &target, &name, &amd64(), &Silent).unwrap();

    let (_two, to) = store();
    let pulled = pull(&to, &client, &name, &amd64(), &Silent).unwrap();
    assert_eq!(pulled.target.media_type.kind(), Kind::Index);
    assert_eq!(to.image(&pulled.manifest).unwrap().config.architecture, "amd64");
    let pinned = name.with_digest(target.digest.clone());
    assert_eq!(
        pull(&to, &client, &pinned, &amd64(), &Silent).unwrap().target.digest,
        target.digest
    );

    let missing = pull(&to, &client, &name, &"linux/s390x".parse().unwrap(), &Silent).unwrap_err();
    let text = missing.to_string();
    assert!(text.ends_with("it is for linux/arm64, linux/amd64"), "{text}");
    assert_eq!(missing.help().unwrap(), "take another platform: --platform linux/arm64");

    // Of an index that is not here whole, what is here is pushed.
    let part = registry.name("part:1");
    let sent = push(&to, &client, &pulled.target, &part, &amd64(), &Silent).unwrap();
    assert_eq!((&sent.target.digest, sent.extent), (&pulled.manifest.digest, Extent::OnePlatform));
}

#[test]
fn a_wrong_byte_leaves_nothing_behind() {
    let sample = Sample::new(&["linux/amd64"]);
    let victim = sample.layer(1);
    let digest = victim.clone();
    let server = sample.serve(move |asked, bytes| {
        let wrong = asked.target.ends_with(&digest.to_string());
        wrong.then(|| bytes.iter().map(|byte| byte ^ 1).collect())
    });
    let (_folder, store) = store();
    let name = server.name("a:1");
    let error = pull(&store, &client(&server.host), &name, &amd64(), &Silent).unwrap_err();
    assert!(
        matches!(error, PullError::Write { source: WriteError::Digest { .. }, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains(&name.to_string()));
    assert_eq!(store.resolve(&name).unwrap(), None);
    assert_eq!(store.has(&victim).unwrap(), None);
    let left = store.writer(&sample.descriptor(1)).unwrap().unwrap();
    assert_eq!(left.offset(), 0);
}

#[test]
fn a_size_that_is_not_the_descriptors_is_refused() {
    let sample = Sample::new(&["linux/amd64"]);
    let victim = sample.layer(0);
    for change in [-1_isize, 1] {
        let victim = victim.clone();
        let server = sample.serve(move |asked, bytes| {
            let length = bytes.len().checked_add_signed(change).unwrap();
            let longer = || bytes.iter().copied().chain([0]).take(length).collect();
            asked.target.ends_with(&victim.to_string()).then(longer)
        });
        let (_folder, store) = store();
        let name = server.name("a:1");
        let error = pull(&store, &client(&server.host), &name, &amd64(), &Silent).unwrap_err();
        let PullError::Registry(Error { cause, .. }) = &error else { panic!("{error:?}") };
        assert!(matches!(cause, Cause::Size { .. }), "{error:?}");
        assert_eq!(store.resolve(&name).unwrap(), None);
    }
}

#[test]
fn what_an_earlier_pull_left_is_gone_on_with() {
    let sample = Sample::new(&["linux/amd64"]);
    let server = sample.serve(|_, _| None);
    let (_folder, store) = store();
    let layer = sample.descriptor(2);
    let bytes = &sample.blobs[&layer.digest];
    store.writer(&layer).unwrap().unwrap().write_all(&bytes[..1000]).unwrap();
    pull(&store, &client(&server.host), &server.name("a:1"), &amd64(), &Silent).unwrap();
    let asked = server.asked();
    let get = asked.iter().find(|a| a.target.ends_with(&layer.digest.to_string())).unwrap();
    assert_eq!(get.header("range"), Some("bytes=1000-"));
}

#[test]
fn a_wrong_beginning_is_fetched_again() {
    let sample = Sample::new(&["linux/amd64"]);
    let server = sample.serve(|_, _| None);
    let (_folder, store) = store();
    let layer = sample.descriptor(2);
    store.writer(&layer).unwrap().unwrap().write_all(&[0xff; 1000]).unwrap();
    let name = server.name("a:1");
    let pulled = pull(&store, &client(&server.host), &name, &amd64(), &Silent).unwrap();
    assert_eq!(store.image(&pulled.manifest).unwrap().manifest.layers.len(), 3);
    assert_eq!(store.read(&layer, 1 << 20).unwrap(), sample.blobs[&layer.digest]);
}

/// The child of the next test: pulls until it is killed.
#[test]
fn child_pulls_until_it_is_killed() {
    let Ok(job) = std::env::var("COFFER_TEST_PULL") else { return };
    let (path, name) = job.split_once(' ').unwrap();
    let name: Reference = name.parse().unwrap();
    let store = Store::open(path.as_ref()).unwrap();
    let client = client(&Host::of(&name));
    drop(pull(&store, &client, &name, &amd64(), &Silent));
}

#[test]
fn a_killed_pull_is_gone_on_with() {
    const SENT: usize = 9000;
    let sample = Sample::new(&["linux/amd64"]);
    let (sent, stalled) = mpsc::channel();
    let (victim, healthy) = (sample.layer(2), AtomicBool::new(false));
    let (digest, bytes) = (victim.to_string(), sample.blobs[&victim].clone());
    let server = sample.serve_with(move |asked, stream| {
        if !asked.target.ends_with(&digest) || healthy.swap(true, Ordering::SeqCst) {
            return None;
        }
        let length = format!("Content-Length: {}", bytes.len());
        let begun = reply(stream, 200, &[&length], &bytes[..SENT]);
        sent.send(()).unwrap();
        // Ends when the child is gone.
        Some(begun.and_then(|()| stream.read(&mut [0])).map(drop))
    });
    let (folder, first) = store();
    drop(first);
    let (root, name) = (folder.path().join("root"), server.name("a:1"));
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_pulls_until_it_is_killed"])
        .env("COFFER_TEST_PULL", format!("{} {name}", root.display()))
        .spawn()
        .unwrap();
    stalled.recv().unwrap();
    let part = root.join("ingest").join(format!("sha256-{}", victim.hex()));
    while part.symlink_metadata().map_or(0, |part| part.len()) < SENT as u64 {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let store = Store::open(&root).unwrap();
    assert_eq!(store.resolve(&name).unwrap(), None);
    pull(&store, &client(&server.host), &name, &amd64(), &Silent).unwrap();
    let last = server.asked().into_iter().rfind(|a| a.target.ends_with(&victim.to_string()));
    assert_eq!(last.unwrap().header("range"), Some(&*format!("bytes={SENT}-")));
}

#[test]
fn one_layer_that_fails_ends_the_pull() {
    let sample = Sample::new(&["linux/amd64"]);
    let victim = sample.layer(1).to_string();
    let server = sample.serve_with(move |asked, stream| {
        asked.target.ends_with(&victim).then(|| reply(stream, 404, &[], b"gone"))
    });
    let (_folder, store) = store();
    let name = server.name("a:1");
    let error = pull(&store, &client(&server.host), &name, &amd64(), &Silent).unwrap_err();
    let PullError::Registry(Error { cause: Cause::NotFound { .. }, .. }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(store.resolve(&name).unwrap(), None);
}

#[test]
fn what_is_no_image_is_refused_before_it_is_fetched() {
    for (config, layer) in [
        ("application/vnd.example.artifact", MediaType::OCI_LAYER),
        (MediaType::OCI_CONFIG, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        (MediaType::OCI_EMPTY, MediaType::OCI_LAYER),
    ] {
        let mut sample = Sample::new(&[]);
        let config = sample.add(config, b"{}");
        let layer = sample.add(layer, b"layer");
        let manifest = sample.manifest(&config, &[layer]);
        sample.target = manifest;
        let server = sample.serve(|_, _| None);
        let (_folder, store) = store();
        let name = server.name("a:1");
        let error = pull(&store, &client(&server.host), &name, &amd64(), &Silent).unwrap_err();
        assert!(matches!(error, PullError::NotImage { .. }), "{error:?}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[test]
fn a_configuration_that_does_not_fit_ends_it_before_the_layers() {
    let mut sample = Sample::new(&[]);
    let config = sample.add(MediaType::OCI_CONFIG, sample::config("amd64", &[]).as_bytes());
    let layer = sample.add(MediaType::OCI_LAYER, b"layer");
    sample.target = sample.manifest(&config, std::slice::from_ref(&layer));
    let server = sample.serve(|_, _| None);
    let (_folder, store) = store();
    let name = server.name("a:1");
    let error = pull(&store, &client(&server.host), &name, &amd64(), &Silent).unwrap_err();
    assert!(matches!(error, PullError::Image(_)), "{error:?}");
    assert_eq!(store.has(&layer.digest).unwrap(), None);
}

#[test]
fn many_pulls_at_once_share_their_blobs() {
    let sample = Sample::new(&["linux/amd64"]);
    let server = sample.serve(|_, _| None);
    let (folder, first) = store();
    drop(first);
    let path = folder.path().join("root");
    std::thread::scope(|scope| {
        for tag in 0..8 {
            let (path, server) = (&path, &server);
            scope.spawn(move || {
                let store = Store::open(path).unwrap();
                let name = server.name(&format!("a:{tag}"));
                pull(&store, &client(&server.host), &name, &amd64(), &Silent).unwrap();
            });
        }
    });
    assert_eq!(Store::open(&path).unwrap().images().unwrap().len(), 8);
    let blobs = server.asked().iter().filter(|a| a.target.contains("/blobs/")).count();
    assert_eq!(blobs, 4);
}

#[test]
fn a_blob_is_taken_over_from_another_repository() {
    let registry = Registry::plain();
    let client = client(&registry.host);
    let (_folder, store) = store();
    let target = Sample::new(&["linux/amd64"]).put(&store);
    let [one, two] = ["one:1", "two:1"].map(|rest| registry.name(rest));
    push(&store, &client, &target, &one, &amd64(), &Silent).unwrap();
    store.tag(&one, &target).unwrap();
    let log = Log::default();
    push(&store, &client, &target, &two, &amd64(), &log).unwrap();
    let log = log.0.into_inner().unwrap();
    assert!(log.iter().all(|line| !line.starts_with("moving")), "{log:?}");
}

fn wanted<'a>(name: &'a ImageName, platform: &'a Platform, policy: PullPolicy) -> Wanted<'a> {
    Wanted { name, platform, policy }
}

#[test]
fn an_image_that_is_here_needs_no_client() {
    let (folder, store) = store();
    let target = Sample::new(&["linux/amd64"]).put(&store);
    let reference = "r.example/web:1".parse().unwrap();
    store.tag(&reference, &target).unwrap();
    let (name, host) = (ImageName::Registry(reference), amd64());
    let no_client = || -> Client { panic!("a client was made") };
    for policy in [PullPolicy::Missing, PullPolicy::Never] {
        let intake = admit(&store, wanted(&name, &host, policy), no_client, &Silent).unwrap();
        assert_eq!(intake.image.descriptor, target);
        assert_eq!(intake.pulled, None);
    }
    let absent = ImageName::Registry("r.example/other:1".parse().unwrap());
    let never = wanted(&absent, &host, PullPolicy::Never);
    let error = admit(&store, never, no_client, &Silent).unwrap_err();
    assert!(matches!(error, AdmitError::NotHere { .. }));
    assert_eq!(error.help().unwrap(), "fetch it first: coffer pull r.example/other:1");

    let layout = ImageName::OciDir(folder.path().join("root"), Some("r.example/web:1".into()));
    let from_file = wanted(&layout, &host, PullPolicy::Always);
    let intake = admit(&store, from_file, no_client, &Silent).unwrap();
    assert_eq!(intake.image.descriptor.digest, target.digest);
}

#[test]
fn what_is_missing_is_fetched_and_what_cannot_run_is_refused() {
    let sample = Sample::new(&["linux/amd64", "linux/s390x"]);
    let server = sample.serve(|_, _| None);
    let (_folder, store) = store();
    let name = ImageName::Registry(server.name("a:1"));
    let new_client = || Client::new(settings(&[&server.host]));
    let (amd64, s390x) = (amd64(), "linux/s390x".parse().unwrap());
    let missing = wanted(&name, &amd64, PullPolicy::Missing);
    assert_eq!(admit(&store, missing, new_client, &Silent).unwrap().pulled.unwrap().layers, 3);
    // The index is here, its other platform is not.
    let other = wanted(&name, &s390x, PullPolicy::Missing);
    let refused = admit(&store, other, new_client, &Silent).unwrap_err();
    assert!(matches!(refused, AdmitError::Refused(_)), "{refused:?}");
    let always = wanted(&name, &amd64, PullPolicy::Always);
    assert_eq!(admit(&store, always, new_client, &Silent).unwrap().pulled.unwrap().layers, 0);
}

#[test]
fn a_manifest_that_is_not_what_its_index_says_is_refused() {
    let mut sample = Sample::new(&["linux/amd64", "linux/arm64"]);
    let mut index: serde_json::Value =
        serde_json::from_slice(&sample.blobs[&sample.target.digest]).unwrap();
    index["manifests"][0]["size"] = 1.into();
    let bytes = serde_json::to_vec(&index).unwrap();
    sample.target = sample.add(MediaType::OCI_INDEX, &bytes);
    let server = sample.serve(|_, _| None);
    let (_folder, store) = store();
    let name = server.name("a:1");
    let pulled = pull(&store, &client(&server.host), &name, &amd64(), &Silent);
    assert!(matches!(pulled, Err(PullError::Store(_))), "{pulled:?}");

    index["manifests"][0]["mediaType"] = MediaType::DOCKER_MANIFEST.into();
    let bytes = serde_json::to_vec(&index).unwrap();
    sample.target = sample.add(MediaType::OCI_INDEX, &bytes);
    let server = sample.serve(|_, _| None);
    let (_folder, store) = self::store();
    let name = server.name("a:1");
    let pulled = pull(&store, &client(&server.host), &name, &amd64(), &Silent);
    let Err(PullError::Registry(Error { cause: Cause::MediaType { .. }, .. })) = pulled else {
        panic!("{pulled:?}");
    };
}

#[test]
fn a_name_without_a_choice_is_for_one_platform() {
    let server = Sample::new(&["linux/amd64"]).serve(|_, _| None);
    let (folder, store) = store();
    let name = server.name("a:1");
    let (amd64, arm64) = (amd64(), "linux/arm64".parse().unwrap());
    let client = || client(&server.host);
    let error = pull(&store, &client(), &name, &arm64, &Silent).unwrap_err();
    assert!(error.to_string().ends_with("is not there for linux/arm64; it is for linux/amd64"));
    assert_eq!(store.resolve(&name).unwrap(), None);

    pull(&store, &client(), &name, &amd64, &Silent).unwrap();
    let image = ImageName::Registry(name.clone());
    let never = wanted(&image, &arm64, PullPolicy::Never);
    let error = admit(&store, never, client, &Silent).unwrap_err();
    assert!(matches!(error, AdmitError::NotHere { .. }), "{error:?}");
    let layout = ImageName::OciDir(folder.path().join("root"), Some(name.to_string()));
    let error = admit(&store, wanted(&layout, &arm64, PullPolicy::Missing), client, &Silent);
    assert!(matches!(error, Err(AdmitError::Platform { .. })), "{error:?}");
}
