//! `coffer create`.

use crate::container::Order;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::flags::{Common, ContainerArgs};
use crate::grammar::Flags;
use crate::verb::Command;

/// Make a container without starting it
///
/// Prints its id; `coffer start` starts it.
#[derive(Debug, clap::Parser)]
#[command(
    disable_help_flag = true,
    override_usage = "coffer create [OPTIONS] <IMAGE> [COMMAND] [ARGUMENT]..."
)]
pub(crate) struct Create {
    #[command(flatten)]
    container: ContainerArgs,
}

impl Command for Create {
    const FLAGS: Flags = Flags::BeforeCommand;

    fn common(&self) -> &Common {
        &self.container.common
    }

    fn run(self, mut context: Context) -> Outcome {
        let order = Order::read(&mut context, &self.container)?;
        let mut root = None;
        let id = order.make(&mut root)?.keep()?;
        context.ui.line(id)?;
        Ok(Exit::DONE)
    }
}
