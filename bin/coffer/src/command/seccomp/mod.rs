//! `coffer seccomp diff|check|calls`: what system call filters let through.

mod calls;
mod check;
mod diff;
mod source;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::flags::{Common, Json};
use crate::verb::Command;
use source::{Granted, Source};

/// Compare system call filters, and look for what newer kernels have undone
///
/// A filter is a FILE in docker's form or runtime-spec's, or `default`, which is coffer's own.
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true, disable_help_subcommand = true)]
pub(crate) struct Seccomp {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    common: Common,
}

/// What is done.
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_flag = true)]
enum What {
    /// Say which calls the second filter answers otherwise; 0 is none, 1 are some
    #[command(disable_help_flag = true)]
    Diff {
        /// The first filter: FILE or default
        before: Source,
        /// The second
        after: Source,
        #[command(flatten)]
        granted: Granted,
        #[command(flatten)]
        json: Json,
    },
    /// Look for refusals that newer calls get around, and calls that programs will miss; 0 is
    /// none, 1 are some
    #[command(disable_help_flag = true)]
    Check {
        /// The filter: FILE or default
        filter: Source,
        #[command(flatten)]
        granted: Granted,
        #[command(flatten)]
        json: Json,
    },
    /// List the calls of this machine: number, since which Linux, and what coffer's own filter
    /// answers
    #[command(disable_help_flag = true)]
    Calls {
        /// Only those that came with this Linux or later, such as 5.10
        #[arg(long, value_name = "VERSION", value_parser = calls::version)]
        since: Option<coffer_confine::seccomp::since::Version>,
        #[command(flatten)]
        granted: Granted,
        #[command(flatten)]
        json: Json,
    },
}

impl Command for Seccomp {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let done = match self.what {
            What::Diff { before, after, granted, json } => granted.set().and_then(|granted| {
                let (before, after) = (before.read(granted)?, after.read(granted)?);
                diff::run(&context, &before, &after, &json)
            }),
            What::Check { filter, granted, json } => granted
                .set()
                .and_then(|granted| check::run(&context, &filter.read(granted)?, &json)),
            What::Calls { since, granted, json } => {
                granted.set().and_then(|granted| calls::run(&context, since, granted, &json))
            }
        };
        done.map_err(Failure::cannot_tell)
    }
}
