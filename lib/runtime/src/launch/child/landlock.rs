//! Puts a Landlock policy in force, step by step.

use std::ffi::CStr;

use coffer_sys::landlock::{Files, Ruleset};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::Child;
use crate::launch::report::Fault;
use crate::plan::Landlocked;

impl Child<'_> {
    /// One step. Rules are collected until they are put in force.
    pub(super) fn landlock(&mut self, step: &Landlocked) -> Result<(), Fault> {
        match step {
            Landlocked::Handle(files, ports, scopes) => {
                self.ruleset = Some(Ruleset::new(*files, *ports, *scopes)?);
                Ok(())
            }
            Landlocked::Beneath(path, files) => self.allow_beneath(path, *files),
            Landlocked::Port(port, ports) => Ok(self.ruleset()?.allow_port(*port, *ports)?),
            Landlocked::Restrict => Ok(self.ruleset.take().ok_or(Errno::INVAL)?.restrict()?),
        }
    }

    /// A path inside, with its links followed inside. What is no folder has fewer rights to give.
    fn allow_beneath(&self, path: &CStr, files: Files) -> Result<(), Fault> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let place =
            coffer_sys::dir::open_within(self.root()?, path, flags, Mode::empty(), resolve)?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode);
        let files = if kind == FileType::Directory { files } else { files.of_file() };
        Ok(self.ruleset()?.allow_beneath(std::os::fd::AsFd::as_fd(&place), files)?)
    }

    fn ruleset(&self) -> Result<&Ruleset, Errno> {
        self.ruleset.as_ref().ok_or(Errno::INVAL)
    }
}
