//! `coffer start`.

use coffer_runtime::container::{Container, DataRoot};
use coffer_runtime::monitor::{Screen, Stdin};
use coffer_runtime::spec::Terminal;

use crate::again;
use crate::container::{check_input, ended, with_console};
use crate::context::Context;
use crate::each::each;
use crate::failure::{Failure, Outcome};
use crate::flags::{Common, ConsoleFlags};
use crate::verb::Command;

/// Start containers that were made before, or have ended
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Start {
    /// Names or ids
    #[arg(required = true)]
    containers: Vec<String>,
    /// Show what it writes, and give its exit status
    #[arg(short, long)]
    attach: bool,
    /// Send it what is typed
    #[arg(short, long)]
    interactive: bool,
    #[command(flatten)]
    console: ConsoleFlags,
    #[command(flatten)]
    common: Common,
}

impl Command for Start {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        if !self.attach && !self.interactive {
            return each(&context, &self.containers, |root, container| {
                again::prepare(&context, root, container)?.detach()?;
                Ok(())
            });
        }
        let [name] = self.containers.as_slice() else {
            return Err(Failure::new("only one container at a time can be attached to")
                .help("coffer start --attach CONTAINER"));
        };
        self.attached(&context, &context.data_root()?, name)
    }
}

impl Start {
    fn attached(&self, context: &Context, root: &DataRoot, name: &str) -> Outcome {
        let container = Container::find(root, name)?;
        let config = container.config()?;
        let stdin = if self.interactive { config.stdin } else { Stdin::Closed };
        check_input(config.terminal, stdin)?;
        let ready = again::prepare(context, root, container)?;
        let screen = match ready.config().terminal {
            Terminal::None => Screen::Pipes,
            Terminal::Pty(_) => Screen::Terminal,
        };
        let (_, attached) = with_console(screen, stdin, &self.console, |how| ready.attach(how))?;
        ended(&context.ui, attached)
    }
}
