//! `coffer load`.

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::Common;
use crate::verb::Command;

/// Read images from a file that `save`, docker or podman wrote
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Load {
    /// Read FILE instead of stdin
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Print only the names
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    common: Common,
}

impl Command for Load {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let found = context.store()?.load(self.open()?)?;
        let (named, bare) =
            if self.quiet { ("", "") } else { ("Loaded image: ", "Loaded image ID: ") };
        for image in found {
            for name in &image.names {
                context.ui.line(format_args!("{named}{}", name.familiar()))?;
            }
            if image.names.is_empty() {
                context.ui.line(format_args!("{bare}{}", image.descriptor.digest))?;
            }
        }
        Ok(Exit::DONE)
    }
}

impl Load {
    fn open(&self) -> Result<Box<dyn Read>, Failure> {
        match &self.input {
            Some(path) => {
                #[expect(clippy::disallowed_methods, reason = "named by the caller")]
                let file = std::fs::File::open(path)
                    .map_err(|error| Failure::from(error).at(path.display().to_string()))?;
                Ok(Box::new(file))
            }
            None if io::stdin().is_terminal() => {
                Err(Failure::new("an archive is not read from a terminal")
                    .help("coffer load --input FILE"))
            }
            None => Ok(Box::new(io::stdin().lock())),
        }
    }
}
