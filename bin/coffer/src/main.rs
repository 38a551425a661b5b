//! The `coffer` command: docker's words, one small file a verb.
//!
//! The first word is looked up in [`verb::VERBS`]; only that verb's flags are built and parsed,
//! so that a `run` does not pay for the rest. The libraries below never touch the terminal or
//! the environment: [`ui`] and [`environment`] do, for all of them. Under the name `coffer-oci`
//! the binary is an OCI runtime: [`oci`].

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
mod oci;
mod scratch;
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
    let mut args = std::env::args_os();
    if args.next().as_ref().is_some_and(oci::is_called) {
        return oci::main(args);
    }
    let ui = Ui::new(Detail::Automatic, environment::colour());
    match start(&ui, args.collect()) {
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
