//! `coffer rm`.

use coffer_runtime::state::Containers;

use crate::failure::Failure;

pub(super) fn remove(containers: &Containers, id: &str) -> Result<(), Failure> {
    let locked = containers.find(id)?.lock()?;
    Ok(containers.remove(locked)?)
}
