//! A container that was made before, made ready to start again.

use coffer_rootfs::limits::Limits;
use coffer_runtime::container::{Container, ContainerError, DataRoot, Ready};
use coffer_runtime::state::Record;
use coffer_store::Store;

use crate::context::Context;
use crate::failure::Failure;
use crate::{lookup, unpack};

/// Makes `container` ready. Layers that are gone, or of which nobody knows whether the disk had
/// them whole when the host went down, are unpacked again.
pub(crate) fn prepare<'r>(
    context: &Context,
    root: &'r DataRoot,
    container: Container<'r>,
) -> Result<Ready<'r>, Failure> {
    let record = container.record().clone();
    let missing = match container.prepare() {
        Err(error @ ContainerError::LayerMissing { .. }) => error,
        ready => return Ok(ready?),
    };
    // Held until the layers are open, so that nobody prunes them meanwhile.
    let store = context.store()?;
    if let Err(cause) = unpack_again(context, &store, &record) {
        return Err(Failure::from(missing)
            .at(format!("container {}", record.name))
            .because(cause.what().to_owned())
            .help(format!("coffer pull {}", record.image)));
    }
    Ok(Container::find(root, record.id.as_str())?.prepare()?)
}

fn unpack_again(context: &Context, store: &Store, record: &Record) -> Result<(), Failure> {
    let gone = || Failure::new("its image is not here any more");
    let digest = record.manifest.as_ref().ok_or_else(gone)?;
    let manifest = lookup::by_own_words(store, digest)?.ok_or_else(gone)?;
    let image = store.image(&manifest)?;
    unpack::unpack(&context.ui, store, &image, &Limits::default())?;
    Ok(())
}
