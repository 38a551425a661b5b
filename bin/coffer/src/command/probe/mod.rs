//! `coffer demo-probe`: what `coffer demo` runs inside the container.
//!
//! It tries what a container should not reach and what it should, without harm in either case,
//! prints a table and ends with 0 if all was as predicted. It runs as the first process of a
//! container and nowhere else.

mod tries;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::Common;
use crate::ui::Table;
use crate::verb::Command;
use tries::{Fate, TRIES, Try};

/// Try what a container should not reach
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Probe {
    #[command(flatten)]
    common: Common,
}

impl Command for Probe {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        if !rustix::process::getpid().is_init() {
            return Err(Failure::new("demo-probe runs as the first process of a container only")
                .help("coffer demo"));
        }
        let mut table = Table::new(&["  TRIED INSIDE", "", "HOW"]);
        let mut unexpected = 0;
        for one in TRIES {
            let (fate, how) = outcome(one);
            let is_expected = fate == one.expected;
            unexpected += usize::from(!is_expected);
            let mark = if is_expected { "" } else { "  NOT AS PREDICTED" };
            let what = format!("  {}", one.what);
            table.row([what, fate.word().to_owned(), format!("{how}{mark}")]);
        }
        context.ui.data(table.render().as_bytes())?;
        Ok(if unexpected == 0 { Exit::DONE } else { Exit::FINDINGS })
    }
}

/// What became of one try, and in which words the kernel said so.
fn outcome(one: &Try) -> (Fate, String) {
    match (one.run)() {
        Ok(how) => (Fate::Reached, how),
        Err(error) => {
            let text = error.to_string();
            let words = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
            (Fate::Blocked, words)
        }
    }
}
