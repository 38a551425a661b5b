//! `coffer wait`.

use coffer_runtime::container::Container;

use crate::context::Context;
use crate::each::try_each;
use crate::failure::Outcome;
use crate::flags::Common;
use crate::verb::Command;

/// Wait until containers end, and print how
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Wait {
    /// Names or ids
    #[arg(required = true)]
    containers: Vec<String>,
    #[command(flatten)]
    common: Common,
}

impl Command for Wait {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let root = context.data_root()?;
        try_each(&context, &self.containers, |name| {
            let exit = Container::find(&root, name)?.wait()?;
            context.ui.line(exit.outcome.code())
        })
    }
}
