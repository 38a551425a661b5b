//! `coffer stop`.

use std::time::Duration;

use crate::context::Context;
use crate::each::each;
use crate::failure::Outcome;
use crate::flags::{Common, Seconds};
use crate::verb::Command;

/// How long a container may take where nothing else is said. Source: docker stop.
const GRACE: Duration = Duration::from_secs(10);

/// Ask containers to stop, then make them
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Stop {
    /// Names or ids
    #[arg(required = true)]
    containers: Vec<String>,
    /// Kill them after so many seconds
    #[arg(short, long, visible_alias = "timeout", value_name = "SECONDS")]
    time: Option<Seconds>,
    #[command(flatten)]
    common: Common,
}

impl Command for Stop {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let grace = self.time.map_or(GRACE, |time| time.0);
        each(&context, &self.containers, |container| Ok(container.stop(Some(grace))?))
    }
}
