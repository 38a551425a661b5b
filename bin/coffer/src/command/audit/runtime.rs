//! Another runtime, as the caller names it.

use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::str::FromStr;

/// Its program, and options that stand before its verbs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Runtime {
    program: PathBuf,
    options: Vec<String>,
}

/// Nothing is named.
#[derive(Debug, thiserror::Error)]
#[error("no runtime is named; name its path, as in --runtime runc")]
pub(super) struct Nameless;

impl FromStr for Runtime {
    type Err = Nameless;

    /// Words between blanks, as docker's `runtimeArgs` are written on a command line.
    fn from_str(text: &str) -> Result<Self, Nameless> {
        let mut words = text.split_whitespace().map(str::to_owned);
        let program = words.next().ok_or(Nameless)?.into();
        Ok(Self { program, options: words.collect() })
    }
}

impl Runtime {
    /// Its program.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// What it is called in the table.
    pub(super) fn name(&self) -> String {
        self.program.file_name().unwrap_or(self.program.as_os_str()).to_string_lossy().into_owned()
    }

    /// It, with its options, before a verb.
    pub(super) fn command(&self) -> Program {
        let mut command = Program::new(&self.program);
        command.args(&self.options);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_follow_the_path() {
        let runtime: Runtime = " /usr/bin/runsc --network=none --debug ".parse().unwrap();
        assert_eq!(runtime.name(), "runsc");
        let command = runtime.command();
        assert_eq!(command.get_program(), "/usr/bin/runsc");
        assert!(command.get_args().eq(["--network=none", "--debug"]));
        assert!(" ".parse::<Runtime>().is_err());
    }
}
