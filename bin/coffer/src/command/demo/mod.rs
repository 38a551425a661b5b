//! `coffer demo`: the whole path, with no registry and no network.
//!
//! An image is assembled from coffer's own static binary and put into a store of the demo's own;
//! from there on everything is what `coffer run` does with any image, done by the same binary. In
//! the container `demo-probe` tries what it can reach. What was made is removed at the end.

mod image;
mod layer;

use std::path::Path;
use std::process::Stdio;

use coffer_oci::Reference;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::Common;
use crate::scratch::Scratch;
use crate::ui::{self, Detail};
use crate::verb::Command;

/// The image's name; no registry is ever asked for it.
const NAME: &str = "localhost/coffer/demo:1";

/// Show the whole path, without a registry or a network
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Demo {
    #[command(flatten)]
    common: Common,
}

impl Command for Demo {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, mut context: Context) -> Outcome {
        context.ui.set_detail(Detail::Steps);
        let scratch = Scratch::new("demo")?;
        assemble(&context, &scratch.path())?;
        let exit = coffer(&scratch.path(), &["run", "--rm", "--offline", NAME])?;
        tidy(&context, &scratch)?;
        conclude(&context, exit)
    }
}

fn assemble(context: &Context, root: &Path) -> Result<(), Failure> {
    let store = context.store_at(root)?;
    let name: Reference = NAME.parse()?;
    let manifest = image::assemble(&store, &name)?;
    let image = store.image(&manifest)?;
    let size = image.manifest.layers.iter().map(|layer| layer.size).sum();
    context.ui.step(
        "assembled",
        format_args!("{NAME} from coffer's own binary: 1 layer, {}", ui::bytes(size)),
    );
    context.ui.step("stored", format_args!("in {}, for this demo alone", root.display()));
    Ok(())
}

/// Runs coffer on the demo's store; its words and the container's go where ours go.
fn coffer(root: &Path, args: &[&str]) -> Result<Exit, Failure> {
    let mut command = std::process::Command::new("/proc/self/exe");
    command.arg("--verbose").arg("--root").arg(root).args(args).stdin(Stdio::null());
    let status = command.status().map_err(|error| {
        Failure::new("coffer cannot start itself").at("/proc/self/exe").because(error.to_string())
    })?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(Exit::FAILED, Exit))
}

/// Removes what the demo has made: what an ordinary user's containers own is not that user's to
/// remove by hand, so coffer does it.
fn tidy(context: &Context, scratch: &Scratch) -> Result<(), Failure> {
    let mut command = std::process::Command::new("/proc/self/exe");
    command.arg("--root").arg(scratch.path()).args(["system", "prune", "--all", "--containers"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).status().map_err(|error| {
        Failure::new("coffer cannot start itself").at("/proc/self/exe").because(error.to_string())
    })?;
    scratch.remove()?;
    context.ui.step("removed", "the container, the image and their folder");
    Ok(())
}

fn conclude(context: &Context, exit: Exit) -> Outcome {
    match exit {
        Exit::DONE => {
            context.ui.step("held", "everything that should be out of reach was");
            Ok(Exit::DONE)
        }
        Exit::FINDINGS => Err(Failure::new("something was not as predicted")
            .because("the lines marked NOT AS PREDICTED say what")
            .help("describe the host: coffer system info")
            .exits(Exit::FINDINGS)),
        other => Err(Failure::new("the demo's container did not run to its end")
            .because(format!("its exit status was {}", other.0))
            .exits(other)),
    }
}
