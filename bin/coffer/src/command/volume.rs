//! `coffer volume create|ls|inspect|rm|prune`.

use std::collections::BTreeMap;

use coffer_runtime::container::DataRoot;
use coffer_runtime::volume::{About, DATA, FOLDER, Kind, Volume, VolumeError, VolumeName};
use serde::Serialize;
use serde_json::{Value, json};

use crate::context::Context;
use crate::each::try_each;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::{Columns, Common, Form, FormatFlags, Json, Label};
use crate::template::{self, Template};
use crate::ui::{self, Table};
use crate::verb::Command;

/// Make, list and remove volumes
///
/// A volume is a folder that coffer keeps, and that containers share by its name:
/// coffer run -v NAME:/PATH. An empty one gets what the image has at its place.
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true, disable_help_subcommand = true)]
pub(crate) struct Volumes {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    common: Common,
}

/// What is done.
#[derive(Debug, clap::Subcommand)]
#[command(disable_help_flag = true)]
enum What {
    /// Make a volume, and print its name
    #[command(disable_help_flag = true)]
    Create {
        /// Its name; one that nobody has where none is given
        name: Option<VolumeName>,
        /// Attach words to it
        #[arg(long, value_name = "NAME[=VALUE]")]
        label: Vec<Label>,
        /// Docker's flag for who keeps it; coffer does: local
        #[arg(short, long, value_name = "DRIVER", default_value = "local")]
        driver: Driver,
    },
    /// List volumes
    #[command(disable_help_flag = true, visible_alias = "list")]
    Ls {
        /// Print names only
        #[arg(short, long, conflicts_with = "format")]
        quiet: bool,
        /// Show only what matches: name=, label=NAME[=VALUE], dangling=true (no container uses it)
        #[arg(short, long, value_name = "FILTER")]
        filter: Vec<Filter>,
        #[command(flatten)]
        format: FormatFlags,
    },
    /// Print all that is known of volumes
    #[command(disable_help_flag = true)]
    Inspect {
        /// Their names
        #[arg(required = true)]
        names: Vec<VolumeName>,
        /// Print what a Go template makes of each, such as {{.Mountpoint}}; or json, on one line
        #[arg(short, long, value_name = "FORMAT")]
        format: Option<Template>,
    },
    /// Remove volumes that no container uses
    #[command(disable_help_flag = true, visible_alias = "remove")]
    Rm {
        /// Their names
        #[arg(required = true)]
        names: Vec<VolumeName>,
        /// Say nothing of what is not there
        #[arg(short, long)]
        force: bool,
    },
    /// Remove all volumes without a name of their own that no container uses
    #[command(disable_help_flag = true)]
    Prune {
        /// Those with a name, too
        #[arg(short, long)]
        all: bool,
        /// Docker's flag against a question; coffer asks none
        #[arg(short, long)]
        force: bool,
        #[command(flatten)]
        json: Json,
    },
}

/// Who keeps a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Driver;

impl std::str::FromStr for Driver {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "local" { Ok(Self) } else { Err("coffer keeps volumes itself: local") }
    }
}

/// What a volume must be to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Filter {
    Name(String),
    Label(String),
    Dangling(Users),
}

/// Whether containers use a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Users {
    None,
    Some,
}

impl std::str::FromStr for Filter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some(("name", part)) => Ok(Self::Name(part.to_owned())),
            Some(("label", label)) => Ok(Self::Label(label.to_owned())),
            Some(("dangling", "true" | "1")) => Ok(Self::Dangling(Users::None)),
            Some(("dangling", "false" | "0")) => Ok(Self::Dangling(Users::Some)),
            _ => Err("filters are name=PART, label=NAME[=VALUE] and dangling=true"),
        }
    }
}

/// What `ls --json` prints.
#[derive(Serialize)]
struct Listing<'a> {
    version: u32,
    volumes: Vec<Item<'a>>,
}

/// One volume of it.
#[derive(Serialize)]
struct Item<'a> {
    name: &'a VolumeName,
    kind: Kind,
    created: jiff::Timestamp,
    labels: &'a BTreeMap<String, String>,
}

