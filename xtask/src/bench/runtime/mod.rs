//! The OCI runtimes beside each other: the same bundle for all, verb by verb, in turns.

mod asleep;
mod calls;
mod crowd;
mod life;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rustix::mount::UnmountFlags;

use super::measure::{Contestant, race};
use super::start::PROFILE;
use super::{Bench, image, peer};

const ROUNDS: usize = 50;
const ROUNDS_OF_LIVES: usize = 20;
const ROUNDS_AMONG_MOUNTS: usize = 15;
const MOUNTS: usize = 1000;

/// A runtime, with a folder for its states.
#[derive(Clone)]
struct Runtime {
    /// Its name and version.
    name: String,
    program: PathBuf,
    state: PathBuf,
}

/// The bundles that all of them get.
struct Bundles {
    /// Ends at once.
    ends: PathBuf,
    /// Says a word and sleeps.
    sleeps: PathBuf,
}

/// All comparisons, one table each.
///
/// # Errors
/// A runtime fails.
pub(crate) fn compare(bench: &Bench) -> Result<()> {
    let folder = bench.folder("runtime")?;
    let ends = image::bundle(&folder, Path::new(PROFILE))?;
    let sleep = ["/bin/sh", "-c", "echo up; exec /bin/busybox sleep 1000"];
    let sleeps = image::with_command(&ends, "sleeps", &sleep)?;
    let bundles = Bundles { ends, sleeps };
    let runtimes = runtimes(bench, &folder)?;
    let contestants = contestants(bench, &runtimes, &bundles)?;
    println!("{}", race("run of /bin/true from a bundle", ROUNDS, &contestants)?);
    for table in life::compare(&runtimes, &bundles, &folder, ROUNDS_OF_LIVES)? {
        println!("{table}");
    }
    among_mounts(&folder, &contestants)?;
    crowd::compare(&runtimes, &bundles)?;
    calls::compare(&runtimes, &bundles, &folder)?;
    asleep::compare(&runtimes, &bundles)
}

/// Ours, and those of the peers that are here.
fn runtimes(bench: &Bench, folder: &Path) -> Result<Vec<Runtime>> {
    let mut runtimes = vec![Runtime::new("coffer-oci", named(bench, folder)?, folder)?];
    for name in ["crun", "runc", "youki"] {
        match peer::find(name) {
            Some(program) => runtimes.push(Runtime::new(name, program, folder)?),
            None => println!("{name} is not on this machine"),
        }
    }
    Ok(runtimes)
}

/// coffer under the name by which it is a runtime.
///
/// # Errors
/// The name cannot be made in `folder`.
pub(super) fn named(bench: &Bench, folder: &Path) -> Result<PathBuf> {
    let ours = folder.join("coffer-oci");
    match symlink(&bench.coffer, &ours) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).context("give coffer its other name")
        }
        _ => Ok(ours),
    }
}

impl Runtime {
    fn new(name: &str, program: PathBuf, folder: &Path) -> Result<Self> {
        let version = peer::prepare(Command::new(&program).arg("--version"))?;
        let number = version.lines().next().and_then(|line| line.rsplit(' ').next());
        let name = format!("{name} {}", number.unwrap_or_default());
        let state = folder.join(format!("states of {name}"));
        Ok(Self { name, program, state })
    }

    /// `runtime --root STATE WORDS`.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(&self.state).args(words);
        command
    }

    /// `run --bundle BUNDLE ID`.
    fn run(&self, bundle: &Path, id: &str) -> Command {
        let mut command = self.command(&["run", "--bundle"]);
        command.arg(bundle).arg(id);
        command
    }
}

/// `run` by each, and the floor.
fn contestants(bench: &Bench, runtimes: &[Runtime], bundles: &Bundles) -> Result<Vec<Contestant>> {
    let mut contestants: Vec<Contestant> = runtimes
        .iter()
        .cloned()
        .map(|runtime| {
            let (name, bundle) = (runtime.name.clone(), bundles.ends.clone());
            Contestant::new(&name, move || runtime.run(&bundle, "bench"))
        })
        .collect();
    let (floor, rootfs) = (bench.floor_run()?, bundles.ends.join("rootfs"));
    contestants.push(Contestant::new("floor: the kernel's work alone", move || {
        let mut command = Command::new(&floor);
        command.arg(&rootfs).args(["-", "/bin/true"]);
        command
    }));
    contestants.push(Contestant::new("spawn alone, no container", || Command::new("/bin/true")));
    Ok(contestants)
}

/// The same `run` where the host has many mounts more.
fn among_mounts(folder: &Path, contestants: &[Contestant]) -> Result<()> {
    let top = folder.join("mounts");
    fs::create_dir(&top)?;
    rustix::mount::mount_bind(&top, &top).context("mount a folder on itself")?;
    for number in 0..MOUNTS {
        let place = top.join(number.to_string());
        fs::create_dir(&place)?;
        rustix::mount::mount_bind(&place, &place).context("mount one of many")?;
    }
    let title = format!("the same with {MOUNTS} more mounts on the host");
    println!("{}", race(&title, ROUNDS_AMONG_MOUNTS, contestants)?);
    rustix::mount::unmount(&top, UnmountFlags::DETACH).context("unmount the many")
}
