//! The verbs of images, on a small image in a folder.

use std::path::Path;

use crate::common::{coffer_at, good};
use coffer_oci::{Descriptor, Digest, MediaType};
use serde_json::{Value, json};

/// Writes an image layout with one image, tagged `v1`: one empty layer.
pub(crate) fn layout(folder: &Path) {
    let layer = vec![0; 1024];
    let config = json!({
        "architecture": "amd64", "os": "linux", "created": "2026-01-02T03:04:05Z",
        "config": { "Cmd": ["/bin/true"], "Labels": { "who": "\u{1b}[31mred" } },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer)] },
        "history": [
            { "created": "2026-01-02T03:04:05Z", "created_by": "ADD root.tar /", "comment": "first" },
            { "created_by": format!("LABEL {}", "x".repeat(60)), "empty_layer": true },
        ],
    });
    let layer = blob(folder, MediaType::OCI_LAYER, &layer);
    let config = blob(folder, MediaType::OCI_CONFIG, config.to_string().as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST,
        "config": config, "layers": [layer],
    });
    let mut manifest = blob(folder, MediaType::OCI_MANIFEST, manifest.to_string().as_bytes());
    manifest.annotations.insert(coffer_oci::REF_NAME.to_owned(), "v1".to_owned());
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    put(&folder.join("index.json"), index.to_string().as_bytes());
    put(&folder.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#);
}

fn blob(folder: &Path, media_type: &str, bytes: &[u8]) -> Descriptor {
    let descriptor = Descriptor::of(media_type, bytes);
    put(&folder.join("blobs/sha256").join(descriptor.digest.hex()), bytes);
    descriptor
}

fn put(path: &Path, bytes: &[u8]) {
    #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn an_images_history_is_told_from_its_last_step_as_docker_does() {
    let folder = tempfile::tempdir().unwrap();
    let (from, root) = (folder.path().join("from"), folder.path().join("root"));
    layout(&from);
    let image = format!("oci:{}:v1", from.display());
    let at = |args: &[&str]| good(coffer_at(&root, &[args, &[&image]].concat()));
    let id = at(&["pull", "--quiet"]);
    let id = id.trim().strip_prefix("sha256:").unwrap();
    let table = at(&["history"]);
    let lines: Vec<&str> = table.lines().collect();
    let short = format!("LABEL {}…", "x".repeat(38));
    let [head, last, first] = lines[..] else { panic!("{table}") };
    assert!(head.starts_with("IMAGE          CREATED"), "{head}");
    assert!(
        last.starts_with(&id[..12]) && last.contains(&short) && last.ends_with("0 B"),
        "{last}"
    );
    assert!(first.starts_with("<missing>") && first.contains("ADD root.tar /"), "{first}");
    assert!(first.contains("1.0 KiB") && first.ends_with("first"), "{first}");
    assert_eq!(at(&["image", "history", "-q"]), format!("{}\n<missing>\n", &id[..12]));
    let whole = at(&["history", "--no-trunc", "--format", "{{.ID}} {{.CreatedBy}}"]);
    assert_eq!(whole, format!("sha256:{id} LABEL {}\n<missing> ADD root.tar /\n", "x".repeat(60)));
    let plain = at(&["history", "--human=false", "--format", "{{.CreatedSince}},{{.Size}}"]);
    assert_eq!(plain, ",0\n2026-01-02T03:04:05Z,1024\n");
    let json: Value = serde_json::from_str(&at(&["history", "--json"])).unwrap();
    assert_eq!(json["steps"][1]["layer"]["size"], 1024);
    let none = coffer_at(&root, &["history", "nothing"]);
    assert!(none.code == 125 && none.stderr.contains("nothing"), "{}", none.stderr);
}

#[test]
fn root_a_folders_image_is_named_saved_loaded_and_removed() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (from, root) = (folder.path().join("from"), folder.path().join("root"));
    let file = folder.path().join("image.tar").display().to_string();
    layout(&from);
    let at = |args: &[&str]| coffer_at(&root, args);

    let digest = good(at(&["pull", "--quiet", &format!("oci:{}:v1", from.display())]));
    let digest = digest.trim();
    assert!(digest.starts_with("sha256:"), "{digest}");
    good(at(&["tag", &digest[7..19], "shop/web:1"]));

    let list = good(at(&["images"]));
    assert!(list.starts_with("REPOSITORY   TAG   IMAGE ID       CREATED"), "{list}");
    assert!(list.contains(&format!("\nshop/web     1     {}   ", &digest[7..19])), "{list}");
    assert_eq!(good(at(&["images", "--quiet", "--no-trunc"])), format!("{digest}\n"));
    let json: Value = serde_json::from_str(&good(at(&["images", "--json"]))).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["images"][0]["name"], "docker.io/shop/web:1");
    assert_eq!(json["images"][0]["layers"], 1);

    let json: Value = serde_json::from_str(&good(at(&["inspect", "shop/web:1"]))).unwrap();
    assert_eq!(json[0]["RepoTags"][0], "shop/web:1");
    assert_eq!(json[0]["Config"]["Cmd"][0], "/bin/true");

    good(at(&["save", "--output", &file, "shop/web:1"]));
    assert_eq!(
        good(at(&["rmi", "shop/web:1"])),
        format!("Untagged: shop/web:1\nDeleted: {digest}\n")
    );
    assert_eq!(good(at(&["images", "--quiet"])), "");
    // rmi has freed all that the image alone needed.
    let pruned = good(at(&["system", "prune", "--json"]));
    let pruned: Value = serde_json::from_str(&pruned).unwrap();
    assert_eq!(pruned["blobs"], 0);
    assert_eq!(good(at(&["load", "--input", &file])), "Loaded image: shop/web:1\n");
    let check = good(at(&["system", "check"]));
    assert!(check.ends_with("1 images followed: 0 findings\n"), "{check}");
}

