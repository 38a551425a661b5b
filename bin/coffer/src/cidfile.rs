//! `--cidfile`: the file that tells scripts which container was made.

use std::fs::{File, OpenOptions, remove_file};
use std::io::{self, Write};
use std::path::Path;

use crate::failure::{Failure, words};

/// A file that was not there before. It goes again where nothing is written into it, so that a
/// container that is refused leaves none. Source: docker's `run` reference, "--cidfile".
pub(crate) struct CidFile<'a> {
    path: &'a Path,
    file: File,
    filled: bool,
}

impl<'a> CidFile<'a> {
    /// Makes the file, before anything else is made.
    pub(crate) fn new(path: &'a Path) -> Result<Self, Failure> {
        let made = OpenOptions::new().write(true).create_new(true).open(path);
        let file = made.map_err(|error| {
            let failure = refused(path, &error);
            match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    failure.help("it may be another container's: remove it, or name another file")
                }
                _ => failure.help("name a file in a folder that is there"),
            }
        })?;
        Ok(Self { path, file, filled: false })
    }

    /// Writes the id.
    pub(crate) fn fill(&mut self, id: &str) -> Result<(), Failure> {
        self.file.write_all(id.as_bytes()).map_err(|error| refused(self.path, &error))?;
        self.filled = true;
        Ok(())
    }
}

impl Drop for CidFile<'_> {
    fn drop(&mut self) {
        if !self.filled {
            #[expect(clippy::disallowed_methods, reason = "the caller's own path")]
            // Whoever has removed it meanwhile has done it for us.
            remove_file(self.path).unwrap_or_default();
        }
    }
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    Failure::new("cannot make the file of --cidfile")
        .at(path.display().to_string())
        .because(words(error))
}
