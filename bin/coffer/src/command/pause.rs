//! `coffer pause` and `coffer unpause`.

use crate::context::Context;
use crate::each::each;
use crate::failure::Outcome;
use crate::flags::Common;
use crate::verb::Command;

/// Stop all processes of containers where they are
///
/// Their control group is frozen until `coffer unpause`.
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Pause {
    /// Names or ids
    #[arg(required = true)]
    containers: Vec<String>,
    #[command(flatten)]
    common: Common,
}

impl Command for Pause {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        each(&context, &self.containers, |_, container| Ok(container.pause()?))
    }
}

/// Let paused containers go on
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Unpause {
    /// Names or ids
    #[arg(required = true)]
    containers: Vec<String>,
    #[command(flatten)]
    common: Common,
}

impl Command for Unpause {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        each(&context, &self.containers, |_, container| Ok(container.unpause()?))
    }
}
