//! `coffer save`.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use coffer_oci::{Descriptor, Platform, Reference};
use coffer_store::{Format, Store};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::Common;
use crate::lookup;
use crate::verb::Command;

/// Write images to a file, as docker does
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Save {
    /// The images: names or digests, oci:DIR, oci-archive:FILE or docker-archive:FILE
    #[arg(required = true)]
    images: Vec<String>,
    /// Write to FILE instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// docker-archive or oci-archive
    #[arg(long, value_name = "FORMAT", default_value = "docker-archive")]
    format: FormatWord,
    /// Take the images for this platform
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    #[command(flatten)]
    common: Common,
}

/// `--format`.
#[derive(Clone, Copy, Debug)]
struct FormatWord(Format);

impl std::str::FromStr for FormatWord {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "docker-archive" => Ok(Self(Format::Docker)),
            "oci-archive" => Ok(Self(Format::Oci)),
            _ => Err("formats are docker-archive and oci-archive"),
        }
    }
}

impl Command for Save {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let store = context.store()?;
        let platform = self.platform.clone().unwrap_or_else(Platform::host);
        let find = |word: &String| -> Result<_, Failure> {
            let entry = lookup::image(&store, word, &platform)?;
            if let Some(wanted) = &self.platform {
                coffer_intake::image_for(&store, word, &entry.descriptor, wanted)?;
            }
            Ok((entry.name, entry.descriptor))
        };
        let images: Vec<_> = self.images.iter().map(find).collect::<Result<_, _>>()?;
        let what = Contents { store: &store, images: &images, platform, format: self.format.0 };
        match &self.output {
            Some(path) => what.write_file(path)?,
            None if io::stdout().is_terminal() => {
                return Err(Failure::new("an archive is not written to a terminal")
                    .help("coffer save --output FILE IMAGE"));
            }
            None => what.write(io::stdout().lock())?,
        }
        Ok(Exit::DONE)
    }
}

/// What goes into an archive.
struct Contents<'a> {
    store: &'a Store,
    images: &'a [(Option<Reference>, Descriptor)],
    platform: Platform,
    format: Format,
}

impl Contents<'_> {
    fn write(&self, to: impl Write) -> Result<(), Failure> {
        Ok(self.store.save(self.images, &self.platform, self.format, BufWriter::new(to))?)
    }

    fn write_file(&self, path: &Path) -> Result<(), Failure> {
        write_file(path, |file| self.write(file))
    }
}

/// Writes a file whole or not at all: under a name of its own, then renamed.
pub(super) fn write_file(
    path: &Path,
    write: impl FnOnce(&File) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let fail = |error: io::Error| Failure::from(error).at(path.display().to_string());
    #[expect(clippy::disallowed_methods, reason = "a file of the caller's, named by the caller")]
    let file = File::create(&part).map_err(fail)?;
    let written = write(&file).and_then(|()| file.sync_all().map_err(fail));
    #[expect(clippy::disallowed_methods, reason = "a file of the caller's, named by the caller")]
    let named = written.and_then(|()| std::fs::rename(&part, path).map_err(fail));
    if named.is_err() {
        #[expect(clippy::disallowed_methods, reason = "the part that was written above")]
        std::fs::remove_file(&part).unwrap_or_default();
    }
    named
}
