//! `coffer stop`.

use crate::context::Context;
use crate::each::each;
use crate::failure::Outcome;
use crate::flags::{Common, StopFlags};
use crate::verb::Command;

/// Ask containers to stop, then make them
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Stop {
    /// Names or ids
    #[arg(required = true)]
    containers: Vec<String>,
    #[command(flatten)]
    how: StopFlags,
    #[command(flatten)]
    common: Common,
}

impl Command for Stop {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        each(&context, &self.containers, |_, container| self.how.stop(&container))
    }
}
