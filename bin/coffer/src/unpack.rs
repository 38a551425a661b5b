//! Unpacking the layers of an image, as root or inside a user namespace.

use std::time::Instant;

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
    let (stack, report) = layers.ensure(store, image, limits, &|_, _| {})?;
    ui.step("unpacked", format_args!(
        "{} entries, {} in {}",
        ui::thousands(report.entries),
        ui::bytes(report.bytes),
        ui::duration(began.elapsed())
    ));
    Ok(stack)
}

/// How overlay keeps its marks here: an ordinary user cannot write trusted attributes.
pub(crate) fn flavour() -> Flavour {
    if rustix::process::geteuid().is_root() { Flavour::Trusted } else { Flavour::User }
}
