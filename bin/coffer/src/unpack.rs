//! Unpacking the layers of an image, as root or inside a user namespace.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use coffer_confine::ids;
use coffer_rootfs::limits::Limits;
use coffer_rootfs::{Flavour, Layers, Stack};
use coffer_store::{Image, Store};

use crate::failure::Failure;
use crate::ui::{self, Ui};

/// Unpacks what is missing of `image`. Where nothing is, nothing is done and nothing is said.
pub(crate) fn unpack(
    ui: &Ui,
    store: &Store,
    image: &Image,
    limits: &Limits,
) -> Result<Stack, Failure> {
    let layers = Layers::open(store.root(), flavour())?;
    if let Some(stack) = layers.stack(&image.config)? {
        return Ok(stack);
    }
    let began = Instant::now();
    let entries = ensure(&layers, store, image, limits)?;
    ui.step(
        "unpacked",
        format_args!("{} files in {}", ui::thousands(entries), ui::duration(began.elapsed())),
    );
    layers
        .stack(&image.config)?
        .ok_or_else(|| Failure::new("an image's layers have gone again").help("try again"))
}

/// Unpacks, and gives the number of entries. An ordinary user's layers are unpacked inside a user
/// namespace, where the image's owners exist.
fn ensure(layers: &Layers, store: &Store, image: &Image, limits: &Limits) -> Result<u64, Failure> {
    let work = || layers.ensure(store, image, limits, &|_, _| {}).map(|(_, report)| report.entries);
    if rustix::process::geteuid().is_root() {
        return Ok(work()?);
    }
    let ids = ids::subid::of_caller()?;
    Ok(ids::in_user_namespace(&ids, work)?)
}

/// Removes the unpacked layers for which `goes` says so, and what unpacking left half made. Gives
/// how many. Whoever calls this holds the store's exclusive lock.
pub(crate) fn remove(root: BorrowedFd<'_>, goes: &dyn Fn(&str) -> bool) -> Result<u64, Failure> {
    let layers = Layers::open(root, flavour())?;
    let work = || layers.prune(&|name| !goes(name));
    if rustix::process::geteuid().is_root() {
        return Ok(work()?);
    }
    let ids = ids::subid::of_caller()?;
    Ok(ids::in_user_namespace(&ids, work)?)
}

/// How overlay keeps its marks here: an ordinary user cannot write trusted attributes.
pub(crate) fn flavour() -> Flavour {
    if rustix::process::geteuid().is_root() { Flavour::Root } else { Flavour::User }
}
