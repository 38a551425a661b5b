//! `coffer version`.

use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::flags::{Common, Json};
use crate::verb::Command;

/// Print the version
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Version {
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    common: Common,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Versions {
    version: u32,
    coffer: &'static str,
    runtime_spec: &'static str,
    architecture: &'static str,
}

impl Command for Version {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let coffer = env!("CARGO_PKG_VERSION");
        if self.json.json {
            let (runtime_spec, architecture) = ("1.3.0", std::env::consts::ARCH);
            context.ui.json(&Versions { version: 1, coffer, runtime_spec, architecture })?;
        } else {
            context.ui.line(format_args!("coffer version {coffer}"))?;
        }
        Ok(Exit::DONE)
    }
}
