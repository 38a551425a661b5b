//! `coffer system prune`: collects what nothing names.

use coffer_oci::Descriptor;
use coffer_runtime::state::{Containers, Status};
use coffer_store::Store;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::Json;
use crate::lookup;
use crate::ui;

/// What becomes of containers that have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// They stay until `rm`.
    Keep,
    /// They go.
    Remove,
}

/// What becomes of images that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// They stay until `rmi`.
    Keep,
    /// They go unless a container was made from them.
    RemoveUnused,
}

/// What `--json` prints.
#[derive(Debug, Default, Serialize)]
struct Report {
    version: u32,
    containers: Vec<String>,
    images: Vec<String>,
    blobs: usize,
    parts: usize,
    layers: usize,
    bytes: u64,
}

pub(super) fn run(context: &Context, stopped: Stopped, named: Named, json: &Json) -> Outcome {
    let mut report = Report { version: 1, ..Report::default() };
    let containers = context.containers()?;
    remove_containers(&containers, stopped, &mut report)?;
    let mut store = context.store()?;
    let keep = needed(&store, &containers)?;
    if named == Named::RemoveUnused {
        remove_unused(&store, &keep, &mut report)?;
    }
    let exclusive = store.exclusive()?;
    let pruned = exclusive.prune(&keep)?;
    report.images.extend(pruned.images.iter().map(ToString::to_string));
    (report.blobs, report.parts, report.bytes) = (pruned.blobs.len(), pruned.parts, pruned.bytes);
    drop(exclusive);
    if json.json {
        context.ui.json(&report)?;
    } else {
        context.ui.line(format_args!(
            "removed {} containers, {} images, {} blobs, {} unfinished downloads, {} unpacked layers: {} freed",
            report.containers.len(),
            report.images.len(),
            report.blobs,
            report.parts,
            report.layers,
            ui::bytes(report.bytes)
        ))?;
    }
    Ok(Exit::DONE)
}

/// Wrecks always go: nothing else can be done with them.
fn remove_containers(
    containers: &Containers,
    stopped: Stopped,
    report: &mut Report,
) -> Result<(), Failure> {
    for listed in containers.list()? {
        let goes = match listed.status {
            Status::Wreck => true,
            Status::Stopped(_) | Status::Created => stopped == Stopped::Remove,
            _ => false,
        };
        if goes {
            crate::command::rm::remove(containers, listed.id.as_str())?;
            report.containers.push(listed.id.to_string());
        }
    }
    Ok(())
}

/// The images that containers were made from.
fn needed(store: &Store, containers: &Containers) -> Result<Vec<Descriptor>, Failure> {
    let mut needed = Vec::new();
    for listed in containers.list()? {
        if let Some(digest) = listed.record.and_then(|record| record.manifest) {
            needed.extend(lookup::by_own_words(store, &digest)?);
        }
    }
    Ok(needed)
}

fn remove_unused(store: &Store, needed: &[Descriptor], report: &mut Report) -> Result<(), Failure> {
    for entry in store.images()? {
        let is_needed = |image: &Descriptor| needed.iter().any(|n| n.digest == image.digest);
        let host = coffer_oci::Platform::host();
        let chosen = store.choose(&entry.descriptor, &host);
        if !is_needed(&entry.descriptor) && !chosen.is_ok_and(|chosen| is_needed(&chosen)) {
            store.forget(&entry.descriptor)?;
            report.images.push(entry.descriptor.digest.to_string());
        }
    }
    Ok(())
}