/// What `prune --json` prints.
#[derive(Serialize)]
struct Report {
    version: u32,
    volumes: Vec<VolumeName>,
    bytes: u64,
}

impl Command for Volumes {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let root = context.data_root()?;
        match self.what {
            What::Create { name, label, driver: _ } => create(&context, &root, name, &label),
            What::Ls { quiet, filter, format } => {
                let form = if quiet { Form::Ids } else { format.form(heading())? };
                list(&context, &root, &filter, &form)
            }
            What::Inspect { names, format } => inspect(&context, &root, &names, format.as_ref()),
            What::Rm { names, force } => {
                root.sweep()?;
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                try_each(&context, &names, |name| {
                    match root.remove_volume(&name.parse::<VolumeName>()?) {
                        Err(VolumeError::NotFound(_)) if force => Ok(()),
                        removed => {
                            removed?;
                            context.ui.line(name)
                        }
                    }
                })
            }
            What::Prune { all, force: _, json } => {
                let which = if all { Which::All } else { Which::Anonymous };
                let (volumes, bytes) = prune(&root, which)?;
                if json.json {
                    context.ui.json(&Report { version: 1, volumes, bytes })?;
                } else {
                    let size = ui::bytes(bytes);
                    context
                        .ui
                        .line(format_args!("removed {} volumes: {size} freed", volumes.len()))?;
                }
                Ok(Exit::DONE)
            }
        }
    }
}

fn create(
    context: &Context,
    root: &DataRoot,
    name: Option<VolumeName>,
    labels: &[Label],
) -> Outcome {
    let kind = if name.is_some() { Kind::Named } else { Kind::Anonymous };
    let name = name.map_or_else(VolumeName::random, Ok)?;
    let labels = labels.iter().map(|label| (label.0.clone(), label.1.clone())).collect();
    // As docker has it, one that is there stays what it is.
    root.create_volume(&name, &About::now(kind, labels))?;
    context.ui.line(name)?;
    Ok(Exit::DONE)
}

fn list(context: &Context, root: &DataRoot, filters: &[Filter], form: &Form<'_>) -> Outcome {
    let mut volumes = all(root)?;
    let mut kept = Vec::new();
    for volume in volumes.drain(..) {
        if shows(root, filters, &volume)? {
            kept.push(volume);
        }
    }
    let text: String = match form {
        Form::Json => {
            let volumes = kept.iter().map(Item::of).collect();
            return context.ui.json(&Listing { version: 1, volumes }).map(|()| Exit::DONE);
        }
        Form::Ids => kept.iter().map(|volume| format!("{}\n", volume.name)).collect(),
        Form::Docker(columns) => docker(root, &kept, columns)?,
        Form::Table => {
            let mut table = Table::new(&["DRIVER", "VOLUME NAME"]);
            kept.iter().for_each(|v| table.row(["local".to_owned(), v.name.to_string()]));
            table.render()
        }
    };
    context.ui.data(text.as_bytes()).map(|()| Exit::DONE)
}

fn all(root: &DataRoot) -> Result<Vec<Volume>, Failure> {
    Ok(root.volumes()?.map_or(Ok(Vec::new()), |volumes| volumes.list())?)
}

