//! `coffer audit --probe`: what a container can reach, tried and judged from the host's side.

mod guard;
mod own;
mod peer;
pub(crate) mod prober;
mod runtime;
mod text;

use std::io::{self, BufReader, Read};
use std::process::{ChildStdout, Command as Program, Stdio};

use coffer_audit::{Examined, Names, Stage, examine};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::{Common, Json, PullFlags, Tier, UnpackFlags};
use crate::scratch::Scratch;
use crate::verb::Command;
use runtime::Runtime;

/// Try what a container can reach, judged from the host's side
///
/// A container made from the image runs a corpus of harmless break-out attempts. It exits with 0
/// if nothing was reached that is not predicted, with 1 if something was, and with 2 if that
/// cannot be told. Flags of `coffer run` may follow the image, to audit a container made with
/// them: coffer audit --probe busybox -- --network host
#[derive(Debug, clap::Parser)]
#[command(
    disable_help_flag = true,
    override_usage = "coffer audit --probe [OPTIONS] <IMAGE> [-- FLAGS OF RUN...]"
)]
pub(crate) struct Audit {
    /// Run the corpus of break-out attempts
    #[arg(long, required = true)]
    probe: bool,
    /// Run it under this OCI runtime too, with the runtime's own default specification; options of
    /// the runtime's own may follow its path: --runtime 'runsc --network=none'
    #[arg(long, value_name = "PATH [OPTIONS]")]
    runtime: Vec<Runtime>,
    /// The wall: native is the only one yet
    #[arg(long, value_name = "TIER", default_value = "native")]
    tier: Tier,
    /// List every row, and not only what was reached
    #[arg(long, conflicts_with = "json")]
    all: bool,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    pull: PullFlags,
    #[command(flatten)]
    unpack: UnpackFlags,
    /// The image: a registry name, oci:DIR, oci-archive:FILE or docker-archive:FILE
    image: String,
    /// Flags of run
    #[arg(last = true)]
    flags: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// A container that was examined, under the name of its runtime.
pub(super) struct Column {
    name: String,
    examined: Examined,
}

impl Command for Audit {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        self.audit(&context).map_err(Failure::cannot_tell)
    }
}

impl Audit {
    fn audit(&self, context: &Context) -> Outcome {
        let scratch = Scratch::new("audit")?;
        let names = Names::random()?;
        guard::start(|| {
            names.remove();
            scratch.remove().unwrap_or_default();
        })?;
        let mut stage = Stage::new(&names, &scratch.path(), own::program()?)?;
        let mut columns = vec![own::column(self, context, &mut stage)?];
        if !self.runtime.is_empty() {
            let bundles = peer::Bundles::new(self, context, &scratch.path())?;
            for runtime in &self.runtime {
                columns.push(bundles.column(runtime, &mut stage)?);
            }
        }
        drop(stage);
        scratch.remove()?;
        if self.json.json {
            context.ui.json(&text::json(&self.image, &columns))?;
        } else {
            context.ui.data(text::table(&columns, self.detail()).as_bytes())?;
        }
        let found = columns.first().is_some_and(|own| own.examined.findings().count() > 0);
        Ok(if found { Exit::FINDINGS } else { Exit::DONE })
    }

    fn detail(&self) -> text::Detail {
        if self.all { text::Detail::All } else { text::Detail::Reached }
    }
}

/// Starts what runs the prober, and talks to it.
fn converse(name: &str, program: &mut Program, stage: &mut Stage) -> Result<Column, Failure> {
    let failed =
        |error: io::Error| Failure::new(format!("cannot start {name}")).because(error.to_string());
    let started = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = started.map_err(failed)?;
    let streams = child.stdin.take().zip(child.stdout.take());
    let Some((to, from)) = streams else { return Err(Failure::new("there are no pipes")) };
    let examined = examine(stage, to, BufReader::new(Patient(from)));
    if examined.is_err() {
        // It may hang; its container is a child of its own, and ends with its input.
        child.kill().map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    match examined {
        Ok(examined) => Ok(Column { name: name.to_owned(), examined }),
        Err(error) => Err(Failure::from(error).at(name).because(format!("it ended: {status}"))),
    }
}

/// What a prober says, who is given a minute for each row.
struct Patient(ChildStdout);

impl Read for Patient {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let minute = Timespec { tv_sec: 60, tv_nsec: 0 };
        match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&minute))? {
            0 => Err(io::Error::new(io::ErrorKind::TimedOut, "it has said nothing for a minute")),
            _ => self.0.read(to),
        }
    }
}
