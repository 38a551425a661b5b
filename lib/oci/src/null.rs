//! What Go's encoder leaves: an absent list or map is written as `null`.

use serde::{Deserialize, Deserializer};

/// Reads `null` as the empty value.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
