//! `coffer audit-probe`: what `coffer audit --probe` runs inside the container.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::Common;
use crate::verb::Command;

/// Try what a container should not reach, for an audit outside
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Prober {
    /// One row of the corpus
    #[arg(long, value_name = "ID")]
    row: Option<String>,
    /// Print the number of the user in force
    #[arg(long, conflicts_with = "row")]
    whoami: bool,
    #[command(flatten)]
    common: Common,
}

impl Command for Prober {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        if self.whoami {
            context.ui.line(rustix::process::geteuid().as_raw())?;
            return Ok(Exit::DONE);
        }
        if !is_called_there() {
            return Err(Failure::new("audit-probe runs inside a container only")
                .help("coffer audit --probe IMAGE"));
        }
        let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
        match &self.row {
            Some(id) => coffer_audit::prober::row(id, input, output)?,
            None => coffer_audit::prober::run(input, output)?,
        }
        Ok(Exit::DONE)
    }
}

/// Whether this is the program that an audit handed to a container.
fn is_called_there() -> bool {
    rustix::fs::readlink(c"/proc/self/exe", Vec::new())
        .is_ok_and(|path| path.as_bytes() == coffer_audit::prober::PROGRAM.as_bytes())
}
