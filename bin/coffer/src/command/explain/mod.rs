//! `coffer explain`: what holds a container, who said so, what does not, and what can come of it.
//!
//! It reads coffer's own containers and images, bundles of other engines, and any process.

mod diff;
mod graph;
mod html;
mod image;
mod source;
mod text;

use coffer_confine::confinement::{Control, Gap};
use coffer_confine::posture::Posture;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::{Common, Json};
use crate::verb::Command;

/// Say what holds a container, and what does not
///
/// Of an image it says what a container of it would have without a flag. `coffer explain diff A B`
/// says what B can do that A cannot. It exits with 0 if nothing was opened by a flag (or A and B
/// can do the same), with 1 if something was, and with 2 if that cannot be told.
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Explain {
    /// A container, an image, the number of a process or the folder of a bundle; or diff and two
    #[arg(required = true, num_args = 1..=3)]
    names: Vec<String>,
    #[command(flatten)]
    json: Json,
    /// Print a page that shows it as a drawing, whole in one file
    #[arg(long, conflicts_with = "json")]
    html: bool,
    #[command(flatten)]
    common: Common,
}

/// Something that has a fence, and what is known of it.
#[derive(Debug)]
pub(super) struct Subject {
    /// What it is, in one line.
    headline: String,
    /// Facts for `--json` that stand beside the fence: id, name, image.
    facts: serde_json::Map<String, serde_json::Value>,
    /// What holds.
    controls: Vec<Control>,
    /// What does not.
    gaps: Vec<Gap>,
    /// The fence.
    posture: Posture,
}

impl Command for Explain {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        self.explain(&context).map_err(Failure::cannot_tell)
    }
}

impl Explain {
    fn explain(&self, context: &Context) -> Outcome {
        let words: Vec<&str> = self.names.iter().map(String::as_str).collect();
        match words[..] {
            [name] => self.one(context, &source::subject(context, name)?),
            ["diff", before, after] if !self.html => {
                let (before, after) =
                    (source::subject(context, before)?, source::subject(context, after)?);
                diff::run(context, &before, &after, &self.json)
            }
            _ => Err(Failure::new("`coffer explain` takes one name, or diff and two")
                .help("coffer explain NAME; coffer explain diff NAME NAME")),
        }
    }

    fn one(&self, context: &Context, subject: &Subject) -> Outcome {
        if self.html {
            context.ui.data(html::page(subject).as_bytes())?;
        } else if self.json.json {
            context.ui.json(&graph::report(subject))?;
        } else {
            text::print(&context.ui, subject)?;
        }
        let opened = subject.gaps.iter().any(|gap| gap.from.is_some());
        Ok(if opened { Exit::FINDINGS } else { Exit::DONE })
    }
}
