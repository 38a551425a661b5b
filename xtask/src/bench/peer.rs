//! The peers, as far as they are on this machine, each kept inside the room of the bench.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The folder with peers that are newer than the distribution's.
pub(crate) const NEWER: &str = "COFFER_PEERS";

/// Where a program is: in the folder that `COFFER_PEERS` names, or that `cargo xtask peers` fills,
/// or else by the caller's PATH and root's.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let newer = std::env::var_os(NEWER).map_or_else(crate::peers::folder, PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(newer)
        .chain(std::env::split_paths(&path))
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Runs a command that only prepares something.
///
/// # Errors
/// It cannot be started or fails; the error has what it said.
pub(crate) fn prepare(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// podman with a storage of its own.
pub(crate) fn podman(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("podman");
    for (flag, folder) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
        command.arg(flag).arg(home.join(folder));
    }
    command.args(["--cgroup-manager", "cgroupfs", "--runtime", "crun"]).args(arguments);
    command
}

/// What podman needs to start a container on a host whose cgroups it cannot use and whose root
/// may not raise limits. It does less work with these than it would with cgroups.
pub(crate) const PODMAN_RUN: [&str; 6] = [
    "--cgroups=disabled",
    "--network=none",
    "--ulimit=nofile=1024:1024",
    "--ulimit=nproc=1024:1024",
    "--rm",
    "--pull=never",
];
