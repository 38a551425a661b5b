//! `coffer run`.

use crate::command::explain;
use crate::container::{self, Order};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::flags::{Common, ConsoleFlags, ContainerArgs};
use crate::grammar::Flags;
use crate::limits;
use crate::verb::Command;

/// Run a command in a new container
///
/// The image is fetched if it is not here. The exit status is the command's own; 121 means that a
/// policy refused the image, 125 that coffer failed, 126 that the command cannot be invoked, 127
/// that it was not found.
#[derive(Debug, clap::Parser)]
#[command(
    disable_help_flag = true,
    override_usage = "coffer run [OPTIONS] <IMAGE> [COMMAND] [ARGUMENT]..."
)]
pub(crate) struct Run {
    /// Leave it to itself, and print its id
    #[arg(short, long, conflicts_with = "dry_run")]
    detach: bool,
    /// Say what would be done, and make nothing
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: print the runtime specification as JSON
    #[arg(long, requires = "dry_run")]
    json: bool,
    #[command(flatten)]
    console: ConsoleFlags,
    #[command(flatten)]
    container: ContainerArgs,
}

impl Command for Run {
    const FLAGS: Flags = Flags::BeforeCommand;

    fn common(&self) -> &Common {
        &self.container.common
    }

    fn run(self, mut context: Context) -> Outcome {
        let mut order = Order::read(&mut context, &self.container)?;
        if self.dry_run {
            describe(&mut order, self.json)
        } else if self.detach {
            container::run_detached(&order)
        } else {
            container::run_attached(&order, &self.console)
        }
    }
}

/// Makes the container up to its start, says what it would be, and takes it away again.
fn describe(order: &mut Order<'_>, json: bool) -> Outcome {
    let mut root = None;
    let ready = order.try_out(&mut root)?;
    let ui = &order.context.ui;
    if json {
        ui.json(&ready.config().spec)?;
    } else {
        let words: Vec<String> = ready.record().command.iter().map(|w| format!("{w:?}")).collect();
        ui.words(&format!("would run {}", words.join(" ")))?;
        let (record, config) = (ready.record(), ready.config());
        let mut explanation = config.confinement.explain();
        explanation.controls.extend(limits::controls(&config.limits, &record.cgroup));
        explanation.controls.push(limits::disk(&ready.reserve()?, Some(&config.spec)));
        explanation.gaps.extend(limits::gaps(&config.limits, &record.cgroup));
        explain::text::holds(ui, &explanation.controls, &explanation.gaps)?;
    }
    ready.discard()?;
    Ok(Exit::DONE)
}
