//! The saved state of a machine: booted once, kept for as long as nothing that it is of changes.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

use super::guest::{Emulator, PATIENCE, twice};
use super::machine::{Files, Machine, Share, memory};
use super::payload::{self, Payload};
use super::place::{Place, Run, key};
use super::{kernel, root};

/// The emulator, as Debian installs it.
const EMULATOR: &str = "/usr/bin/qemu-system-x86_64";

/// Its arguments for `machine`, whose files are made if they are not there.
///
/// # Errors
/// One of them cannot be made.
pub(super) fn arguments(place: &Place, machine: Machine) -> Result<Vec<String>> {
    let kernel = kernel::ensure(place, machine.kernel)?;
    let root = root::ensure(place, machine.variant)?;
    Ok(machine.arguments(&Files {
        kernel: &kernel.image,
        initrd: &kernel.initrd,
        modules: &kernel.modules,
        root: &root,
    }))
}

/// The folder with the saved state of `machine`, made if it is not there.
///
/// # Errors
/// The machine cannot be made, or does not come up.
pub(super) fn ensure(place: &Place, machine: Machine) -> Result<PathBuf> {
    let arguments = arguments(place, machine)?;
    let name = format!("snapshot-{machine}-{}", state_key(&arguments)?);
    place.made(&name, |folder| twice(|| save(place, machine, &arguments, folder)))
}

/// All that a saved state depends on: which kernel, root and initrd their paths say, the rest is
/// said by the arguments themselves, and the emulator is known by its file.
fn state_key(arguments: &[String]) -> Result<String> {
    use std::os::unix::fs::MetadataExt;
    let emulator = std::fs::metadata(EMULATOR).context("qemu-system-x86")?;
    let emulator = format!("{} {}", emulator.size(), emulator.mtime());
    let mut parts = vec![emulator.as_bytes()];
    parts.extend(arguments.iter().map(String::as_bytes));
    Ok(key(parts))
}

fn save(place: &Place, machine: Machine, arguments: &[String], folder: &Path) -> Result<()> {
    eprintln!("bed: {machine} boots, to be saved");
    let start = Instant::now();
    let run = place.run()?;
    Payload::default().write(run.folder())?;
    payload::scratch(place, run.folder())?;
    let memory = folder.join("memory");
    if memory.exists() {
        // Of a boot that failed.
        std::fs::remove_file(&memory)?;
    }
    let mut emulator = start_with(&run, arguments, &memory, Share::Saved, &[])?;
    emulator.ready(PATIENCE)?;
    emulator.monitor.save(&folder.join("state").display().to_string())?;
    emulator.monitor.quit()?;
    emulator.ended()?;
    eprintln!("bed: {machine} saved after {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Starts the emulator in the folder of `run`.
///
/// # Errors
/// It cannot be started, or ends at once.
pub(super) fn start_with(
    run: &Run,
    arguments: &[String],
    file: &Path,
    share: Share,
    more: &[&str],
) -> Result<Emulator> {
    let mut all = arguments.to_vec();
    all.extend(memory(file, share));
    all.extend(more.iter().map(|word| (*word).to_owned()));
    Emulator::start(EMULATOR, &all, run)
}
