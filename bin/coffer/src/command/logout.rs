//! `coffer logout`.

use coffer_registry::Host;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::flags::Common;
use crate::network;
use crate::verb::Command;

/// Forget the password for a registry
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Logout {
    /// The registry's host
    #[arg(default_value = "docker.io")]
    host: Host,
    #[command(flatten)]
    common: Common,
}

impl Command for Logout {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        if network::credentials().forget(&self.host)? {
            context.ui.line(format_args!("Removed the password for {}", self.host))?;
        } else {
            context.ui.line(format_args!("Not logged in to {}", self.host))?;
        }
        Ok(Exit::DONE)
    }
}
