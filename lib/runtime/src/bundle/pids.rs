//! The processes of a container.

use super::{BundleError, Folder};

/// The numbers of all processes of the container, as the host sees them; none of one that has
/// stopped. Without control groups there is no telling but of the first.
///
/// # Errors
/// Where the groups cannot be read.
pub fn pids(folder: &Folder) -> Result<Vec<i32>, BundleError> {
    let (state, status) = folder.status()?;
    let Some(state) = state.filter(|_| status.lives()) else {
        return Ok(Vec::new());
    };
    let pids = state.cgroup.open()?.pids()?;
    Ok(if pids.is_empty() { vec![state.init.pid] } else { pids })
}
