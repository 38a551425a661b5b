//! Builds a recipe into an OCI image layout, once.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::layer;
use super::{Compression, Content, Layer, Marked, Recipe, debian};
use crate::program;

/// Part of each key: raise it when the same recipe gives another image.
const VERSION: u32 = 1;

/// The layout of `recipe`; the first to ask builds it while others wait.
pub(super) fn cached(recipe: &Recipe) -> PathBuf {
    let layout = layout_of(recipe);
    if layout.exists() {
        return layout;
    }
    let base = recipe.base.map(cached);
    let work = work();
    let lock = fs::File::create(work.join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert!(base.is_none_or(|base| base.exists()));
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

/// Where `recipe`'s layout is, or will be.
fn layout_of(recipe: &Recipe) -> PathBuf {
    work().join(format!("{}-{}", recipe.name, key(recipe)))
}

/// Where all layouts are.
fn work() -> PathBuf {
    let work = cargo_target().join("test-images");
    fs::create_dir_all(&work).unwrap();
    work
}

/// Where cargo builds: the folder above the program's `<target>/<profile>`.
#[must_use]
pub fn cargo_target() -> PathBuf {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.unwrap_or_else(|| here.parent().unwrap_or(here).join("target"))
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
    let mut layers = recipe.base.map_or_else(Vec::new, |base| take_over(base, &blobs, &mut below));
    for layer in recipe.layers {
        layers.push(build_layer(layer, work, &blobs, &mut below));
    }
    let config = put(&blobs, "application/vnd.oci.image.config.v1+json", &config(recipe, &layers));
    let descriptors: Vec<&Value> = layers.iter().map(|layer| &layer.descriptor).collect();
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
}

/// A layer's descriptor, and the digest of its tar.
struct Built {
    descriptor: Value,
    diff_id: String,
}

/// The layers of an image that was built before.
fn take_over(base: &Recipe, blobs: &Path, below: &mut Below) -> Vec<Built> {
    for layer in base.layers {
        if let Content::Packages(packages) = layer.content {
            below.packages.extend(packages);
        }
    }
    let layout = layout_of(base);
    let document = |descriptor: &Value| -> Value {
        serde_json::from_slice(&fs::read(blob(&layout, descriptor)).unwrap()).unwrap()
    };
    let index: Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let manifest = document(&index["manifests"][0]);
    let config = document(&manifest["config"]);
    let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
    let layers = manifest["layers"].as_array().unwrap().iter().zip(diff_ids);
    layers
        .map(|(descriptor, diff_id)| {
            let file = blob(&layout, descriptor);
            fs::hard_link(&file, blobs.join(file.file_name().unwrap())).unwrap();
            Built { descriptor: descriptor.clone(), diff_id: diff_id.as_str().unwrap().into() }
        })
        .collect()
}

fn blob(layout: &Path, descriptor: &Value) -> PathBuf {
    layout.join("blobs").join(descriptor["digest"].as_str().unwrap().replace(':', "/"))
}

fn build_layer(layer: &Layer, work: &Path, blobs: &Path, below: &mut Below) -> Built {
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path().join("root");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    let left_out: &[&str] = match layer.content {
        Content::Busybox => busybox(&root),
        Content::Packages(packages) => install(&root, packages, work, below),
        Content::Files(files) => write_files(&root, files),
        Content::Marked(files) => write_marked(&root, files),
        Content::Removed(paths) => remove(&root, paths),
    };
    let target = blobs.join("layer");
    let packed = layer::pack(&root, left_out, layer.compression, &target);
    fs::rename(&target, blobs.join(&packed.digest)).unwrap();
    let media_type = match layer.compression {
        Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
        Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
    };
    Built {
        descriptor: descriptor(media_type, &packed.digest, packed.size),
        diff_id: format!("sha256:{}", packed.diff_id),
    }
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
    let there = if lowest { BTreeSet::new() } else { debian::closure(work, &below.packages) };
    below.packages.extend(packages);
    let all = debian::closure(work, &below.packages);
    debian::unpack(root, all.difference(&there).cloned());
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

/// Attributes come last: a change of owner takes capabilities away (man 7 capabilities).
fn write_marked(root: &Path, files: &[Marked]) -> &'static [&'static str] {
    for Marked { file, attributes } in files {
        write_files(root, &[*file]);
        for (name, value) in *attributes {
            let path = root.join(file.path);
            rustix::fs::lsetxattr(&path, *name, value, rustix::fs::XattrFlags::CREATE).unwrap();
        }
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

fn config(recipe: &Recipe, layers: &[Built]) -> Value {
    let start = recipe.start;
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let history: Vec<Value> =
        layers.iter().map(|_| json!({ "created_by": "coffer-tests" })).collect();
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
