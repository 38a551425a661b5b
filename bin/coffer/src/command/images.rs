//! `coffer images`.

use coffer_oci::{Descriptor, Platform, Reference};
use coffer_store::{Entry, Image, Store};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::{Columns, Common, Form, ListFlags};
use crate::lookup;
use crate::pattern::{Glob, PatternError};
use crate::ui::{self, Table};
use crate::verb::Command;

/// List images
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Images {
    /// Show only images of this repository, or this name; * and ? stand for any characters but /
    name: Option<Glob>,
    /// Show whole digests in a column of their own
    #[arg(long)]
    digests: bool,
    /// Show only images that match, as reference=NAME, dangling=true or label=NAME[=VALUE]
    #[arg(long, value_name = "FILTER", short = 'f')]
    filter: Vec<Filter>,
    #[command(flatten)]
    list: ListFlags,
    #[command(flatten)]
    common: Common,
}

/// What an image must be to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Filter {
    Reference(Glob),
    Dangling(Named),
    Label(String),
}

/// Whether an image has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Yes,
    No,
}

impl std::str::FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some(("reference", name)) => {
                name.parse().map(Self::Reference).map_err(|error: PatternError| error.to_string())
            }
            Some(("dangling", "true" | "1")) => Ok(Self::Dangling(Named::No)),
            Some(("dangling", "false" | "0")) => Ok(Self::Dangling(Named::Yes)),
            Some(("label", label)) => Ok(Self::Label(label.to_owned())),
            _ => Err("filters are reference=NAME, dangling=true and label=NAME[=VALUE]".to_owned()),
        }
    }
}

/// One line.
struct Row {
    entry: Entry,
    /// The image for this host; none where only another platform was pulled, or it is damaged.
    image: Option<Image>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listing {
    version: u32,
    images: Vec<Item>,
}

/// One image of it.
#[derive(Serialize)]
struct Item {
    name: Option<String>,
    digest: String,
    media_type: String,
    created: Option<String>,
    size: Option<u64>,
    layers: Option<usize>,
}

impl Command for Images {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let form = self.list.form(heading())?;
        let rows = self.rows(&context.store()?)?;
        let text: String = match form {
            Form::Json => {
                let images = rows.iter().map(Item::of).collect();
                return context.ui.json(&Listing { version: 1, images }).map(|()| Exit::DONE);
            }
            Form::Ids => rows.iter().map(|row| self.id(row) + "\n").collect(),
            Form::Docker(columns) => self.docker(&rows, &columns)?,
            Form::Table => self.table(&rows).render(),
        };
        context.ui.data(text.as_bytes()).map(|()| Exit::DONE)
    }
}

impl Images {
    /// The images to show, those that came last first.
    fn rows(&self, store: &Store) -> Result<Vec<Row>, Failure> {
        let host = Platform::host();
        let mut rows = Vec::new();
        for entry in store.images()?.into_iter().rev() {
            // What cannot be read is listed all the same: `system check` says what is wrong.
            let image = lookup::for_platform(store, &entry.descriptor, &host).ok();
            let row = Row { entry, image };
            if self.shows(&row) {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    fn shows(&self, row: &Row) -> bool {
        let name = row.entry.name.as_ref();
        let is_named = |wanted: &Glob| name.is_some_and(|name| answers(name, wanted));
        self.name.as_ref().is_none_or(is_named)
            && self.filter.iter().all(|filter| match filter {
                Filter::Reference(wanted) => is_named(wanted),
                Filter::Dangling(Named::Yes) => name.is_some(),
                Filter::Dangling(Named::No) => name.is_none(),
                Filter::Label(label) => row.image.as_ref().is_some_and(|i| has_label(i, label)),
            })
    }

    fn id(&self, row: &Row) -> String {
        let digest = &row.entry.descriptor.digest;
        if self.list.no_trunc { digest.to_string() } else { digest.short().to_owned() }
    }

    fn table(&self, rows: &[Row]) -> Table {
        let mut table = if self.digests {
            Table::new(&["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"])
        } else {
            Table::new(&["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"])
        };
        let now = Timestamp::now();
        for row in rows {
            let (repository, tag) = lookup::repository_and_tag(row.entry.name.as_ref());
            let created =
                row.image.as_ref().and_then(|image| ui::moment(image.config.created.as_deref()?));
            let created = since(created, now);
            let size = row.image.as_ref().map_or_else(|| "N/A".to_owned(), |i| ui::bytes(size(i)));
            let mut cells = vec![repository, tag];
            if self.digests {
                cells.push(row.entry.descriptor.digest.to_string());
            }
            cells.extend([self.id(row), created, size]);
            table.cells(cells);
        }
        table
    }
}

impl Images {
    /// Docker's fields, as `wanted` says. Source: docker images, "Format the output".
    fn docker(&self, rows: &[Row], wanted: &Columns<'_>) -> Result<String, Failure> {
        let now = Timestamp::now();
        let fields = |row: &Row| {
            let (repository, tag) = lookup::repository_and_tag(row.entry.name.as_ref());
            let created = row.image.as_ref().and_then(|i| ui::moment(i.config.created.as_deref()?));
            json!({
                "Repository": repository,
                "Tag": tag,
                "ID": self.id(row),
                "Digest": row.entry.descriptor.digest,
                "CreatedAt": created.map_or_else(|| "N/A".to_owned(), ui::docker_time),
                "CreatedSince": since(created, now),
                "Size": row.image.as_ref().map_or_else(|| "N/A".to_owned(), |i| ui::bytes(size(i))),
            })
        };
        wanted.render(&rows.iter().map(fields).collect::<Vec<_>>())
    }
}

/// Docker's fields by their headings.
fn heading() -> Value {
    json!({
        "Repository": "REPOSITORY", "Tag": "TAG", "ID": "IMAGE ID", "Digest": "DIGEST",
        "CreatedAt": "CREATED AT", "CreatedSince": "CREATED", "Size": "SIZE",
    })
}

/// How long ago, if that is known.
fn since(created: Option<Timestamp>, now: Timestamp) -> String {
    created.map_or_else(|| "N/A".to_owned(), |at| ui::age(at, now) + " ago")
}

impl Item {
    fn of(row: &Row) -> Self {
        let Descriptor { digest, media_type, .. } = &row.entry.descriptor;
        Self {
            name: row.entry.name.as_ref().map(Reference::to_string),
            digest: digest.to_string(),
            media_type: media_type.to_string(),
            created: row.image.as_ref().and_then(|image| image.config.created.clone()),
            size: row.image.as_ref().map(size),
            layers: row.image.as_ref().map(|image| image.manifest.layers.len()),
        }
    }
}

/// Whether `name` is what a person wanted: the whole name, or its repository.
fn answers(name: &Reference, wanted: &Glob) -> bool {
    let (repository, tag) = lookup::repository_and_tag(Some(name));
    let exact = wanted.name().strip_prefix("docker://").unwrap_or(wanted.name());
    exact.parse::<Reference>().is_ok_and(|exact| exact == *name)
        || wanted.matches(&repository)
        || wanted.matches(&format!("{repository}:{tag}"))
}

fn has_label(image: &Image, wanted: &str) -> bool {
    let labels = &image.config.config.labels;
    match wanted.split_once('=') {
        Some((name, value)) => labels.get(name).is_some_and(|found| found == value),
        None => labels.contains_key(wanted),
    }
}

/// What the image takes in the store: its layers as they came, compressed.
pub(super) fn size(image: &Image) -> u64 {
    image.descriptor.size + image.blobs().map(|blob| blob.size).sum::<u64>()
}
