//! `cargo xtask bench`: coffer and the peers that are on this machine, in turns, medians and ratios.
//!
//! Everything happens in a private mount namespace. A peer that is not installed has no row, and
//! the table says which; a number is never made up, and a timing never fails a test.

mod fence;
pub(crate) mod floor_pull;
mod image;
mod measure;
mod memory;
mod peer;
mod pull;
mod runtime;
mod start;

#[cfg(target_arch = "x86_64")]
pub(crate) use image::{bundle, with_command};
#[cfg(target_arch = "x86_64")]
pub(crate) use start::PROFILE;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::mount::{MountFlags, UnmountFlags};

use crate::{package, room, shipped};

/// Where one bench keeps its things.
pub(crate) struct Bench {
    /// A tmpfs, gone with the mount namespace.
    room: PathBuf,
    /// The shipped binary.
    coffer: PathBuf,
}

/// Runs the benches that `words` name, or all.
///
/// # Errors
/// Not root, a bench of an unknown name, or a contestant that fails.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("the benches mount file systems of their own\nhelp: run them as root");
    }
    room::enter()?;
    let bench = Bench::prepare()?;
    let all = ["run", "runtime", "fence", "memory", "pull"];
    for word in if words.is_empty() { &all[..] } else { words } {
        match *word {
            "run" => start::images(&bench)?,
            "runtime" => runtime::compare(&bench)?,
            "fence" => fence::compare(&bench)?,
            "memory" => memory::compare(&bench)?,
            "pull" => pull::images(&bench)?,
            other => bail!("no bench {other:?}; there are {}", all.join(", ")),
        }
    }
    Ok(())
}

/// coffer as `install` puts it in place, beside the peers: written at one go, so that the kernel
/// keeps it in larger pieces than what a linker has written here and there.
fn installed() -> Result<PathBuf> {
    let folder = room::target_dir().join("installed");
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let (coffer, new) = (folder.join("coffer"), folder.join("coffer.new"));
    std::fs::copy(shipped::coffer(), &new).context("install coffer")?;
    std::fs::rename(&new, &coffer).context("install coffer")?;
    Ok(coffer)
}

impl Bench {
    fn prepare() -> Result<Self> {
        package::ensure(package::FOR_BENCHES)?;
        release(&shipped::words())?;
        // The peers look for a plain version 2 hierarchy and give up on a hybrid one. What was
        // mounted there goes away in this mount namespace alone.
        rustix::mount::unmount("/sys/fs/cgroup", UnmountFlags::DETACH)
            .context("leave the hybrid")?;
        rustix::mount::mount("none", "/sys/fs/cgroup", "cgroup2", MountFlags::empty(), None)
            .context("mount cgroup2")?;
        let bench = Self { room: room::temporary(), coffer: installed()? };
        Self::compile("usage.c", &measure::launcher())?;
        Ok(bench)
    }

    /// A new folder in the room.
    fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.room.join(name);
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(folder)
    }

    /// `coffer --root ROOT ARGUMENTS`.
    fn coffer(&self, root: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.coffer);
        command.arg("--root").arg(root).args(arguments);
        command
    }

    /// The floor program for fetching an image: this program, with the optimisations that coffer
    /// is shipped with.
    fn floor_pull() -> Result<PathBuf> {
        release(&["build", "--release", "--package", "xtask"])?;
        Ok(shipped::beside("xtask"))
    }

    /// The floor program for starting a process, compiled now.
    fn floor_run(&self) -> Result<PathBuf> {
        let program = self.room.join("floor-run");
        Self::compile("run.c", &program)?;
        Ok(program)
    }

    /// Compiles a program of `xtask/floor`.
    fn compile(source: &str, program: &Path) -> Result<()> {
        let source = room::workspace().join("xtask/floor").join(source);
        peer::prepare(Command::new("cc").args(["-O2", "-static", "-o"]).arg(program).arg(source))?;
        Ok(())
    }
}

/// Has cargo build something of this workspace.
fn release(words: &[&str]) -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(words).arg("--quiet").current_dir(room::workspace());
    peer::prepare(&mut cargo).map(drop)
}
