//! Builds a recipe into an OCI image layout, once.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::layer::{self, Packed};
use super::{Compression, Content, Layer, Recipe, debian};
use crate::program;

/// Part of each key: raise it when the same recipe gives another image.
const VERSION: u32 = 1;

/// The layout of `recipe`; the first to ask builds it while others wait.
pub(super) fn cached(recipe: &Recipe) -> PathBuf {
    let work = cargo_target().join("test-images");
    fs::create_dir_all(&work).unwrap();
    let lock = fs::File::create(work.join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let layout = work.join(format!("{}-{}", recipe.name, key(recipe)));
    if !layout.exists() {
        let half = work.join(format!("{}-half", recipe.name));
        if half.exists() {
            fs::remove_dir_all(&half).unwrap();
        }
        build(recipe, &work, &half);
        fs::rename(&half, &layout).unwrap();
    }
    layout
}

/// Where cargo builds: the folder above the program's `<target>/<profile>`.
pub(crate) fn cargo_target() -> PathBuf {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"))
}

fn key(recipe: &Recipe) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{VERSION} {recipe:?}"));
    hasher.update(debian::archive_state());
    layer::hex(&hasher.finalize()[..8])
}

/// Builds `recipe` into the new folder `layout`.
fn build(recipe: &Recipe, work: &Path, layout: &Path) {
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let mut below = Below::default();
    let layers: Vec<(Value, Packed)> =
        recipe.layers.iter().map(|layer| build_layer(layer, work, &blobs, &mut below)).collect();
    let config = put(&blobs, "application/vnd.oci.image.config.v1+json", &config(recipe, &layers));
    let descriptors: Vec<&Value> = layers.iter().map(|(descriptor, _)| descriptor).collect();
    let manifest = put(
        &blobs,
        "application/vnd.oci.image.manifest.v1+json",
        &json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config,
            "layers": descriptors,
        }),
    );
    let mut named = manifest;
    named["annotations"] = json!({ "org.opencontainers.image.ref.name": "latest" });
    let index = json!({ "schemaVersion": 2, "manifests": [named] });
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// What the layers below the one in hand hold.
#[derive(Default)]
struct Below {
    packages: Vec<&'static str>,
    archives: BTreeSet<PathBuf>,
}

fn build_layer(layer: &Layer, work: &Path, blobs: &Path, below: &mut Below) -> (Value, Packed) {
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    let left_out: &[&str] = match layer.content {
        Content::Busybox => busybox(&root),
        Content::Packages(packages) => install(&root, packages, work, below),
        Content::Files(files) => write_files(&root, files),
        Content::Removed(paths) => remove(&root, paths),
    };
    let target = blobs.join("layer");
    let packed = layer::pack(&root, left_out, layer.compression, &target);
    fs::rename(&target, blobs.join(&packed.digest)).unwrap();
    let media_type = match layer.compression {
        Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
        Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
    };
    (descriptor(media_type, &packed.digest, packed.size), packed)
}

/// busybox in /bin under all of its names, and the folders and users that programs look for.
fn busybox(root: &Path) -> &'static [&'static str] {
    for folder in ["bin", "etc", "home", "root", "usr/share", "var"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::create_dir(root.join("tmp")).unwrap();
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for name in program::must("/bin/busybox", ["--list"]).lines().filter(|n| *n != "busybox") {
        symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    let users = "root:x:0:0:root:/root:/bin/sh\nworker:x:1000:1000::/home:/bin/sh\n";
    fs::write(root.join("etc/passwd"), users).unwrap();
    let groups = "root:x:0:\nworker:x:1000:\nextra:x:2000:worker\n";
    fs::write(root.join("etc/group"), groups).unwrap();
    &[]
}

/// The files of `packages` that no layer below has.
fn install(
    root: &Path,
    packages: &[&'static str],
    work: &Path,
    below: &mut Below,
) -> &'static [&'static str] {
    let lowest = below.packages.is_empty();
    below.packages.extend(packages);
    let all = debian::closure(work, &below.packages);
    debian::unpack(root, all.difference(&below.archives).cloned());
    below.archives = all;
    if lowest {
        debian::configure(root);
        return &[];
    }
    &debian::MERGED
}

fn write_files(root: &Path, files: &[super::File]) -> &'static [&'static str] {
    for file in files {
        let path = root.join(file.path);
        if file.path.ends_with('/') {
            fs::create_dir_all(&path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, file.text).unwrap();
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode)).unwrap();
        chown(&path, Some(file.owner), Some(file.owner)).unwrap();
    }
    &[]
}

/// Whiteouts: empty files whose names say what is gone (image-spec layer.md, Whiteouts).
fn remove(root: &Path, paths: &[&str]) -> &'static [&'static str] {
    for path in paths {
        let path = root.join(path);
        let folder = path.parent().unwrap();
        fs::create_dir_all(folder).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        fs::write(folder.join(format!(".wh.{name}")), "").unwrap();
    }
    &[]
}

fn config(recipe: &Recipe, layers: &[(Value, Packed)]) -> Value {
    let start = recipe.start;
    let diff_ids: Vec<String> =
        layers.iter().map(|(_, l)| format!("sha256:{}", l.diff_id)).collect();
    let history: Vec<Value> =
        recipe.layers.iter().map(|_| json!({ "created_by": "coffer-tests" })).collect();
    let mut process = json!({ "Env": start.environment, "Cmd": start.command });
    let optional =
        [("User", start.user), ("WorkingDir", start.folder), ("StopSignal", start.stop_signal)];
    for (key, value) in optional {
        if !value.is_empty() {
            process[key] = value.into();
        }
    }
    if !start.entrypoint.is_empty() {
        process["Entrypoint"] = json!(start.entrypoint);
    }
    json!({
        "created": "2023-11-14T22:13:20Z",
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": process,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": history,
    })
}

fn put(blobs: &Path, media_type: &str, document: &Value) -> Value {
    let text = document.to_string();
    let digest = layer::hex(&Sha256::digest(&text));
    fs::write(blobs.join(&digest), &text).unwrap();
    descriptor(media_type, &digest, text.len() as u64)
}

fn descriptor(media_type: &str, digest: &str, size: u64) -> Value {
    json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::catalogue;

    #[test]
    fn root_busybox_is_a_layout_that_skopeo_reads() {
        if !program::root() {
            return;
        }
        let layout = catalogue::BUSYBOX.layout();
        let name = format!("oci:{}:latest", layout.display());
        let inspected = program::must("skopeo", ["inspect", &name]);
        assert!(inspected.contains("\"Os\": \"linux\""), "{inspected}");
    }
}
