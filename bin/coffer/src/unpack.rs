//! Unpacking the layers of an image, as root or inside a user namespace.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use coffer_confine::ids::{self, InsideError};
use coffer_rootfs::limits::Limits;
use coffer_rootfs::{Flavour, Layers, LayersError, Stack};
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
    let entries = inside(|| {
        let (_, report) = layers.ensure(store, image, limits, &|_, _| {})?;
        Ok(report.entries)
    })?;
    ui.step(
        "unpacked",
        format_args!("{} files in {}", ui::thousands(entries), ui::duration(began.elapsed())),
    );
    layers
        .stack(&image.config)?
        .ok_or_else(|| Failure::new("an image's layers have gone again").help("try again"))
}

/// Does `work` on the trees of layers. An ordinary user's are made inside a user namespace, where
/// the images' owners exist, and only there can they be removed.
fn inside(work: impl FnOnce() -> Result<u64, LayersError>) -> Result<u64, Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok(work()?);
    }
    let ids = ids::of_caller()?;
    ids::in_user_namespace(&ids, work).map_err(|error| match error {
        // That there is no namespace at all is not for want of ids.
        InsideError::Refused(_) => error.into(),
        error => with_what_lacks(error.into()),
    })
}

/// Without sub-ids most images cannot be unpacked: says how to get some.
fn with_what_lacks(failure: Failure) -> Failure {
    match ids::lacking() {
        Some(lack) => match lack.help() {
            Some(help) => failure.because(lack.to_string()).help(help),
            None => failure.because(lack.to_string()),
        },
        None => failure,
    }
}

/// Removes the unpacked layers for which `goes` says so, and what unpacking left half made. Gives
/// how many. Whoever calls this holds the store's exclusive lock.
pub(crate) fn remove(root: BorrowedFd<'_>, goes: &dyn Fn(&str) -> bool) -> Result<u64, Failure> {
    let layers = Layers::open(root, flavour())?;
    inside(|| layers.prune(&|name| !goes(name)))
}

/// How overlay keeps its marks here: an ordinary user cannot write trusted attributes.
pub(crate) fn flavour() -> Flavour {
    if rustix::process::geteuid().is_root() { Flavour::Root } else { Flavour::User }
}
