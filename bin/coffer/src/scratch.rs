//! A folder for as long as a command runs.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use coffer_sys::{dir, tree};

use crate::environment;
use crate::failure::Failure;

/// The folder. Dropping it removes it as far as that goes.
#[derive(Debug)]
pub(crate) struct Scratch {
    parent: PathBuf,
    name: OsString,
}

impl Scratch {
    /// Makes a folder that only this user can enter, with a name that nobody knew before, for the
    /// verb of this name.
    pub(crate) fn new(verb: &str) -> Result<Self, Failure> {
        let parent = environment::scratch();
        let name = format!("coffer-{verb}-{}", rustix::process::getpid().as_raw_pid());
        let fail = |error: std::io::Error| {
            Failure::new(format!("cannot make a folder for coffer {verb}"))
                .at(parent.join(&name).display().to_string())
                .because(error.to_string())
                .help(format!("choose another place: TMPDIR=DIR coffer {verb}"))
        };
        let opened = dir::open(&parent).map_err(fail)?;
        // Its maker must be us: a folder that is already there is an error.
        rustix::fs::mkdirat(&opened, &name, rustix::fs::Mode::RWXU).map_err(|e| fail(e.into()))?;
        Ok(Self { parent: parent.clone(), name: name.into() })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        Path::new(&self.parent).join(&self.name)
    }

    /// Removes it now, and says where that failed.
    pub(crate) fn remove(&self) -> Result<(), Failure> {
        let fail = |error: std::io::Error| {
            Failure::new("cannot remove a folder that was made for a while")
                .at(self.path().display().to_string())
                .because(error.to_string())
        };
        let parent = dir::open(&self.parent).map_err(fail)?;
        tree::remove(parent.as_fd(), &self.name).map_err(fail)?;
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Reached without `remove` only when the command failed, which has been said already.
        self.remove().unwrap_or_default();
    }
}
