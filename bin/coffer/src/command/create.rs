//! `coffer create`.

use std::ffi::OsString;

use crate::container::Order;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::flags::{Common, ContainerFlags};
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
    flags: ContainerFlags,
    /// The image: a registry name, oci:DIR, oci-archive:FILE or docker-archive:FILE
    image: String,
    /// The command, instead of the image's
    #[arg(last = true)]
    command: Vec<OsString>,
    #[command(flatten)]
    common: Common,
}

impl Command for Create {
    const FLAGS: Flags = Flags::BeforeCommand;

    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, mut context: Context) -> Outcome {
        let order = Order::read(&mut context, &self.image, &self.flags, &self.command)?;
        let mut root = None;
        let id = order.make(&mut root)?.keep()?;
        context.ui.line(id)?;
        Ok(Exit::DONE)
    }
}
