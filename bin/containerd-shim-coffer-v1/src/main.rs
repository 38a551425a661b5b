//! containerd's shim for coffer-oci. It alone reads the environment, and prints.

use std::io::Write;
use std::process::ExitCode;

use coffer_shim::cleanup::clean_up;
use coffer_shim::flags::{Flags, Verb};
use coffer_shim::journal::chain;
use coffer_shim::launch::{Surroundings, launch};
use prost::Message;

fn main() -> ExitCode {
    match run() {
        Ok(output) => match std::io::stdout().write_all(&output) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE, // nobody listens
        },
        Err(error) => {
            // containerd shows it to whoever asked for the container.
            drop(writeln!(std::io::stderr(), "containerd-shim-coffer-v1: {}", chain(&*error)));
            ExitCode::FAILURE
        }
    }
}

/// What goes to standard output: an address, or a message.
fn run() -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let words = std::env::args_os().skip(1);
    let words = words.map(|word| word.to_string_lossy().into_owned());
    let flags = Flags::parse(words)?;
    let here = || -> Result<String, std::io::Error> {
        Ok(std::env::current_dir()?.to_string_lossy().into_owned())
    };
    match flags.verb {
        Verb::Version => {
            Ok(format!("containerd-shim-coffer-v1 {}\n", env!("CARGO_PKG_VERSION")).into())
        }
        Verb::Start => {
            let surroundings = Surroundings {
                events: std::env::var("TTRPC_ADDRESS").unwrap_or_default(),
                program: std::env::current_exe()?,
                bundle: here()?,
            };
            Ok(launch(&flags, &surroundings)?.into_bytes())
        }
        Verb::Delete => {
            let bundle = flags.bundle.clone().map_or_else(here, Ok)?;
            Ok(clean_up(&flags, &bundle)?.encode_to_vec())
        }
    }
}
