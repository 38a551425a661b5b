//! `coffer help [VERB]`.

use std::ffi::OsString;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::flags::Common;
use crate::verb::{self, Command};

/// Print help for a verb, or the list of verbs
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Help {
    /// The verb
    verb: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl Command for Help {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        if let Some(name) = self.verb {
            let verb = verb::find(&name)?;
            return (verb.enter)(verb, vec![OsString::from("--help")]);
        }
        context.ui.data(crate::help::overview().as_bytes())?;
        Ok(Exit::DONE)
    }
}
