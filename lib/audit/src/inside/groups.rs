//! Control groups.

use super::Tried;

/// Makes a group and removes it.
pub(crate) fn makes(path: &str) -> Tried {
    std::fs::create_dir(path)?;
    std::fs::remove_dir(path)?;
    Ok(format!("made {path}"))
}