/// As docker has it, of labels all are wanted, and of names one is enough.
fn shows(root: &DataRoot, filters: &[Filter], volume: &Volume) -> Result<bool, Failure> {
    let names: Vec<&str> = filters
        .iter()
        .filter_map(|filter| if let Filter::Name(part) = filter { Some(&**part) } else { None })
        .collect();
    if !names.is_empty() && !names.iter().any(|part| volume.name.as_str().contains(part)) {
        return Ok(false);
    }
    for filter in filters {
        let holds = match filter {
            Filter::Name(_) => true,
            Filter::Label(label) => match label.split_once('=') {
                Some((name, value)) => volume.about.labels.get(name).is_some_and(|v| v == value),
                None => volume.about.labels.contains_key(label),
            },
            Filter::Dangling(users) => {
                root.users(&volume.name, None)?.is_empty() == (*users == Users::None)
            }
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Docker's fields by their headings. Source: docker volume ls, "Format the output".
fn heading() -> Value {
    json!({
        "Name": "VOLUME NAME", "Driver": "DRIVER", "Scope": "SCOPE", "Mountpoint": "MOUNTPOINT",
        "Labels": "LABELS", "Label": {},
    })
}

fn docker(root: &DataRoot, volumes: &[Volume], columns: &Columns<'_>) -> Result<String, Failure> {
    let pair = |(name, value): (&String, &String)| format!("{name}={value}");
    let row = |volume: &Volume| {
        let labels: Vec<String> = volume.about.labels.iter().map(pair).collect();
        let mut row = json!({
            "Name": volume.name,
            "Driver": "local",
            "Scope": "local",
            "Mountpoint": mountpoint(root, &volume.name),
            "Labels": labels.join(","),
        });
        if !columns.is_whole() {
            row["Label"] = json!(volume.about.labels);
        }
        row
    };
    columns.render(&volumes.iter().map(row).collect::<Vec<_>>())
}

fn mountpoint(root: &DataRoot, name: &VolumeName) -> String {
    root.path().join(FOLDER).join(name.as_str()).join(DATA).display().to_string()
}

fn inspect(
    context: &Context,
    root: &DataRoot,
    names: &[VolumeName],
    format: Option<&Template>,
) -> Outcome {
    let volumes = root.volumes()?;
    let one = |name: &VolumeName| -> Result<Value, Failure> {
        let found = volumes.as_ref().map_or(Ok(None), |volumes| volumes.find(name))?;
        let Volume { about, .. } = found.ok_or_else(|| VolumeError::NotFound(name.clone()))?;
        Ok(json!({
            "CreatedAt": about.created,
            "Driver": "local",
            "Labels": about.labels,
            "Mountpoint": mountpoint(root, name),
            "Name": name,
            "Options": null,
            "Scope": "local",
            "Anonymous": about.kind == Kind::Anonymous,
            "UsedBy": root.users(name, None)?,
        }))
    };
    // As docker does it, what there is is printed, whatever is not there.
    let (found, missing): (Vec<_>, Vec<_>) = names.iter().map(one).partition(Result::is_ok);
    let found: Vec<Value> = found.into_iter().flatten().collect();
    match format {
        Some(template) => found.iter().try_for_each(|value| {
            context.ui.line(template.fill(value).map_err(|error| template::failure(&error))?)
        })?,
        None => context.ui.json(&found)?,
    }
    let mut missing = missing.into_iter().filter_map(Result::err);
    let last = missing.next_back();
    missing.for_each(|failure| context.ui.failure(&failure));
    last.map_or(Ok(Exit::DONE), Err)
}

/// Which volumes go that nobody uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Those without a name of their own.
    Anonymous,
    /// All.
    All,
}

/// Removes volumes that nobody uses, and what was left of others. Gives their names, and the bytes
/// that they took.
pub(super) fn prune(root: &DataRoot, which: Which) -> Result<(Vec<VolumeName>, u64), Failure> {
    root.sweep()?;
    let Some(volumes) = root.volumes()? else { return Ok((Vec::new(), 0)) };
    volumes.sweep()?;
    let (mut removed, mut bytes) = (Vec::new(), 0_u64);
    for Volume { name, about } in volumes.list()? {
        if which == Which::Anonymous && about.kind == Kind::Named {
            continue;
        }
        let size = volumes.size(&name)?;
        match root.remove_volume(&name) {
            Err(VolumeError::InUse { .. } | VolumeError::NotFound(_)) => {}
            done => {
                done?;
                bytes = bytes.saturating_add(size);
                removed.push(name);
            }
        }
    }
    Ok((removed, bytes))
}

impl<'a> Item<'a> {
    fn of(volume: &'a Volume) -> Self {
        let Volume { name, about: About { created, kind, labels, .. } } = volume;
        Self { name, kind: *kind, created: *created, labels }
    }
}
