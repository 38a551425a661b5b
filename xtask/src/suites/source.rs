//! runc's suite on disk: its tests as they are, its helpers built, images in place of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use coffer_tests::image::catalogue;

use crate::bed::apt::output;
use crate::room;

/// Which runc.
const RUNC: &str = "github.com/opencontainers/runc@v1.5.1";

/// What runc itself, built from the same source, is called in the folder.
pub(super) const PEER: &str = "runc";

/// Users of the smallest image, as docker's busybox has them.
const PASSWD: &str =
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n";
const GROUP: &str = "root:x:0:\nnobody:x:65534:\n";

/// The folder of the suite, made where it is not complete yet.
///
/// # Errors
/// There is no Go, or its proxy is not reached.
pub(super) fn ready() -> Result<PathBuf> {
    let suite = room::target_dir().join("suites/runc-1.5.1");
    let complete = suite.join("complete");
    if complete.exists() && suite.join(PEER).exists() {
        return Ok(suite);
    }
    let module = download()?;
    fs::create_dir_all(&suite)?;
    for part in ["tests", "go.mod"] {
        let mut copy = Command::new("cp");
        // Go's cache is read-only.
        copy.args(["--recursive", "--no-preserve=mode"]).arg(module.join(part)).arg(&suite);
        output(&mut copy)?;
    }
    for script in ["integration/get-images.sh", "cmd/seccompagent/gen-seccomp-example-cfg.sh"] {
        let script = suite.join("tests").join(script);
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))
            .with_context(|| script.display().to_string())?;
    }
    helpers(&module, &suite)?;
    build(&module, ".", &suite.join(PEER))?;
    images(&suite)?;
    fs::write(complete, "")?;
    Ok(suite)
}

/// The suite's files, without their ending.
///
/// # Errors
/// They cannot be listed.
pub(super) fn files(suite: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(suite.join("tests/integration"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        files.extend(name.strip_suffix(".bats").map(str::to_owned));
    }
    files.sort();
    Ok(files)
}

/// Fetches the source; a proxy that stalls must not hold up everything.
fn download() -> Result<PathBuf> {
    let mut go = Command::new("timeout");
    go.args(["600", "go", "mod", "download", "-json", RUNC]).current_dir("/");
    let told: serde_json::Value =
        serde_json::from_str(&output(&mut go).context("Go and its module proxy are needed")?)?;
    match told["Dir"].as_str() {
        Some(folder) => Ok(folder.into()),
        None => bail!("go mod download names no folder"),
    }
}

/// The programs that the tests call.
fn helpers(module: &Path, suite: &Path) -> Result<()> {
    let bin = suite.join("tests/cmd/_bin");
    fs::create_dir_all(&bin)?;
    for entry in fs::read_dir(module.join("tests/cmd"))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let package = format!("./tests/cmd/{}", entry.file_name().to_string_lossy());
            build(module, &package, &bin.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Builds one program of the source.
fn build(module: &Path, package: &str, program: &Path) -> Result<()> {
    let mut go = Command::new("timeout");
    go.args(["900", "go", "build", "-trimpath", "-tags", "seccomp", "-o"]).arg(program);
    output(go.arg(package).current_dir(module))?;
    Ok(())
}

/// Debian's busybox and our small Debian under the names that the suite looks for.
fn images(suite: &Path) -> Result<()> {
    let data = suite.join("tests/integration/testdata");
    let arch = output(Command::new("go").args(["env", "GOARCH"]))?;
    let tree = tempfile::tempdir_in(room::temporary())?;
    for folder in ["bin", "dev", "etc", "home", "root", "tmp", "usr/sbin", "var/spool/mail"] {
        fs::create_dir_all(tree.path().join(folder))?;
    }
    fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755))?;
    fs::set_permissions(tree.path().join("tmp"), fs::Permissions::from_mode(0o1777))?;
    fs::write(tree.path().join("etc/passwd"), PASSWD)?;
    fs::write(tree.path().join("etc/group"), GROUP)?;
    let shell = Path::new("/bin/busybox");
    fs::copy(shell, tree.path().join("bin/busybox"))?;
    for applet in output(Command::new(shell).arg("--list"))?.lines() {
        if applet != "busybox" {
            std::os::unix::fs::symlink("busybox", tree.path().join("bin").join(applet))?;
        }
    }
    // tar tells by the content how a file is compressed, or that it is not.
    let file = |name: &str| data.join(format!("{name}-{}.tar.xz", arch.trim()));
    let mut tar = Command::new("tar");
    output(
        tar.arg("--create").arg("--file").arg(file("busybox")).arg("-C").arg(tree.path()).arg("."),
    )?;
    fs::copy(layer(&catalogue::DEBIAN.layout())?, file("debian"))?;
    Ok(())
}

/// The one layer of an image: the largest of its blobs.
fn layer(layout: &Path) -> Result<PathBuf> {
    let mut blobs = Vec::new();
    for entry in fs::read_dir(layout.join("blobs/sha256"))? {
        let entry = entry?;
        blobs.push((entry.metadata()?.len(), entry.path()));
    }
    let largest = blobs.into_iter().max().context("the image has no layer")?;
    Ok(largest.1)
}
