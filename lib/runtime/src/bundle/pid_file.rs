//! The file that tells the caller which process it is.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use coffer_sys::dir::{self, Durability};
use rustix::fs::Mode;
use rustix::process::Pid;

use super::BundleError;

/// Writes `pid` to the caller's file `path`, whole: whoever waits for it never reads half a number.
///
/// # Errors
/// [`BundleError::PidFile`].
pub fn write(path: &Path, pid: Pid) -> Result<(), BundleError> {
    write_to(path, pid).map_err(|source| BundleError::PidFile { path: path.to_owned(), source })
}

fn write_to(path: &Path, pid: Pid) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = dir::open(folder.unwrap_or(Path::new(".")))?;
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or(io::ErrorKind::InvalidFilename)?;
    let text = pid.as_raw_nonzero().to_string();
    let mode = Mode::from_raw_mode(0o644);
    dir::write_whole(folder.as_fd(), name, text.as_bytes(), mode, Durability::Process)
}