#[test]
fn root_an_image_runs_by_its_id() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (from, root) = (folder.path().join("from"), folder.path().join("root"));
    layout(&from);
    let at = |args: &[&str]| coffer_at(&root, args);
    let digest = good(at(&["pull", "--quiet", &format!("oci:{}:v1", from.display())]));
    let digest = digest.trim();
    // Without a name, and by each length of its id.
    for id in [digest, &digest[7..], &digest[7..19]] {
        let spec = good(at(&["run", "--offline", "--dry-run", "--json", id]));
        let spec: Value = serde_json::from_str(&spec).unwrap();
        assert_eq!(spec["process"]["args"][0], "/bin/true");
    }
    // A name that looks like an id is a name where an image has it.
    good(at(&["tag", &digest[7..19], "other:1"]));
    good(at(&["tag", "other:1", &digest[7..19]]));
    let id = good(at(&["create", "--offline", &digest[7..19]]));
    let json: Value = serde_json::from_str(&good(at(&["inspect", id.trim()]))).unwrap();
    let name = format!("{}:latest", &digest[7..19]);
    assert_eq!(json[0]["Config"]["Image"], name);

    let json: Value = serde_json::from_str(&good(at(&["explain", "--json", "other:1"]))).unwrap();
    assert_eq!((json["digest"].as_str(), &json["version"]), (Some(digest), &Value::from(1)));
    let explained = at(&["explain", "--json", id.trim()]).stdout;
    let json: Value = serde_json::from_str(&explained).unwrap();
    let controls: Vec<_> =
        json["controls"].as_array().unwrap().iter().map(|c| &c["control"]).collect();
    assert!(controls.ends_with(&[
        &"memory".into(),
        &"cpus".into(),
        &"processes".into(),
        &"devices".into(),
        &"disk".into()
    ]));
}

#[test]
fn root_layers_that_are_gone_are_unpacked_again_for_a_start() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (from, root) = (folder.path().join("from"), folder.path().join("root"));
    layout(&from);
    let at = |args: &[&str]| coffer_at(&root, args);
    let name = format!("oci:{}:v1", from.display());
    good(at(&["create", "--name", "web", &name]));
    let layer = Digest::of(&[0; 1024]);
    let unpacked = root.join("layers").join(layer.hex());
    let remove = |path: &Path| {
        #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
    };
    remove(&unpacked).unwrap();
    // The image holds no program: the start goes on until that is found out.
    assert_eq!(at(&["start", "web"]).code, 127);
    // It is there again.
    remove(&unpacked).unwrap();
    remove(&root.join("blobs/sha256").join(layer.hex())).unwrap();
    let ran = at(&["start", "web"]);
    assert_eq!(ran.code, 125, "{}", ran.stderr);
    assert!(ran.stderr.contains("image is not unpacked\n  --> container web\n"), "{}", ran.stderr);
    assert!(ran.stderr.ends_with(&format!("help: coffer pull {name}\n")), "{}", ran.stderr);
}

#[test]
fn root_layers_are_pruned_though_a_containers_image_is_gone() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (from, root) = (folder.path().join("from"), folder.path().join("root"));
    layout(&from);
    let at = |args: &[&str]| coffer_at(&root, args);
    let id = good(at(&["create", "--name", "web", &format!("oci:{}:v1", from.display())]));
    let json: Value = serde_json::from_str(&good(at(&["inspect", id.trim()]))).unwrap();
    let manifest = json[0]["Image"].as_str().unwrap().to_owned();
    put(&root.join("layers").join("0".repeat(64)).join("tree/of-nobody"), b"");
    good(at(&["rmi", "--force", &manifest]));
    #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
    std::fs::remove_file(root.join("blobs/sha256").join(&manifest[7..])).unwrap();
    // The container's own layer stays, that of nobody goes.
    let pruned: Value = serde_json::from_str(&good(at(&["system", "prune", "--json"]))).unwrap();
    assert_eq!(pruned["layers"], 1);
    assert_eq!(at(&["start", "web"]).code, 127, "it starts, and has no program");
}

#[test]
fn root_what_is_damaged_is_found() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (from, root) = (folder.path().join("from"), folder.path().join("root"));
    layout(&from);
    good(coffer_at(&root, &["pull", "-q", &format!("oci:{}", from.display())]));
    let blob = root.join("blobs/sha256").join(Digest::of(&[0; 1024]).hex());
    #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
    std::fs::remove_file(&blob).unwrap();
    put(&blob, &[1; 1024]);
    let ran = coffer_at(&root, &["system", "check"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
    assert!(ran.stdout.contains("is corrupt"), "{}", ran.stdout);
}
