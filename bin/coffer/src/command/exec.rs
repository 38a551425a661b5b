//! `coffer exec`.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use coffer_runtime::container::Container;
use coffer_runtime::monitor::{Attached, Console, Stdin};
use coffer_runtime::spec::{ExecRequest, Terminal};

use crate::container::check_input;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::{Common, KeyFlags, console_size, utf8, variables};
use crate::grammar::Flags;
use crate::verb::Command;

/// Run a command in a running container
///
/// It is behind the container's own fence. The exit status is the command's own.
#[derive(Debug, clap::Parser)]
#[command(
    disable_help_flag = true,
    override_usage = "coffer exec [OPTIONS] <CONTAINER> <COMMAND> [ARGUMENT]..."
)]
pub(crate) struct Exec {
    /// Keep stdin open
    #[arg(short, long)]
    interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// Leave it to itself
    #[arg(short, long)]
    detach: bool,
    /// Set a variable; NAME alone passes coffer's own on
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Set the variables that FILE lists
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Run as a user and group of the image's, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Start in DIR
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    #[command(flatten)]
    keys: KeyFlags,
    /// The container, by name or id
    container: String,
    /// The command
    #[arg(last = true)]
    command: Vec<OsString>,
    #[command(flatten)]
    common: Common,
}

impl Command for Exec {
    const FLAGS: Flags = Flags::BeforeCommand;

    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let request = self.request()?;
        let root = context.data_root()?;
        let container = Container::find(&root, &self.container)?;
        if self.detach {
            container.exec_detached(&request)?;
            return Ok(Exit::DONE);
        }
        let stdin = if self.interactive { Stdin::Open } else { Stdin::Closed };
        check_input(request.terminal, stdin)?;
        let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
        let console =
            Console { stdin: input.as_fd(), stdout: output.as_fd(), stderr: error.as_fd() };
        match container.exec(&request, console, stdin, &self.keys.bytes())? {
            Attached::Ended(code) => Ok(Exit(code)),
            _ => {
                context.ui.step("detached", "the command runs on");
                Ok(Exit::DONE)
            }
        }
    }
}

impl Exec {
    fn request(&self) -> Result<ExecRequest, Failure> {
        let command: Vec<String> = self.command.iter().map(utf8).collect::<Result<_, _>>()?;
        if command.is_empty() {
            return Err(
                Failure::new("`coffer exec` needs a command").help("coffer exec CONTAINER COMMAND")
            );
        }
        Ok(ExecRequest {
            command,
            env: variables(&self.env_file, &self.env)?,
            user: self.user.clone(),
            workdir: self.workdir.clone(),
            terminal: if self.tty { Terminal::Pty(console_size()) } else { Terminal::None },
        })
    }
}
