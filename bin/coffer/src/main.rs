//! The `coffer` command: docker's words, one small file a verb.
//!
//! The first word is looked up in [`verb::VERBS`]; only that verb's flags are built and parsed,
//! so that a `run` does not pay for the rest. The libraries below never touch the terminal or
//! the environment: [`ui`] and [`environment`] do, for all of them.

mod acquire;
mod again;
mod command;
mod container;
mod context;
mod each;
mod environment;
mod exit;
mod failure;
mod flags;
mod grammar;
mod help;
mod hint;
mod limits;
mod lookup;
mod missing;
mod network;
mod ui;
mod unpack;
mod verb;

use std::ffi::OsString;
use std::process::ExitCode;

use exit::Exit;
use failure::{Failure, Outcome};
use ui::{Detail, Ui};
use verb::Call;

fn main() -> ExitCode {
    let ui = Ui::new(Detail::Automatic, environment::colour());
    match start(&ui, std::env::args_os().skip(1).collect()) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            ui.failure(&failure);
            failure.exit().into()
        }
    }
}

/// From words to a verb, or to the help.
fn start(ui: &Ui, args: Vec<OsString>) -> Outcome {
    match verb::call(args)? {
        Call::Verb(verb, args) => (verb.enter)(verb, args),
        Call::Help => ui.data(help::overview().as_bytes()).map(|()| Exit::DONE),
        Call::Nothing => Err(Failure::new("there is no verb").help("coffer help lists the verbs")),
    }
}
