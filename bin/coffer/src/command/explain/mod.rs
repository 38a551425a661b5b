//! `coffer explain`: what holds a container, who said so, what does not, and what can come of it.
//!
//! It reads coffer's own containers and images, bundles of other engines, any process, and
//! manifests of Kubernetes.

mod diff;
mod graph;
mod html;
mod image;
mod manifest;
mod source;
pub(crate) mod text;

use coffer_confine::confinement::{Control, Gap};
use coffer_confine::posture::{Posture, Words};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::{Common, Json};
use crate::verb::Command;

/// Say what holds a container, and what does not
///
/// Of an image it says what a container of it would have without a flag. `coffer explain diff A B`
/// says what B can do that A cannot. Of a Kubernetes manifest it explains each container of its
/// pods; FILE#NAME means one of them. It exits with 0 if nothing was opened by a flag (or A and B
/// can do the same), with 1 if something was, and with 2 if that cannot be told.
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Explain {
    /// A container, an image, the number of a process, the folder of a bundle or a Kubernetes
    /// manifest (.yaml, .yml, .json); or diff and two
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
    /// Whose words say what would be stronger.
    words: Words,
}

/// What a name stands for.
#[derive(Debug)]
pub(super) enum Found {
    /// One fence.
    One(Box<Subject>),
    /// One for each container of a manifest.
    Many(Vec<Subject>),
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
            [name] => match source::find(context, name)? {
                Found::One(subject) => self.one(context, &subject),
                Found::Many(subjects) => self.many(context, &subjects),
            },
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
        if self.json.json {
            context.ui.json(&graph::report(subject))?;
            return Ok(exit([subject]));
        }
        self.many(context, std::slice::from_ref(subject))
    }

    fn many(&self, context: &Context, subjects: &[Subject]) -> Outcome {
        if self.html {
            context.ui.data(html::page(subjects).as_bytes())?;
        } else if self.json.json {
            context.ui.json(&graph::reports(subjects))?;
        } else {
            for (place, subject) in subjects.iter().enumerate() {
                if place > 0 {
                    context.ui.line("")?;
                }
                text::print(&context.ui, subject)?;
            }
        }
        Ok(exit(subjects))
    }
}

/// Whether something was opened by a flag or a field.
fn exit<'a>(subjects: impl IntoIterator<Item = &'a Subject>) -> Exit {
    let mut gaps = subjects.into_iter().flat_map(|subject| &subject.gaps);
    if gaps.any(|gap| gap.from.is_some()) { Exit::FINDINGS } else { Exit::DONE }
}
