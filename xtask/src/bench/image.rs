//! The image and the bundle in which /bin/true is run: busybox and nothing else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::peer;

/// An image of busybox as an OCI layout below `folder`, named `oci:FOLDER/layout:busybox`.
///
/// # Errors
/// umoci is missing or fails.
pub(crate) fn busybox(folder: &Path) -> Result<String> {
    let layout = folder.join("layout");
    let name = format!("{}:busybox", layout.display());
    let umoci = |arguments: &[&str]| peer::prepare(Command::new("umoci").args(arguments));
    let bundle = folder.join("unpacked");
    let bundle_name = bundle.to_string_lossy();
    umoci(&["init", "--layout", &layout.to_string_lossy()])?;
    umoci(&["new", "--image", &name])?;
    umoci(&["unpack", "--image", &name, &bundle_name])?;
    fill(&bundle.join("rootfs"))?;
    umoci(&["repack", "--image", &name, &bundle_name])?;
    umoci(&["config", "--image", &name, "--config.cmd", "sh"])?;
    Ok(format!("oci:{name}"))
}

/// A bundle with the default specification of runc and a seccomp profile as docker's.
///
/// # Errors
/// runc is missing, or a file cannot be written.
pub(crate) fn bundle(folder: &Path, profile: &Path) -> Result<PathBuf> {
    let bundle = folder.join("bundle");
    fill(&bundle.join("rootfs"))?;
    peer::prepare(Command::new("runc").arg("spec").arg("--bundle").arg(&bundle))?;
    let file = bundle.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&file)?)?;
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["/bin/true"]);
    config["process"]["rlimits"] = json!([]);
    config["linux"]["seccomp"] = flat(&serde_json::from_slice(&fs::read(profile)?)?);
    fs::write(&file, serde_json::to_vec(&config)?)?;
    Ok(bundle)
}

fn fill(rootfs: &Path) -> Result<()> {
    for name in ["bin", "etc", "proc", "sys", "dev", "tmp"] {
        fs::create_dir_all(rootfs.join(name))?;
    }
    fs::copy("/bin/busybox", rootfs.join("bin/busybox")).context("copy busybox-static")?;
    for name in ["sh", "true", "sleep"] {
        symlink("busybox", rootfs.join("bin").join(name))?;
    }
    fs::write(rootfs.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
    Ok(())
}

/// containers' profile has conditions that a runtime does not know: only what is unconditional
/// is kept.
fn flat(profile: &Value) -> Value {
    let unconditional = |rule: &&Value| {
        ["includes", "excludes"]
            .iter()
            .all(|c| rule[c].as_object().is_none_or(serde_json::Map::is_empty))
    };
    let rules: Vec<Value> = profile["syscalls"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(unconditional)
        .map(|rule| json!({"names": rule["names"], "action": rule["action"], "args": rule["args"]}))
        .collect();
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": rules,
    })
}
