//! `coffer rm`.

use coffer_runtime::container::{Anonymous, Container, ContainerError, DataRoot, Force, Settled};

use crate::context::Context;
use crate::each::{is_missing, try_each};
use crate::failure::Outcome;
use crate::flags::Common;
use crate::verb::Command;

/// Remove containers
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Rm {
    /// Names or ids
    #[arg(required = true)]
    containers: Vec<String>,
    /// Kill those that run; say nothing of what is not there
    #[arg(short, long)]
    force: bool,
    /// Remove their volumes that have no name of their own, too
    #[arg(short, long)]
    volumes: bool,
    #[command(flatten)]
    common: Common,
}

impl Command for Rm {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let root = context.data_root()?;
        let force = if self.force { Force::Kill } else { Force::No };
        let volumes = if self.volumes { Anonymous::Remove } else { Anonymous::Keep };
        try_each(&context, &self.containers, |name| match remove(&root, name, force, volumes) {
            Err(error) if self.force && is_missing(&error) => Ok(()),
            removed => {
                removed?;
                context.ui.line(name)
            }
        })
    }
}

/// Removes a container, or what was left of one.
fn remove(
    root: &DataRoot,
    name: &str,
    force: Force,
    volumes: Anonymous,
) -> Result<(), ContainerError> {
    let folder = root.containers().find(name)?;
    match root.settle(&folder)? {
        Settled::Removed => Ok(()),
        _ => Container::find(root, name)?.remove(force, volumes),
    }
}
