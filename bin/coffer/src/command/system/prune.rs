//! `coffer system prune`: collects what nothing names.

use std::collections::HashSet;

use coffer_oci::{Descriptor, Digest};
use coffer_runtime::container::{Anonymous, Container, DataRoot, Force};
use coffer_runtime::state::Status;
use coffer_runtime::volume::VolumeName;
use coffer_store::Store;
use serde::Serialize;

use crate::command::volume;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::Json;
use crate::lookup::Needed;
use crate::{ui, unpack};

/// What becomes of containers that have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// They stay until `rm`.
    Keep,
    /// They go.
    Remove,
}

/// What becomes of volumes without a name of their own that nobody uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unused {
    /// They stay until `volume prune`.
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
    volumes: Vec<VolumeName>,
    blobs: usize,
    parts: usize,
    layers: u64,
    bytes: u64,
}

pub(super) fn run(
    context: &Context,
    stopped: Stopped,
    named: Named,
    unused: Unused,
    json: &Json,
) -> Outcome {
    let mut report = Report { version: 1, ..Report::default() };
    let root = context.data_root()?;
    root.sweep()?;
    if stopped == Stopped::Remove {
        remove_stopped(&root, &mut report)?;
    }
    let mut freed = 0;
    match (unused, root.volumes()?) {
        (Unused::Remove, _) => {
            (report.volumes, freed) = volume::prune(&root, volume::Which::Anonymous)?;
        }
        (Unused::Keep, Some(volumes)) => volumes.sweep()?,
        (Unused::Keep, None) => {}
    }
    let mut store = context.store()?;
    // Nobody makes a container or an image from here on, so what is needed stays what it is.
    let exclusive = store.exclusive()?;
    let needed = Needed::read(exclusive.store(), root.containers())?;
    if named == Named::RemoveUnused {
        remove_unused(exclusive.store(), &needed.images, &mut report)?;
    }
    let pruned = exclusive.prune(&needed.images)?;
    report.images.extend(pruned.images.iter().map(ToString::to_string));
    (report.blobs, report.parts, report.bytes) =
        (pruned.blobs.len(), pruned.parts, pruned.bytes + freed);
    if needed.unknown == 0 {
        let chains: HashSet<&str> = pruned.chains.iter().map(Digest::hex).collect();
        let root = exclusive.store().root();
        report.layers =
            unpack::remove(root, &|name| !chains.contains(name) && !needed.has_layer(name))?;
    }
    drop(exclusive);
    if json.json {
        context.ui.json(&report)?;
    } else {
        context.ui.line(format_args!(
            "removed {} containers, {} volumes, {} images, {} blobs, {} unfinished downloads, {} unpacked layers: {} freed",
            report.containers.len(),
            report.volumes.len(),
            report.images.len(),
            report.blobs,
            report.parts,
            report.layers,
            ui::bytes(report.bytes)
        ))?;
    }
    Ok(Exit::DONE)
}

/// Wrecks were swept before: nothing else can be done with them.
fn remove_stopped(root: &DataRoot, report: &mut Report) -> Result<(), Failure> {
    for listed in root.containers().list()? {
        if matches!(listed.status, Status::Stopped(_) | Status::Created) {
            Container::find(root, listed.id.as_str())?.remove(Force::No, Anonymous::Keep)?;
            report.containers.push(listed.id.to_string());
        }
    }
    Ok(())
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
