//! `coffer system prune|check|df|info`.

mod check;
mod df;
mod info;
mod prune;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::flags::{Common, FormatFlags, Json};
use crate::verb::Command;

/// Prune, check or describe what coffer keeps
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true, disable_help_subcommand = true)]
pub(crate) struct System {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    common: Common,
}

/// What is done.
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_flag = true)]
enum What {
    /// Remove what nothing names: blobs, unpacked layers, wrecks of containers
    #[command(disable_help_flag = true)]
    Prune {
        /// Remove stopped containers, too
        #[arg(long)]
        containers: bool,
        /// Remove every image that no container uses, too
        #[arg(short, long)]
        all: bool,
        /// Docker's flag against a question; coffer asks none
        #[arg(short, long)]
        force: bool,
        /// Remove volumes without a name of their own that no container uses, too
        #[arg(long)]
        volumes: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Hash everything again, and follow every name; 0 is clean, 1 are findings
    #[command(disable_help_flag = true)]
    Check {
        /// Remove blobs that are corrupt, so that the next pull fetches them again
        #[arg(long)]
        repair: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Say how much is kept, and how much of it `prune --all --containers` would free
    #[command(disable_help_flag = true)]
    Df {
        #[command(flatten)]
        format: FormatFlags,
    },
    /// Describe the host and what is kept
    #[command(disable_help_flag = true)]
    Info {
        #[command(flatten)]
        json: Json,
    },
}

impl Command for System {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        match self.what {
            What::Prune { containers, all, json, force: _, volumes } => {
                let stopped =
                    if containers { prune::Stopped::Remove } else { prune::Stopped::Keep };
                let named = if all { prune::Named::RemoveUnused } else { prune::Named::Keep };
                let volumes = if volumes { prune::Unused::Remove } else { prune::Unused::Keep };
                prune::run(&context, stopped, named, volumes, &json)
            }
            What::Check { repair, json } => {
                check::run(&context, repair, &json).map_err(Failure::cannot_tell)
            }
            What::Df { format } => df::run(&context, &format),
            What::Info { json } => info::run(&context, &json),
        }
    }
}
