//! `coffer rename`.

use coffer_runtime::container::Container;
use coffer_runtime::state::Name;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::flags::Common;
use crate::verb::Command;

/// Give a container another name
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Rename {
    /// The container, by name or id
    container: String,
    /// What it is called from now on
    name: Name,
    #[command(flatten)]
    common: Common,
}

impl Command for Rename {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let root = context.data_root()?;
        Container::find(&root, &self.container)?.rename(&self.name)?;
        Ok(Exit::DONE)
    }
}
