//! A private mount namespace for the tests, with a tmpfs for what they write.
//!
//! Whatever they mount ends with the namespace, and thousands of small files cost nothing.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rustix::mount::MountFlags;

/// Set in the environment of the copy of us that already runs inside.
const INSIDE: &str = "COFFER_XTASK_ROOM";

/// Cargo's target directory of this workspace.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// The root of the checkout.
pub(crate) fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Replaces this process by a copy of itself inside a private mount namespace. Returns there,
/// and at once for an ordinary user, who cannot make one.
///
/// # Errors
/// `unshare` (util-linux) cannot be run, or the tmpfs cannot be mounted.
pub(crate) fn enter() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    if std::env::var_os(INSIDE).is_none() {
        let error = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--"])
            .arg(std::env::current_exe().context("our own path")?)
            .args(std::env::args_os().skip(1))
            .env(INSIDE, "1")
            .env("TMPDIR", target_dir().join("room"))
            .exec();
        return Err(error).context("unshare --mount");
    }
    let room = target_dir().join("room");
    std::fs::create_dir_all(&room).with_context(|| format!("create {}", room.display()))?;
    rustix::mount::mount("tmpfs", &room, "tmpfs", MountFlags::empty(), c"mode=1777,size=75%")
        .with_context(|| format!("mount a tmpfs on {}", room.display()))
}

/// Where the tests put their temporary folders: the tmpfs, where there is one.
pub(crate) fn temporary() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        target_dir().join("room")
    } else {
        std::env::temp_dir()
    }
}
