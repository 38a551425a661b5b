//! Peers at their newest, in a folder of their own: nothing on the machine is replaced.
//!
//! runc comes through Go's module proxy, youki from crates.io, crun and CRIU as newer suites of
//! Debian have them, with the libraries that they were linked against beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::bed::apt::{Archive, output};
use crate::package::{self, FOR_PEERS};
use crate::room;

const CRICTL: &str = "sigs.k8s.io/cri-tools/cmd/crictl@v1.34.0";
const RUNC: &str = "github.com/opencontainers/runc@v1.5.1";
/// crun, and what it needs of the suite.
const CRUN: [&str; 7] =
    ["crun", "libblake3-0", "libc6", "libcap2", "libjson-c5", "libseccomp2", "libsystemd0"];

/// CRIU, and what it needs of the suite: Debian 12's own does not know kernels from 6.13 on.
const CRIU: [&str; 23] = [
    "criu",
    "libbsd0",
    "libc6",
    "libcompel1",
    "libffi8",
    "libgmp10",
    "libgnutls30t64",
    "libhogweed6t64",
    "libidn2-0",
    "libjansson4",
    "libmd0",
    "libmnl0",
    "libnet1",
    "libnettle8t64",
    "libnftables1",
    "libnftnl11",
    "libnl-3-200",
    "libp11-kit0",
    "libprotobuf-c1",
    "libtasn1-6",
    "libunistring5",
    "libuuid1",
    "libxtables12",
];

/// Puts one peer into the folder.
type Builder = fn(&Path) -> Result<()>;

/// Where they are.
pub(crate) fn folder() -> PathBuf {
    room::target_dir().join("peers/bin")
}

/// Builds those that are not there yet. One that fails is named, and does not stop the others.
///
/// # Errors
/// One of them could not be built.
pub(crate) fn build() -> Result<()> {
    package::ensure(FOR_PEERS)?;
    let bin = folder();
    fs::create_dir_all(&bin)?;
    let builders: [(&str, Builder); 3] = [("crun", crun), ("runc", runc), ("youki", youki)];
    let mut failed = Vec::new();
    for (name, build) in builders {
        if bin.join(name).exists() {
            continue;
        }
        eprintln!("building {name}");
        if let Err(error) = build(&bin) {
            eprintln!("error: {name}: {error:#}");
            failed.push(name);
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("not built: {}", failed.join(" ")) }
}

fn runc(bin: &Path) -> Result<()> {
    output(Command::new("go").args(["install", "-tags", "seccomp", RUNC]).env("GOBIN", bin))?;
    Ok(())
}

/// cargo puts it into `bin` below the folder that it is told of.
fn youki(bin: &Path) -> Result<()> {
    let root = bin.parent().unwrap_or(bin);
    let features = ["--no-default-features", "--features", "v1,v2,seccomp"];
    let mut cargo = Command::new("cargo");
    cargo.args(["install", "--quiet", "--locked", "youki"]).args(features);
    // Not with the static C library that this workspace's configuration asks for.
    output(cargo.arg("--root").arg(root).current_dir("/"))?;
    Ok(())
}

fn crun(bin: &Path) -> Result<()> {
    debian(bin, "sid", &CRUN, "usr/bin/crun")
}

/// Puts there what checkpoints and containerd's CRI are tested with, where it is not yet. What
/// cannot be had is named; the tests that want it say that they were skipped.
pub(crate) fn for_tests() {
    let builders: [(&str, Builder); 2] = [("criu", criu), ("crictl", crictl)];
    let bin = folder();
    for (name, build) in builders.iter().filter(|(name, _)| !bin.join(name).exists()) {
        eprintln!("building {name}");
        let built = fs::create_dir_all(&bin).map_err(Into::into).and_then(|()| build(&bin));
        if let Err(error) = built {
            eprintln!("error: {name}: {error:#}");
        }
    }
}

fn criu(bin: &Path) -> Result<()> {
    debian(bin, "trixie", &CRIU, "usr/sbin/criu")
}

/// A proxy that stalls would hold up all tests.
fn crictl(bin: &Path) -> Result<()> {
    let mut go = Command::new("timeout");
    go.args(["900", "go", "install", CRICTL]).env("GOBIN", bin);
    output(&mut go)?;
    Ok(())
}

/// A program of another suite, by the name of its first package. Its interpreter and its libraries
/// become those beside it.
fn debian(bin: &Path, suite: &str, packages: &[&str], program: &str) -> Result<()> {
    let name = packages[0];
    let tree = bin.with_file_name(format!("{name}-tree"));
    let archive = Archive::private(&bin.with_file_name("apt"), suite)?;
    for package in packages {
        let folder = tree.join("packages").join(package);
        fs::create_dir_all(&folder)?;
        let file = archive.download(package, &folder)?;
        output(Command::new("dpkg-deb").arg("-x").arg(file).arg(&tree))?;
    }
    let libraries = tree.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH));
    let loader = fs::read_dir(&libraries)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("ld-linux")));
    let Some(loader) = loader else { bail!("libc6 has no loader") };
    let mut patch = Command::new("patchelf");
    // Also for what the libraries need themselves, which the other kind of path is not.
    patch.arg("--set-interpreter").arg(loader).arg("--force-rpath");
    patch.arg("--set-rpath").arg(&libraries);
    patch.arg("--output").arg(bin.join(name)).arg(tree.join(program));
    output(&mut patch)?;
    Ok(())
}
