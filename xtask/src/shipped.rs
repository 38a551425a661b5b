//! `cargo xtask build`: coffer as it is shipped, and where it is.
//!
//! It is linked against musl, whose start-up does next to nothing, where glibc's asks the processor
//! for all of its caches: half a millisecond in a virtual machine, at each start. Where rustup
//! cannot give the standard library for it, glibc takes its place, and coffer does the same, later.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

use crate::room;

/// What cargo calls the target that we ourselves were built for.
const HOST: &str = env!("TARGET");

/// The programs that are shipped.
const PACKAGES: [&str; 4] = ["-p", "coffer", "-p", "containerd-shim-coffer-v1"];

/// Where coffer is, once it was built.
pub(crate) fn coffer() -> PathBuf {
    room::target_dir().join(target()).join("release/coffer")
}

/// The words for cargo that build all that is shipped.
pub(crate) fn words() -> Vec<&'static str> {
    [&["build", "--release", "--target", target()], &PACKAGES[..]].concat()
}

/// Builds coffer with the names of its functions in it, and says where it is. What is shipped has
/// none: it is built anew before it is used.
///
/// # Errors
/// Cargo cannot be started, or fails.
#[cfg(target_arch = "x86_64")]
pub(crate) fn with_symbols() -> Result<PathBuf> {
    cargo(&[&words()[..], &["--config", "profile.release.package.coffer.strip=false"]].concat())?;
    Ok(coffer())
}

/// A program of this workspace that is not shipped, as cargo builds it for the host.
pub(crate) fn beside(program: &str) -> PathBuf {
    room::target_dir().join(HOST).join("release").join(program)
}

/// Builds what is shipped, and prints where coffer is.
///
/// # Errors
/// Cargo cannot be started, or fails.
pub(crate) fn build() -> Result<()> {
    cargo(&words())?;
    println!("{}", coffer().display());
    Ok(())
}

fn cargo(words: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(words).current_dir(room::workspace()).status();
    if !status.context("start cargo")?.success() {
        bail!("coffer was not built");
    }
    Ok(())
}

/// The target that is shipped: musl's, or the host's where that is not to be had.
fn target() -> &'static str {
    static TARGET: OnceLock<String> = OnceLock::new();
    TARGET.get_or_init(|| {
        let musl = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
        if is_installed(&musl) || add(&musl) {
            return musl;
        }
        eprintln!("rustup has no {musl} here: coffer is linked against glibc and starts later");
        HOST.to_owned()
    })
}

/// Has rustup fetch the standard library for `target`.
fn add(target: &str) -> bool {
    eprintln!("installing the standard library for {target}");
    let mut rustup = Command::new("rustup");
    // What keeps it from that stands on stderr.
    rustup.args(["target", "add", target]).stdout(Stdio::null());
    rustup.status().is_ok_and(|status| status.success())
}

/// Whether the compiler has the standard library for `target`.
fn is_installed(target: &str) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = ["--print", "target-libdir", "--target", target];
    let told = Command::new(rustc).args(asked).stderr(Stdio::null()).output();
    told.is_ok_and(|told| Path::new(String::from_utf8_lossy(&told.stdout).trim()).is_dir())
}
