//! `coffer inspect`: docker's fields where they mean the same; of any process its rights.

mod container;
mod process;

use coffer_oci::{ImageName, Platform, Reference};
use coffer_runtime::state::{Containers, StateError};
use coffer_store::{Entry, Store};
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::{Common, Json};
use crate::lookup;
use crate::template::{self, Template};
use crate::verb::Command;
pub(super) use process::{limits_of, lines};

/// Print all that is known of containers or images, as JSON
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Inspect {
    /// Names or ids; images also as oci:DIR, oci-archive:FILE or docker-archive:FILE
    #[arg(required_unless_present = "process")]
    names: Vec<String>,
    /// Show a process instead: its capabilities, namespaces, ids, control groups and labels
    #[arg(long, value_name = "PID", conflicts_with = "names")]
    process: Option<u32>,
    /// Look among these alone: container or image
    #[arg(long, value_name = "TYPE")]
    r#type: Option<Type>,
    /// Print what a Go template makes of each, such as {{.Id}}; or json, on one line
    #[arg(short, long, value_name = "FORMAT", conflicts_with_all = ["json", "process"])]
    format: Option<Template>,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    common: Common,
}

/// What a name may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Container,
    Image,
}

impl std::str::FromStr for Type {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "container" => Ok(Self::Container),
            "image" => Ok(Self::Image),
            _ => Err("types are container and image"),
        }
    }
}

impl Command for Inspect {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        if let Some(pid) = self.process {
            return process::run(&context, pid, &self.json);
        }
        let store = context.store()?;
        let containers = Containers::open(store.root())?;
        let one = |name: &String| self.one(&store, &containers, name);
        // As docker does it, what there is is printed, whatever is not there.
        let (mut found, mut last) = (Vec::new(), None);
        for looked_up in self.names.iter().map(one) {
            match looked_up {
                Ok(value) => found.push(value),
                Err(failure) => {
                    if let Some(earlier) = last.replace(failure) {
                        context.ui.failure(&earlier);
                    }
                }
            }
        }
        if !found.is_empty() {
            self.print(&context, &found)?;
        }
        last.map_or(Ok(Exit::DONE), Err)
    }
}

impl Inspect {
    fn print(&self, context: &Context, found: &[Value]) -> Result<(), Failure> {
        let Some(template) = &self.format else {
            return context.ui.json(&found);
        };
        found.iter().try_for_each(|value| {
            context.ui.line(template.fill(value).map_err(|error| template::failure(&error))?)
        })
    }

    /// A container comes first, as with docker.
    fn one(&self, store: &Store, containers: &Containers, name: &str) -> Result<Value, Failure> {
        if self.r#type != Some(Type::Image) {
            match containers.find(name) {
                Ok(folder) => return container::container(containers, &folder),
                Err(StateError::NotFound { .. }) if self.r#type.is_none() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let entry =
            lookup::image(store, name, &Platform::host()).map_err(|failure| match self.r#type {
                None if !is_file(name) => {
                    Failure::new(format!("there is no container or image {name:?}"))
                        .help("coffer ps --all and coffer images list those that are")
                }
                _ => failure,
            })?;
        image(store, &entry)
    }
}

/// Whether a person has named a file, so that nothing else was meant.
fn is_file(name: &str) -> bool {
    name.parse::<ImageName>().is_ok_and(|name| !matches!(name, ImageName::Registry(_)))
}

fn image(store: &Store, entry: &Entry) -> Result<Value, Failure> {
    let image = lookup::for_platform(store, &entry.descriptor, &Platform::host())?;
    let all = store.images()?;
    let same = all.iter().filter(|other| other.descriptor.digest == entry.descriptor.digest);
    let names: Vec<String> =
        same.filter_map(|e| e.name.as_ref().map(Reference::familiar)).collect();
    let repositories = names.iter().filter_map(|name| name.parse::<Reference>().ok());
    let digests: Vec<String> = repositories
        .map(|name| name.with_digest(entry.descriptor.digest.clone()).familiar())
        .collect();
    Ok(json!({
        "Id": entry.descriptor.digest,
        "RepoTags": names,
        "RepoDigests": digests,
        "Manifest": image.descriptor.digest,
        "Created": image.config.created,
        "Author": image.config.author,
        "Architecture": image.config.architecture,
        "Variant": image.config.variant,
        "Os": image.config.os,
        "Size": crate::command::images::size(&image),
        "Config": image.config.config,
        "RootFS": { "Type": "layers", "Layers": image.config.rootfs.diff_ids },
        "Layers": image.manifest.layers,
        "History": image.config.history,
    }))
}
