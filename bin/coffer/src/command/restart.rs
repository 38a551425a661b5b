//! `coffer restart`.

use coffer_runtime::container::Container;
use coffer_runtime::state::Removal;

use crate::again;
use crate::context::Context;
use crate::each::each;
use crate::failure::{Failure, Outcome};
use crate::flags::{Common, StopFlags};
use crate::verb::Command;

/// Stop containers and start them again
///
/// One that does not run is started.
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Restart {
    /// Names or ids
    #[arg(required = true)]
    containers: Vec<String>,
    #[command(flatten)]
    how: StopFlags,
    #[command(flatten)]
    common: Common,
}

impl Command for Restart {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        each(&context, &self.containers, |root, container| {
            let record = container.record();
            if record.removal == Removal::AtExit {
                return Err(Failure::new(format!("container {} cannot start again", record.name))
                    .because("it was made with --rm, and is removed when it stops")
                    .help("make it without --rm"));
            }
            self.how.stop(&container)?;
            let stopped = Container::find(root, container.record().id.as_str())?;
            again::prepare(&context, root, stopped)?.detach()?;
            Ok(())
        })
    }
}
