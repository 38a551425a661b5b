//! `pause` and `resume`.

use super::BundleError;
use crate::cgroup::Place;

/// Whether the container's groups are frozen.
pub(super) fn is_frozen(place: &Place) -> Result<bool, BundleError> {
    Ok(place.open()?.is_frozen()?)
}
