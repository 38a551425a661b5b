//! `cargo xtask`: the tests with their set-up, and benches against peers.
//!
//! One verb each; a verb prints what it does on stderr and leaves stdout to the programs it runs.

#![expect(
    clippy::disallowed_methods,
    reason = "works on the developer's own checkout and machine, never on an image's tree"
)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a person at a terminal"
)]

mod bed;
mod bench;
mod leftover;
#[cfg(target_arch = "x86_64")]
mod order;
mod package;
mod peers;
mod room;
mod shipped;
mod stage;
mod suites;
mod test;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask VERB

  build           build coffer as it is shipped, and say where it is
  test [FILTER]   install what the tests need, build coffer, run all tests
  bed VERB …      a Debian kernel in a virtual machine: build, run, shell
  order           find anew which functions a start runs, for the linker
  peers           build the newest crun, runc and youki into a folder of their own
  suites runc [RUNTIME]  runc's own integration suite with coffer-oci in runc's place
  bench [NAME…]   measure coffer beside the peers that are here: run, runtime, memory, pull";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The table of verbs.
fn run() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test", rest @ ..] => test::run(rest),
        ["floor-pull", host, repository, tag, folder] => {
            bench::floor_pull::run(host, repository, tag, folder.as_ref())
                .map(|()| ExitCode::SUCCESS)
        }
        ["build"] => shipped::build().map(|()| ExitCode::SUCCESS),
        ["bed", rest @ ..] => bed::run(rest),
        #[cfg(target_arch = "x86_64")]
        ["order"] => order::run().map(|()| ExitCode::SUCCESS),
        ["suites", rest @ ..] => suites::run(rest),
        ["peers"] => peers::build().map(|()| ExitCode::SUCCESS),
        ["bench", rest @ ..] => bench::run(rest).map(|()| ExitCode::SUCCESS),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        [verb, ..] => bail!("no verb {verb:?}\n{USAGE}"),
    }
}
