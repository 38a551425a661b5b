//! What was asked for on the command line.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail};

use super::USAGE;
use super::machine::{Kernel, Machine, Variant};

/// The arguments of a verb.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Call {
    /// In the order given; all where none is.
    pub(crate) variants: Vec<Variant>,
    /// The kernel of all of them.
    pub(crate) kernel: Kernel,
    /// Files for /host.
    pub(crate) with: Vec<Dropped>,
    /// Boots rather than restores.
    pub(crate) boot: Boot,
    /// What is run, and its arguments.
    pub(crate) command: Vec<String>,
}

/// A file or a folder that the guest finds in /host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// On the host.
    pub(crate) file: PathBuf,
    /// In the guest.
    pub(crate) name: String,
}

impl FromStr for Dropped {
    type Err = Error;

    /// `FILE` or `FILE=NAME`.
    fn from_str(word: &str) -> Result<Self> {
        let (file, name) = word.rsplit_once('=').unwrap_or((word, ""));
        let file = PathBuf::from(file);
        let own = || Some(file.file_name()?.to_str()?.to_owned());
        let name = if name.is_empty() { own() } else { Some(name.to_owned()) };
        let name = name.filter(|name| !name.contains('/'));
        Ok(Self { name: name.with_context(|| format!("{word}: no name for the guest"))?, file })
    }
}

/// Where a machine's life begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Boot {
    /// In the saved state.
    #[default]
    Restored,
    /// At its boot loader.
    Cold,
    /// Likewise, with a disk that is kept.
    ColdWith(PathBuf),
}

impl Call {
    /// Reads options, variants, and after `--` a command.
    ///
    /// # Errors
    /// An unknown word, or an option without its value.
    pub(crate) fn parse(arguments: &[&str]) -> Result<Self> {
        let mut call = Self::default();
        let mut words = arguments.iter().copied();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word {
                "--kernel" => call.kernel = value()?.parse()?,
                "--with" => call.with.push(value()?.parse()?),
                "--disk" => call.boot = Boot::ColdWith(std::path::absolute(value()?)?),
                "--cold" if call.boot == Boot::Restored => call.boot = Boot::Cold,
                "--cold" => {}
                "--" => {
                    call.command = words.map(str::to_owned).collect();
                    break;
                }
                _ if word.starts_with('-') => bail!("no option {word}\n{USAGE}"),
                _ => call.variants.push(word.parse()?),
            }
        }
        Ok(call)
    }

    /// The machines that the variants name.
    pub(crate) fn machines(&self) -> Vec<Machine> {
        let all = if self.variants.is_empty() { Variant::ALL } else { &self.variants };
        all.iter().map(|&variant| Machine { variant, kernel: self.kernel }).collect()
    }

    /// The one machine that a command runs in.
    ///
    /// # Errors
    /// None or several were named.
    pub(crate) fn machine(&self) -> Result<Machine> {
        match self.variants.as_slice() {
            [variant] => Ok(Machine { variant: *variant, kernel: self.kernel }),
            _ => bail!("name one variant\n{USAGE}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_whole_line() {
        let words =
            ["--kernel", "13", "--with", "d/a", "plain", "--with", "b=c", "--", "ls", "--all"];
        let call = Call::parse(&words).unwrap();
        assert_eq!(call.kernel, Kernel::Debian13);
        assert_eq!(call.variants, [Variant::Plain]);
        let dropped = |file: &str, name: &str| Dropped { file: file.into(), name: name.into() };
        assert_eq!(call.with, [dropped("d/a", "a"), dropped("b", "c")]);
        assert_eq!(call.command, ["ls", "--all"]);
        assert_eq!(call.boot, Boot::Restored);
    }

    #[test]
    fn a_disk_means_a_boot() {
        for words in [["--disk", "/d", "--cold", "plain"], ["--cold", "--disk", "/d", "plain"]] {
            assert_eq!(Call::parse(&words).unwrap().boot, Boot::ColdWith("/d".into()));
        }
    }

    #[test]
    fn unknown_words_are_refused() {
        for words in [&["plane"][..], &["--colt"], &["--kernel"], &["--kernel", "11"]] {
            assert!(Call::parse(words).is_err(), "{words:?}");
        }
        assert!(Call::parse(&["plain", "systemd"]).unwrap().machine().is_err());
    }
}
