//! `coffer history`.

use coffer_oci::{Descriptor, Platform};
use coffer_store::Image;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::flags::{Columns, Common, Form, ListFlags};
use crate::lookup;
use crate::ui::{self, Table};
use crate::verb::Command;

/// The longest command that is shown whole. Source: docker history.
const COMMAND: usize = 45;

/// What docker says of all steps but the last, which have no id of their own.
const MISSING: &str = "<missing>";

/// Show how an image came to be
///
/// Its last step stands first. Sizes are those of the layers as they are kept, compressed.
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct History {
    /// The image: its name or digest, oci:DIR, oci-archive:FILE or docker-archive:FILE
    image: String,
    /// Print sizes and times for people; =false for programs
    #[arg(
        short = 'H', long, value_name = "BOOL", default_value_t = true,
        default_missing_value = "true", num_args = 0..=1, require_equals = true,
        action = clap::ArgAction::Set
    )]
    human: bool,
    /// That of another platform, such as linux/arm64
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    #[command(flatten)]
    list: ListFlags,
    #[command(flatten)]
    common: Common,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listing<'a> {
    version: u32,
    steps: Vec<Item<'a>>,
}

/// One step of it.
#[derive(Serialize)]
struct Item<'a> {
    created: Option<&'a str>,
    created_by: Option<&'a str>,
    comment: Option<&'a str>,
    layer: Option<&'a Descriptor>,
}

/// A step that an image was made by.
struct Step<'a> {
    /// The image's own id for the last one.
    id: Option<String>,
    told: Option<&'a coffer_oci::History>,
    layer: Option<&'a Descriptor>,
}

impl Command for History {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let form = self.list.form(heading())?;
        let store = context.store()?;
        let platform = self.platform.clone().unwrap_or_else(Platform::host);
        let entry = lookup::image(&store, &self.image, &platform)?;
        let image = lookup::for_platform(&store, &entry.descriptor, &platform)?;
        let digest = &entry.descriptor.digest;
        let id = if self.list.no_trunc { digest.to_string() } else { digest.short().to_owned() };
        let steps = steps(&image, id);
        let text: String = match form {
            Form::Json => {
                let steps = steps.iter().map(Item::of).collect();
                return context.ui.json(&Listing { version: 1, steps }).map(|()| Exit::DONE);
            }
            Form::Ids => steps.iter().map(|step| step.id().to_owned() + "\n").collect(),
            Form::Docker(columns) => self.docker(&steps, &columns)?,
            Form::Table => self.table(&steps).render(),
        };
        context.ui.data(text.as_bytes()).map(|()| Exit::DONE)
    }
}

/// The steps of an image, the last first. Layers that its history does not speak of come last of
/// all that was done.
fn steps(image: &Image, id: String) -> Vec<Step<'_>> {
    let mut layers = image.manifest.layers.iter();
    let mut steps: Vec<Step<'_>> = Vec::new();
    for told in &image.config.history {
        let layer = if told.empty_layer { None } else { layers.next() };
        steps.push(Step { id: None, told: Some(told), layer });
    }
    steps.extend(layers.map(|layer| Step { id: None, told: None, layer: Some(layer) }));
    if let Some(last) = steps.last_mut() {
        last.id = Some(id);
    }
    steps.reverse();
    steps
}

impl History {
    fn table(&self, steps: &[Step<'_>]) -> Table {
        let mut table = Table::new(&["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]);
        let now = Timestamp::now();
        for step in steps {
            table.row([
                step.id().to_owned(),
                self.created(step, now),
                self.created_by(step),
                self.size(step),
                step.comment().to_owned(),
            ]);
        }
        table
    }

    /// Docker's fields. Source: docker history, "Format the output".
    fn docker(
        &self,
        steps: &[Step<'_>],
        wanted: &Columns<'_>,
    ) -> Result<String, crate::failure::Failure> {
        let now = Timestamp::now();
        let fields = |step: &Step<'_>| -> Value {
            json!({
                "ID": step.id(),
                "CreatedAt": step.created().unwrap_or_default(),
                "CreatedSince": self.created(step, now),
                "CreatedBy": self.created_by(step),
                "Size": self.size(step),
                "Comment": step.comment(),
            })
        };
        wanted.render(&steps.iter().map(fields).collect::<Vec<_>>())
    }

    fn created(&self, step: &Step<'_>, now: Timestamp) -> String {
        match (step.created(), self.human) {
            (None, true) => "N/A".to_owned(),
            (None, false) => String::new(),
            (Some(at), false) => at.to_owned(),
            (Some(at), true) => {
                ui::moment(at).map_or_else(|| at.to_owned(), |at| ui::age(at, now) + " ago")
            }
        }
    }

    fn size(&self, step: &Step<'_>) -> String {
        let size = step.layer.map_or(0, |layer| layer.size);
        if self.human { ui::bytes(size) } else { size.to_string() }
    }

    fn created_by(&self, step: &Step<'_>) -> String {
        let whole = step.told.and_then(|told| told.created_by.as_deref()).unwrap_or_default();
        if self.list.no_trunc || whole.chars().count() <= COMMAND {
            return whole.to_owned();
        }
        whole.chars().take(COMMAND - 1).chain(['…']).collect()
    }
}

/// Docker's fields by their headings.
fn heading() -> Value {
    json!({
        "ID": "IMAGE", "CreatedAt": "CREATED AT", "CreatedSince": "CREATED",
        "CreatedBy": "CREATED BY", "Size": "SIZE", "Comment": "COMMENT",
    })
}

impl Step<'_> {
    fn id(&self) -> &str {
        self.id.as_deref().unwrap_or(MISSING)
    }

    fn created(&self) -> Option<&str> {
        self.told?.created.as_deref()
    }

    fn comment(&self) -> &str {
        self.told.and_then(|told| told.comment.as_deref()).unwrap_or_default()
    }
}

impl<'a> Item<'a> {
    fn of(step: &Step<'a>) -> Self {
        let told = step.told;
        Self {
            created: told.and_then(|told| told.created.as_deref()),
            created_by: told.and_then(|told| told.created_by.as_deref()),
            comment: told.and_then(|told| told.comment.as_deref()),
            layer: step.layer,
        }
    }
}
