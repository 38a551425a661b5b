//! The bed's folder: what is kept between runs, each thing under a name that says what it is of.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::FlockOperation;
use sha2::{Digest, Sha256};

use crate::room;

/// The folder of kernels, roots, snapshots and running machines.
#[derive(Debug)]
pub(crate) struct Place {
    folder: PathBuf,
}

impl Place {
    /// The folder that `COFFER_BED` names, or `bed` in cargo's target folder. It should be on a
    /// disk: the memory of the saved machines is some hundred MiB each.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn open() -> Result<Self> {
        let folder = std::env::var_os("COFFER_BED")
            .map_or_else(|| room::target_dir().join("bed"), PathBuf::from);
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(Self { folder: folder.canonicalize()? })
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder `name`, made by `make` if it is not there; whoever comes meanwhile waits.
    /// What `make` leaves half done is not kept.
    ///
    /// # Errors
    /// Those of `make`, or of the folder.
    pub(crate) fn made(
        &self,
        name: &str,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            return Ok(folder);
        }
        let lock = fs::File::create(self.folder.join(format!("{name}.lock")))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
        if !folder.exists() {
            let half = self.folder.join(format!("{name}.half"));
            remove(&half)?;
            fs::create_dir(&half)?;
            make(&half).with_context(|| format!("make {name}"))?;
            fs::rename(&half, &folder)?;
        }
        Ok(folder)
    }

    /// A folder for one running machine, gone with the value.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn run(&self) -> Result<Run> {
        let folder = self.folder.join(format!("run-{}", std::process::id()));
        remove(&folder)?;
        fs::create_dir(&folder)?;
        Ok(Run { folder })
    }

    /// Waits until fewer machines run than there are processors, and holds the place of one: an
    /// emulated machine that shares its processor is no quicker than one that waits.
    ///
    /// # Errors
    /// The lock files cannot be opened.
    pub(crate) fn slot(&self) -> Result<fs::File> {
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let file = |n: usize| fs::File::create(self.folder.join(format!("slot-{n}")));
        for n in 0..count {
            let slot = file(n)?;
            if rustix::fs::flock(&slot, FlockOperation::NonBlockingLockExclusive).is_ok() {
                return Ok(slot);
            }
        }
        let slot = file(std::process::id() as usize % count)?;
        rustix::fs::flock(&slot, FlockOperation::LockExclusive)?;
        Ok(slot)
    }
}

/// The folder of one running machine.
#[derive(Debug)]
pub(crate) struct Run {
    folder: PathBuf,
}

impl Run {
    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.folder) {
            eprintln!("{error:#}");
        }
    }
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// A short name for all of `parts`.
pub(crate) fn key<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
