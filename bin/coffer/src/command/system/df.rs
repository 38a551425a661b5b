//! `coffer system df`: what is kept, and what of it `system prune` would free.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use coffer_confine::ids;
use coffer_oci::{Digest, Platform};
use coffer_runtime::container::DataRoot;
use coffer_runtime::state::{Containers, Status};
use coffer_store::Store;
use coffer_sys::{dir, tree};
use rustix::fs::{AtFlags, statat};
use serde::Serialize;
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::{Form, FormatFlags};
use crate::lookup::{self, Needed};
use crate::ui::{self, Table};

/// What `--json` prints.
#[derive(Serialize)]
struct Listing {
    version: u32,
    kinds: Vec<Row>,
}

/// One kind of what is kept.
#[derive(Serialize)]
struct Row {
    kind: &'static str,
    total: usize,
    active: usize,
    bytes: u64,
    reclaimable_bytes: u64,
}

pub(super) fn run(context: &Context, format: &FormatFlags) -> Outcome {
    let form = format.form(heading())?;
    let store = context.store()?;
    let containers = context.containers()?;
    let needed = Needed::read(&store, &containers)?;
    let kinds = vec![
        images(&store, &needed)?,
        layers(&store, &needed)?,
        of_containers(&containers)?,
        of_volumes(&context.data_root()?)?,
    ];
    let text = match form {
        Form::Json => {
            return context.ui.json(&Listing { version: 1, kinds }).map(|()| Exit::DONE);
        }
        Form::Docker(columns) => {
            columns.render(&kinds.iter().map(Row::fields).collect::<Vec<_>>())?
        }
        Form::Ids | Form::Table => table(&kinds).render(),
    };
    context.ui.data(text.as_bytes()).map(|()| Exit::DONE)
}

/// Docker's fields by their headings.
fn heading() -> Value {
    json!({
        "Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE",
        "Reclaimable": "RECLAIMABLE",
    })
}

/// Blobs, and images by the digest that they were resolved to.
fn images(store: &Store, needed: &Needed) -> Result<Row, Failure> {
    let host = Platform::host();
    let (mut all, mut kept) = (BTreeMap::new(), BTreeMap::<Digest, u64>::new());
    for entry in store.images()? {
        let image = lookup::for_platform(store, &entry.descriptor, &host).ok();
        let is_needed = |digest: &Digest| needed.images.iter().any(|n| n.digest == *digest);
        let is_active = is_needed(&entry.descriptor.digest)
            || image.as_ref().is_some_and(|image| is_needed(&image.descriptor.digest));
        if is_active {
            let own = [&entry.descriptor].into_iter();
            let rest = image.iter().flat_map(|i| i.blobs().chain([&i.descriptor]));
            kept.extend(own.chain(rest).map(|blob| (blob.digest.clone(), blob.size)));
        }
        *all.entry(entry.descriptor.digest).or_insert(false) |= is_active;
    }
    let bytes = blobs(store.root())?;
    let kept = kept.values().sum();
    Ok(Row {
        kind: "Images",
        total: all.len(),
        active: all.values().filter(|active| **active).count(),
        bytes,
        reclaimable_bytes: bytes.saturating_sub(kept),
    })
}

/// Unpacked layers.
fn layers(store: &Store, needed: &Needed) -> Result<Row, Failure> {
    let mut row = Row::new("Layers");
    let Some(folder) = folder(store.root(), "layers")? else { return Ok(row) };
    for entry in dir::entries(folder.as_fd())? {
        // What images without layers stand on is no layer (docs/store.md).
        let Some(name) = entry.name.to_str().filter(|name| *name != "empty") else { continue };
        let bytes = taken(folder.as_fd(), name)?;
        row.add(bytes, needed.unknown > 0 || needed.has_layer(name));
    }
    Ok(row)
}

/// Writable layers, logs and records.
fn of_containers(containers: &Containers) -> Result<Row, Failure> {
    let mut row = Row::new("Containers");
    for listed in containers.list()? {
        let bytes = taken(containers.dir(), listed.id.as_str())?;
        row.add(bytes, matches!(listed.status, Status::Running(_) | Status::Creating));
    }
    Ok(row)
}

/// Volumes. All that no container uses could be freed, but only those without a name of their own
/// go with `prune --volumes`.
fn of_volumes(root: &DataRoot) -> Result<Row, Failure> {
    let mut row = Row::new("Local Volumes");
    let Some(volumes) = root.volumes()? else { return Ok(row) };
    for volume in volumes.list()? {
        let is_used = !root.users(&volume.name, None)?.is_empty();
        row.add(volumes.size(&volume.name)?, is_used);
    }
    Ok(row)
}

/// The bytes that `name` in `parent` takes on disk. An ordinary user's files may belong to ids that only
/// exist in a user namespace.
fn taken(parent: BorrowedFd<'_>, name: &str) -> Result<u64, Failure> {
    let size = || tree::size(parent, OsStr::new(name));
    match rustix::process::geteuid().is_root() {
        true => Ok(size()?),
        false => Ok(ids::in_user_namespace(&ids::of_caller()?, size)?),
    }
}

/// The bytes that all blobs hold, those on their way in too.
fn blobs(root: BorrowedFd<'_>) -> Result<u64, Failure> {
    let mut bytes = files(root, "ingest")?;
    if let Some(folder) = folder(root, "blobs")? {
        for algorithm in dir::entries(folder.as_fd())? {
            bytes += algorithm.name.to_str().map_or(Ok(0), |name| files(folder.as_fd(), name))?;
        }
    }
    Ok(bytes)
}

fn files(parent: BorrowedFd<'_>, name: &str) -> Result<u64, Failure> {
    let Some(folder) = folder(parent, name)? else { return Ok(0) };
    let size = |entry: &dir::Entry| {
        let stat = statat(&folder, &entry.name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        u64::try_from(stat.st_size).ok()
    };
    Ok(dir::entries(folder.as_fd())?.iter().filter_map(size).sum())
}

fn folder(parent: BorrowedFd<'_>, name: &str) -> Result<Option<OwnedFd>, Failure> {
    match dir::open_at(parent, name) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        folder => Ok(Some(folder?)),
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(&["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]);
    for row in rows {
        table.row([
            row.kind.to_owned(),
            row.total.to_string(),
            row.active.to_string(),
            ui::bytes(row.bytes),
            row.reclaimable(),
        ]);
    }
    table
}

impl Row {
    fn new(kind: &'static str) -> Self {
        Self { kind, total: 0, active: 0, bytes: 0, reclaimable_bytes: 0 }
    }

    fn add(&mut self, bytes: u64, is_active: bool) {
        self.total += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if is_active {
            self.active += 1;
        } else {
            self.reclaimable_bytes = self.reclaimable_bytes.saturating_add(bytes);
        }
    }

    /// With its share, as docker has it.
    fn reclaimable(&self) -> String {
        let bytes = ui::bytes(self.reclaimable_bytes);
        match self.reclaimable_bytes.saturating_mul(100).checked_div(self.bytes) {
            Some(percent) => format!("{bytes} ({percent}%)"),
            None => bytes,
        }
    }

    /// Docker's fields. Source: docker system df, "Format the output".
    fn fields(&self) -> Value {
        json!({
            "Type": self.kind,
            "TotalCount": self.total.to_string(),
            "Active": self.active.to_string(),
            "Size": ui::bytes(self.bytes),
            "Reclaimable": self.reclaimable(),
        })
    }
}
