//! The image and the bundle in which /bin/true is run: busybox and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use coffer_tests::image::catalogue;
use serde_json::{Value, json};

use super::peer;

/// The busybox image, by the name that coffer and podman take.
///
/// # Errors
/// The image's folder cannot be resolved; podman takes no `..` in a name.
pub(crate) fn busybox() -> Result<String> {
    Ok(format!("oci:{}:latest", fs::canonicalize(catalogue::BUSYBOX.layout())?.display()))
}

/// The same image as a bundle, with the default specification of runc and a seccomp profile as
/// docker's.
///
/// # Errors
/// umoci or runc is missing or fails, or a file cannot be written.
pub(crate) fn bundle(folder: &Path, profile: &Path) -> Result<PathBuf> {
    let bundle = folder.join("bundle");
    let layout = format!("{}:latest", catalogue::BUSYBOX.layout().display());
    peer::prepare(Command::new("umoci").args(["unpack", "--image", &layout]).arg(&bundle))?;
    let file = bundle.join("config.json");
    fs::remove_file(&file)?;
    peer::prepare(Command::new("runc").arg("spec").arg("--bundle").arg(&bundle))?;
    let mut config: Value = serde_json::from_slice(&fs::read(&file)?)?;
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["/bin/true"]);
    config["process"]["rlimits"] = json!([]);
    config["linux"]["resources"] = json!({});
    config["linux"]["seccomp"] = flat(&serde_json::from_slice(&fs::read(profile)?)?);
    fs::write(&file, serde_json::to_vec(&config)?)?;
    Ok(bundle)
}

/// The same bundle with another command, in a folder of its own beside it.
///
/// # Errors
/// A file cannot be read or written.
pub(crate) fn with_command(bundle: &Path, name: &str, command: &[&str]) -> Result<PathBuf> {
    let mut config: Value = serde_json::from_slice(&fs::read(bundle.join("config.json"))?)?;
    config["process"]["args"] = json!(command);
    config["root"]["path"] = json!(bundle.join("rootfs"));
    let other = bundle.with_file_name(name);
    fs::create_dir_all(&other)?;
    fs::write(other.join("config.json"), serde_json::to_vec(&config)?)?;
    Ok(other)
}

/// containers' profile has conditions that a runtime does not know: kept is what holds on this
/// architecture for a container without further capabilities.
fn flat(profile: &Value) -> Value {
    let holds = |rule: &&Value| {
        let none = |value: &Value| value.as_object().is_none_or(serde_json::Map::is_empty);
        let arches = rule["includes"]["arches"].as_array();
        let here = arches.is_some_and(|list| list.contains(&json!("amd64")));
        none(&rule["excludes"]) && (none(&rule["includes"]) || here)
    };
    let rules: Vec<Value> = profile["syscalls"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(holds)
        .map(|rule| json!({"names": rule["names"], "action": rule["action"], "args": rule["args"]}))
        .collect();
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": rules,
    })
}
