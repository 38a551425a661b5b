//! `coffer login`.

use std::io::{self, BufRead, IsTerminal, Read};

use coffer_registry::{Credential, Host, Kept};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::Common;
use crate::network;
use crate::verb::Command;

/// No password or token is longer.
const LONGEST: u64 = 64 << 10;

/// Keep a password for a registry
///
/// It is tried first. It is kept where docker keeps it: with the credential helper that docker's
/// config.json names, else in that file, readable to you alone and not encrypted.
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Login {
    /// The registry's host
    #[arg(default_value = "docker.io")]
    host: Host,
    /// The user's name
    #[arg(short, long, value_name = "NAME")]
    username: Option<String>,
    /// The password; others on this machine can see it
    #[arg(short, long, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    password: Option<String>,
    /// Read the password from stdin
    #[arg(long)]
    password_stdin: bool,
    /// Speak plain HTTP: whoever is on the way can read the password
    #[arg(long)]
    plain_http: bool,
    #[command(flatten)]
    common: Common,
}

impl Command for Login {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let username = self.username(&context)?;
        let password = self.password(&context)?;
        let credential = Credential::Password { username, password };
        let plain = if self.plain_http { vec![self.host.clone()] } else { Vec::new() };
        network::client(plain).login(&self.host, credential.clone())?;
        match network::credentials().store(&self.host, &credential)? {
            Kept::Helper(name) => {
                context.ui.step("kept", format_args!("with docker-credential-{name}"));
            }
            Kept::File(path) => context.ui.note(format_args!(
                "the password is in {}, which only you can read, without encryption",
                path.display()
            )),
        }
        context.ui.line("Login Succeeded")?;
        Ok(Exit::DONE)
    }
}

impl Login {
    fn username(&self, context: &Context) -> Result<String, Failure> {
        match &self.username {
            Some(name) => Ok(name.clone()),
            None if self.password_stdin || !io::stdin().is_terminal() => {
                Err(Failure::new("there is no user name").help("coffer login --username NAME"))
            }
            None => {
                context.ui.ask("Username: ");
                read_line()
            }
        }
    }

    fn password(&self, context: &Context) -> Result<String, Failure> {
        if let Some(password) = &self.password {
            return Ok(password.clone());
        }
        if self.password_stdin {
            let mut text = String::new();
            io::stdin().take(LONGEST).read_to_string(&mut text)?;
            return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::new("there is no terminal to ask for the password on")
                .help("coffer login --password-stdin < FILE"));
        }
        context.ui.ask("Password: ");
        let password = without_echo(read_line);
        context.ui.ask("\n");
        password
    }
}

fn read_line() -> Result<String, Failure> {
    let mut line = String::new();
    io::stdin().lock().take(LONGEST).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Runs `read` while the terminal does not show what is typed. Source: man 3 termios, ECHO.
fn without_echo<T>(read: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let stdin = rustix::stdio::stdin();
    let before = tcgetattr(stdin)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(stdin, OptionalActions::Flush, &silent)?;
    let read = read();
    tcsetattr(stdin, OptionalActions::Flush, &before)?;
    read
}
