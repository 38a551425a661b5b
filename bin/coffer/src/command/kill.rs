//! `coffer kill`.

use crate::context::Context;
use crate::each::each;
use crate::failure::Outcome;
use crate::flags::{Common, SignalFlag};
use crate::verb::Command;

/// Send a signal to containers
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Kill {
    /// Names or ids
    #[arg(required = true)]
    containers: Vec<String>,
    /// The signal, by name or number
    #[arg(short, long, value_name = "SIGNAL", default_value = "KILL")]
    signal: SignalFlag,
    #[command(flatten)]
    common: Common,
}

impl Command for Kill {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        each(&context, &self.containers, |_, container| Ok(container.kill(self.signal.0)?))
    }
}
