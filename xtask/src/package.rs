//! What the tests take from the distribution: installed as root, named to everybody else.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A Debian package, and why it is needed.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) reason: &'static str,
}

/// Everything `cargo xtask test` uses, as Debian 12 names it.
pub(crate) const FOR_TESTS: &[Package] = &[
    package("apache2-utils", "htpasswd, for a registry with passwords"),
    package("busybox-static", "the smallest image"),
    package("ca-certificates", "the roots a client trusts"),
    package("containerd", "an engine that calls the OCI runtime, with shims"),
    package("crun", "the runtime below podman"),
    package("conmon", "the monitor below podman"),
    package("docker-registry", "a real registry on loopback"),
    package("docker.io", "an engine that calls the OCI runtime"),
    package("e2fsprogs", "file systems in a file"),
    package("openssl", "a private certificate authority"),
    package("patchelf", "CRIU gets the libraries that it was linked against"),
    package("podman", "the peer whose results ours are compared with"),
    package("python3-seccomp", "libseccomp, an oracle for system call filters"),
    package("runc", "the runtime below containerd and Docker"),
    package("runsc", "gVisor: a runtime with a kernel of its own, audited beside coffer"),
    package("skopeo", "pushes the test images"),
    package("strace", "sees what a run opens and starts"),
    package("uidmap", "sub-ids for an ordinary user"),
];

/// Everything `cargo xtask bench` uses.
pub(crate) const FOR_BENCHES: &[Package] = &[
    package("busybox-static", "the smallest image"),
    package("conmon", "the monitor below podman"),
    package("crun", "a runtime to compare with"),
    package("docker-registry", "a real registry on loopback"),
    package("e2fsprogs", "file systems in a file"),
    package("podman", "an engine to compare with"),
    package("runc", "a runtime to compare with"),
    package("skopeo", "fetches to compare with"),
    package("strace", "counts system calls"),
    package("umoci", "makes the image, and unpacks to compare with"),
];

/// What runc's own suite needs, beside Go.
pub(crate) const FOR_SUITES: &[Package] = &[
    package("bats", "runs the suite"),
    package("busybox-static", "its smallest image"),
    package("gawk", "the suite reads tables with it"),
    package("iproute2", "makes interfaces"),
    package("jq", "the suite writes configurations with it"),
    package("libseccomp-dev", "the suite's agent is linked against it"),
    package("pkg-config", "finds libseccomp"),
];

/// What `cargo xtask peers` builds with, beside Go.
pub(crate) const FOR_PEERS: &[Package] = &[
    package("libseccomp-dev", "runc and youki are linked against it"),
    package("patchelf", "crun gets the libraries that it was linked against"),
    package("pkg-config", "finds libseccomp"),
];

/// One of a list.
pub(crate) const fn package(name: &'static str, reason: &'static str) -> Package {
    Package { name, reason }
}

/// Makes sure that `wanted` are installed.
///
/// # Errors
/// Not root and something is missing, which the error names; or apt-get failed.
pub(crate) fn ensure(wanted: &[Package]) -> Result<()> {
    let missing = missing(wanted)?;
    if missing.is_empty() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        let list: String =
            missing.iter().map(|p| format!("\n   = {:16} {}", p.name, p.reason)).collect();
        let names: Vec<&str> = missing.iter().map(|p| p.name).collect();
        bail!("packages are missing{list}\nhelp: sudo apt-get install {}", names.join(" "));
    }
    install(&missing)
}

/// Those of `wanted` that dpkg does not list as installed.
fn missing(wanted: &[Package]) -> Result<Vec<&Package>> {
    let known = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${db:Status-Status} ${Package}\n"])
        .stderr(Stdio::null())
        .output()
        .context("dpkg-query: the tests need Debian or a relative of it")?;
    let known = String::from_utf8_lossy(&known.stdout);
    let has = |name: &str| {
        known.lines().any(|line| line.strip_prefix("installed ").is_some_and(|p| p == name))
    };
    Ok(wanted.iter().filter(|p| !has(p.name)).collect())
}

/// Installs quietly and without a question; the package lists are fetched again only if that
/// fails, since a fresh machine has none and others have them.
fn install(missing: &[&Package]) -> Result<()> {
    let names: Vec<&str> = missing.iter().map(|p| p.name).collect();
    eprintln!("installing {}", names.join(" "));
    let _quiet = Quiet::begin()?;
    let install = ["install", "-y", "--no-install-recommends"];
    if apt_get(&install, &names)? {
        return Ok(());
    }
    if apt_get(&["update"], &[])? && apt_get(&install, &names)? {
        return Ok(());
    }
    bail!("apt-get could not install {}", names.join(" "))
}

/// While this lives, packages that are installed start no services: the tests start their own
/// (Debian policy 9.3.3.1, `policy-rc.d`). A machine's own policy stays what it is.
struct Quiet;

impl Quiet {
    /// Where the policy is read.
    const PATH: &str = "/usr/sbin/policy-rc.d";

    /// `None` where there is a policy already.
    fn begin() -> Result<Option<Self>> {
        let mut options = OpenOptions::new();
        match options.write(true).create_new(true).mode(0o755).open(Self::PATH) {
            Ok(mut file) => {
                file.write_all(b"#!/bin/sh\nexit 101\n").context(Self::PATH)?;
                Ok(Some(Self))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error).context(Self::PATH),
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(Self::PATH) {
            eprintln!("{}: {error}: no service will start on this machine", Self::PATH);
        }
    }
}

/// Runs `apt-get`; `false` when it failed, after what it said.
fn apt_get(verb: &[&str], names: &[&str]) -> Result<bool> {
    let output = Command::new("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-qq", "-o", "Dpkg::Use-Pty=0", "-o", "DPkg::Lock::Timeout=120"])
        .args(verb)
        .args(names)
        .stdin(Stdio::null())
        .output()
        .context("apt-get")?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_missing() {
        let wanted = [package("dpkg", "is there"), package("no-such-package", "is not")];
        let missing = missing(&wanted).unwrap();
        assert_eq!(missing.iter().map(|p| p.name).collect::<Vec<_>>(), ["no-such-package"]);
    }
}
