//! `coffer stop`.

use crate::context::Context;
use crate::each::each;
use crate::failure::Outcome;
use crate::flags::{Common, Seconds, SignalFlag};
use crate::verb::Command;

/// Ask containers to stop, then make them
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Stop {
    /// Names or ids
    #[arg(required = true)]
    containers: Vec<String>,
    /// Kill them after so many seconds, instead of what --stop-timeout said when they were made
    #[arg(short, long, visible_alias = "timeout", value_name = "SECONDS")]
    time: Option<Seconds>,
    /// Ask them by this signal, instead of what --stop-signal or the image said
    #[arg(short, long, value_name = "SIGNAL")]
    signal: Option<SignalFlag>,
    #[command(flatten)]
    common: Common,
}

impl Command for Stop {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        each(&context, &self.containers, |_, container| {
            let grace = match self.time {
                Some(time) => time.0,
                None => container.config()?.grace(),
            };
            Ok(container.stop(self.signal.map(|signal| signal.0), Some(grace))?)
        })
    }
}
