//! `coffer attach`.

use coffer_runtime::container::Container;
use coffer_runtime::monitor::{Attach, Screen, Stdin};
use coffer_runtime::spec::Terminal;

use crate::container::{check_input, ended, with_console};
use crate::context::Context;
use crate::failure::Outcome;
use crate::flags::{Common, ConsoleFlags};
use crate::verb::Command;

/// Attach this terminal to a running container
///
/// What it writes from now on is shown, and what is typed is sent to it. The exit status is the
/// container's own.
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct AttachTo {
    /// The container, by name or id
    container: String,
    /// Send it nothing
    #[arg(long)]
    no_stdin: bool,
    #[command(flatten)]
    console: ConsoleFlags,
    #[command(flatten)]
    common: Common,
}

impl Command for AttachTo {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let root = context.data_root()?;
        let container = Container::find(&root, &self.container)?;
        let config = container.config()?;
        let screen = match config.terminal {
            Terminal::None => Screen::Pipes,
            Terminal::Pty(_) => Screen::Terminal,
        };
        let stdin = if self.no_stdin { Stdin::Closed } else { config.stdin };
        check_input(config.terminal, stdin)?;
        let attach = |how: &Attach<'_>| container.attach(how);
        ended(&context.ui, with_console(screen, stdin, &self.console, attach)?)
    }
}
