//! The `coffer` command: docker's words, one small file a verb.
//!
//! The first word is looked up in [`verb::VERBS`]; only that verb's flags are built and parsed,
//! so that a `run` does not pay for the rest. The libraries below never touch the terminal or
//! the environment: [`ui`] and [`environment`] do, for all of them. Under the name `coffer-oci`
//! the binary is an OCI runtime: [`oci`].

#![cfg_attr(not(test), no_main)]

mod acquire;
mod again;
mod cidfile;
mod command;
mod conceal;
mod container;
mod context;
mod dockers;
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
mod pattern;
mod scratch;
mod template;
mod ui;
mod unpack;
mod verb;

use std::ffi::OsString;

use exit::Exit;
use failure::{Failure, Outcome};
use ui::{Detail, Ui};
use verb::Call;

#[cfg(not(test))]
coffer_sys::entry!(program);

#[cfg(test)]
fn main() {
    program(std::env::args_os().collect());
}

/// The program, from what it is called with to its exit status.
fn program(words: Vec<OsString>) -> u8 {
    let mut args = words.into_iter();
    if args.next().as_ref().is_some_and(oci::is_called) {
        return oci::main(args);
    }
    let ui = Ui::new(Detail::Automatic, environment::colour());
    match start(&ui, args.collect()) {
        Ok(Exit(status)) => status,
        Err(failure) => {
            ui.failure(&failure);
            failure.exit().0
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
